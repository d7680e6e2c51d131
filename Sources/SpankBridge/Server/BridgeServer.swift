// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc
public import Logging
internal import NIOConcurrencyHelpers
internal import NIOCore
public import ServiceLifecycle
public import Sockets

/// Listens for the plugins: on a Unix socket, and if configured on TCP for compute nodes. Each door has limits of its own.
public final class BridgeServer: Service {
    public struct Settings: Sendable {
        public var socket: UnixSocketPath
        /// Permissions of the socket.
        public var mode: UInt32 = 0o660
        /// Numeric address and port for signed messages; nil: no TCP.
        public var listen: (host: String, port: Int)?
        /// Who may report: root, this process's user, and SlurmUser.
        public var allowedUsers: Set<UInt32>
        public var maximumConnections = 512
        public var maximumRemoteConnections = 512
        /// Of them, from one host.
        public var maximumConnectionsPerHost = 64
        /// How often it is checked that the socket is still at its path, and between two attempts to make it. Default 2 s.
        public var checkInterval: Duration = .seconds(2)
        /// Between two attempts to listen on TCP. Default 5 s.
        public var retryInterval: Duration = .seconds(5)
        public var deadlines = Deadlines()

        public init(socket: UnixSocketPath, slurmUser: UInt32? = nil) {
            self.socket = socket
            allowedUsers = Set([0, geteuid(), slurmUser].compactMap { $0 })
        }
    }

    /// How long a connection may take for its parts.
    public struct Deadlines: Sendable {
        /// Until the first whole frame, and from the first byte of any other to its last. Default 10 s.
        public var frame: Duration = .seconds(10)
        /// To take an acknowledgement. Default 30 s.
        public var answer: Duration = .seconds(30)
        /// From another host, for its one message. Default 5 s.
        public var message: Duration = .seconds(5)

        public init() {}
    }

    public enum Place: String, Sendable {
        case socket
        case remote
    }

    private let settings: Settings
    private let sink: any BridgeSink
    private let opener: any CredentialOpener
    private let logger: Logger
    private let counterBox = NIOLockedValueBox(BridgeCounters())
    private let onListening: @Sendable () -> Void
    private let onTrouble: @Sendable (Place, String?) -> Void

    /// - Parameters:
    ///   - onListening: called once the Unix socket is there, each time it is made.
    ///   - onTrouble: told why nobody can come in at a place, and nil when they can.
    public init(
        settings: Settings, sink: any BridgeSink, opener: any CredentialOpener, logger: Logger,
        onListening: @escaping @Sendable () -> Void = {},
        onTrouble: @escaping @Sendable (Place, String?) -> Void = { _, _ in }
    ) {
        self.settings = settings
        self.sink = sink
        self.opener = opener
        self.logger = logger
        self.onListening = onListening
        self.onTrouble = onTrouble
    }

    public var counters: BridgeCounters { counterBox.withLockedValue { $0 } }

    /// What goes wrong at a place is logged, told and tried again; it ends neither this nor the other place.
    public func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask { await self.serveUnix() }
                if let listen = self.settings.listen {
                    group.addTask { await self.serveRemote(listen) }
                }
            }
        }
    }

    private func count(_ change: (inout BridgeCounters) -> Void) { counterBox.withLockedValue(change) }

    // MARK: Unix

    private func serveUnix() async {
        var limits = SocketListener<ByteBuffer, ByteBuffer>.Settings()
        limits.connections = settings.maximumConnections
        limits.backlog = 1024
        limits.retry = settings.checkInterval
        limits.watch = settings.checkInterval
        let listener = SocketListener(
            .unix(settings.socket, mode: settings.mode), settings: limits, initializer: AcceptedBytes.initializer
        ) { self.heard($0) }
        await listener.run { await self.serveLocal($0, $1) }
    }

    private func heard(_ event: SocketListener<ByteBuffer, ByteBuffer>.Event) {
        let path = settings.socket.path
        switch event {
        case .listening:
            onTrouble(.socket, nil)
            onListening()
        case .failed(let why):
            onTrouble(.socket, why)
            logger.error("the event socket cannot be made", metadata: ["why": "\(why)"])
        case .vanished:
            logger.warning("the event socket vanished; making it again", metadata: ["socket": "\(path)"])
        case .starved(let why):
            count { $0.acceptFailures += 1 }
            onTrouble(.socket, why)
            logger.error("no plugin can connect", metadata: ["socket": "\(path)", "why": "\(why)"])
        case .fed:
            onTrouble(.socket, nil)
        case .refused:
            count { $0.tooManyConnections += 1 }
        case .replaced:
            count { $0.replacedConnections += 1 }
        }
    }

    private func serveLocal(_ accepted: AcceptedBytes, _ place: SocketListener<ByteBuffer, ByteBuffer>.Place) async {
        count {
            $0.connections += 1
            $0.openConnections += 1
        }
        defer { count { $0.openConnections -= 1 } }
        guard let credentials = accepted.peer, settings.allowedUsers.contains(credentials.uid) else {
            count { $0.refusedPeers += 1 }
            logger.warning(
                "turned away who may not report events",
                metadata: ["uid": "\(accepted.peer.map { String($0.uid) } ?? "unknown")"])
            accepted.close()
            return
        }
        let peer = BridgePeer(way: .unix, uid: credentials.uid, pid: credentials.pid)
        let connection = Connection(
            sink: sink, counters: counterBox, logger: logger, peer: peer, deadlines: settings.deadlines,
            onFrame: { place.trust() })
        // How a connection ends is the plugin's affair: it comes back.
        try? await accepted.serve { try await connection.serve($0) }
    }

    // MARK: TCP

    private func serveRemote(_ listen: (host: String, port: Int)) async {
        var limits = SocketListener<ByteBuffer, ByteBuffer>.Settings()
        limits.connections = settings.maximumRemoteConnections
        limits.perOrigin = settings.maximumConnectionsPerHost
        // All nodes of a large job report within a second.
        limits.backlog = 4096
        limits.retry = settings.retryInterval
        let address = DoorAddress.tcp(host: listen.host, port: listen.port)
        let listener = SocketListener(address, settings: limits, initializer: AcceptedBytes.initializer) {
            self.heardRemote($0, at: address)
        }
        await listener.run { accepted, place in
            self.count {
                $0.remoteConnections += 1
                $0.openRemoteConnections += 1
            }
            defer { self.count { $0.openRemoteConnections -= 1 } }
            let connection = SealedConnection(
                sink: self.sink, opener: self.opener, allowedUsers: self.settings.allowedUsers,
                counters: self.counterBox, logger: self.logger, address: place.origin,
                deadline: self.settings.deadlines.message, onCredential: { place.vouch() })
            try? await accepted.serve { try await connection.serve($0) }
        }
    }

    private func heardRemote(_ event: SocketListener<ByteBuffer, ByteBuffer>.Event, at address: DoorAddress) {
        switch event {
        case .listening:
            onTrouble(.remote, nil)
            logger.notice("listening for signed messages", metadata: ["address": "\(address)"])
        case .failed(let why):
            onTrouble(.remote, "\(address): no messages of compute nodes: \(why)")
            logger.error(
                "signed messages of compute nodes cannot be taken; it is tried again",
                metadata: ["address": "\(address)", "why": "\(why)", "every": "\(settings.retryInterval)"])
        case .vanished:
            onTrouble(.remote, "\(address): the socket was closed")
            logger.warning("no longer listening for signed messages; trying again", metadata: ["address": "\(address)"])
        case .starved(let why):
            count { $0.acceptFailures += 1 }
            onTrouble(.remote, "\(address): \(why)")
            logger.error("no compute node can connect", metadata: ["address": "\(address)", "why": "\(why)"])
        case .fed:
            onTrouble(.remote, nil)
        case .refused:
            count { $0.tooManyRemoteConnections += 1 }
        case .replaced:
            count { $0.replacedConnections += 1 }
        }
    }
}
