// SPDX-License-Identifier: GPL-3.0-or-later

package import AgentSettings
package import Logging
internal import NIOCore
internal import ServiceLifecycle
package import Sockets
package import StatusViews

/// Health, metrics and the status page over HTTP: on a Unix socket, whose permissions decide who may ask, and if configured on
/// TCP, where a token does.
///
/// It only shows. No client can hold anything up: places, sizes and times are bounded, and whatever the clients do, the status is
/// gathered at most once a second.
package struct AdminServer: Service {
    package struct TCP: Sendable {
        package var listen: ListenAddress
        package var token: AdminToken

        package init(listen: ListenAddress, token: AdminToken) {
            (self.listen, self.token) = (listen, token)
        }
    }

    package struct Settings: Sendable {
        package var socket: UnixSocketPath
        /// Permissions of the socket.
        package var mode: UInt32 = 0o660
        /// nil: no TCP.
        package var tcp: TCP?
        /// Names by which clients reach the server, beside the address that it listens on and localhost.
        package var hosts: [String] = []
        var limits = Limits()

        package init(socket: UnixSocketPath) {
            self.socket = socket
        }
    }

    struct Limits: Sendable {
        /// At each place.
        var connections = 64
        /// Of all headers together, with the path.
        var headerBytes = 16 * 1024
        var headerCount = 64
        var deadlines = SlowClientGuard.Deadlines(
            firstRequest: .seconds(10), answer: .seconds(30), nextRequest: .seconds(60))
        /// How much later a wrong token is answered.
        var guessDelay: Duration = .seconds(1)
        /// Between two attempts at a place that cannot be used.
        var retry: Duration = .seconds(30)
        /// How often it is checked that the socket is still at its path.
        var watch: Duration = .seconds(2)
    }

    private let settings: Settings
    private let gateways: [any ShownGateway]
    private let cache: StatusCache
    private let logger: Logger
    private let onTrouble: @Sendable (String, String?) -> Void

    /// - Parameters:
    ///   - gateways: what adds to what is shown.
    ///   - onTrouble: told of each place, by its key, why nobody can come in, and nil when they can.
    package init(
        _ settings: Settings, _ gateways: [any ShownGateway], logger: Logger = Logger(label: "admin"),
        onTrouble: @escaping @Sendable (_ key: String, _ why: String?) -> Void = { _, _ in },
        status: @escaping @Sendable () async -> AgentStatus
    ) {
        self.onTrouble = onTrouble
        self.settings = settings
        self.gateways = gateways
        self.logger = logger
        cache = StatusCache(read: status)
    }

    /// Ends at once when the daemon does: a request that is under way is cut.
    package func run() async throws {
        var listeners = [
            listener(
                .unix(settings.socket, mode: settings.mode), key: "admin.socket", token: nil, hosts: settings.hosts)
        ]
        if let tcp = settings.tcp {
            if !tcp.listen.isLoopback {
                logger.warning(
                    "token and status page can be read on their way: listen on 127.0.0.1 and use ssh -L or a TLS proxy",
                    metadata: ["address": "\(tcp.listen)"])
            }
            listeners.append(
                listener(
                    .tcp(host: tcp.listen.host, port: tcp.listen.port), key: "admin.listen", token: tcp.token,
                    hosts: settings.hosts + [tcp.listen.host]))
        }
        await cancelWhenGracefulShutdown { [listeners] in
            await withDiscardingTaskGroup { group in
                for listener in listeners { group.addTask { await listener.run() } }
            }
        }
    }

    private func listener(_ address: DoorAddress, key: String, token: AdminToken?, hosts: [String]) -> AdminListener {
        AdminListener(
            address: address,
            routes: AdminRoutes(
                access: AdminAccess(token: token, hosts: hosts), gateways: gateways,
                snapshot: { [cache] in await cache.current() }),
            limits: settings.limits, logger: logger, onTrouble: { [onTrouble] in onTrouble(key, $0) })
    }
}

extension ListenAddress {
    fileprivate var isLoopback: Bool { host == "::1" || host.hasPrefix("127.") }
}
