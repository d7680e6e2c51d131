// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc
public import Logging
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import NIOPosix
public import ServiceLifecycle

/// Listens for the plugins: on a Unix socket, and if configured on TCP for compute nodes.
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
        public var maximumRemoteConnections = 128
        /// How often it is checked that the socket is still at its path. Default 2 s.
        public var checkInterval: Duration = .seconds(2)

        public init(socket: UnixSocketPath, slurmUser: UInt32? = nil) {
            self.socket = socket
            allowedUsers = Set([0, geteuid(), slurmUser].compactMap { $0 })
        }
    }

    private let settings: Settings
    private let sink: any BridgeSink
    private let opener: any CredentialOpener
    private let logger: Logger
    private let counterBox = NIOLockedValueBox(BridgeCounters())
    private let onListening: @Sendable () -> Void

    /// - Parameter onListening: called once the Unix socket is there, each time it is made.
    public init(
        settings: Settings, sink: any BridgeSink, opener: any CredentialOpener, logger: Logger,
        onListening: @escaping @Sendable () -> Void = {}
    ) {
        self.settings = settings
        self.sink = sink
        self.opener = opener
        self.logger = logger
        self.onListening = onListening
    }

    public var counters: BridgeCounters { counterBox.withLockedValue { $0 } }

    /// - Throws: when the socket cannot be made at first; later it is tried again and again.
    public func run() async throws {
        try settings.socket.prepare()
        try await cancelWhenGracefulShutdown {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await self.serveUnix() }
                if let listen = self.settings.listen { group.addTask { try await self.serveRemote(listen) } }
                try await group.waitForAll()
            }
        }
    }

    // MARK: Unix

    private func serveUnix() async throws {
        var isFirst = true
        while !Task.isCancelled {
            do {
                try settings.socket.prepare()
                let server = try await bindUnix()
                isFirst = false
                onListening()
                await serve(server, limit: settings.maximumConnections) { await self.serveLocal($0) }
                if !Task.isCancelled {
                    logger.warning(
                        "the event socket vanished; making it anew", metadata: ["socket": "\(settings.socket.path)"])
                }
            } catch {
                if isFirst { throw error }
                logger.error("the event socket cannot be made", metadata: ["why": "\(error)"])
                try? await Task.sleep(for: settings.checkInterval)
            }
        }
        unlink(settings.socket.path)
    }

    private func bindUnix() async throws -> NIOAsyncChannel<AcceptedBytes, Never> {
        let server = try await Self.bootstrap.bind(
            unixDomainSocketPath: settings.socket.path, childChannelInitializer: AcceptedBytes.initializer)
        do {
            try settings.socket.setMode(settings.mode)
        } catch {
            try? await server.channel.close()
            throw error
        }
        return server
    }

    private func serveLocal(_ accepted: AcceptedBytes) async {
        guard let credentials = accepted.peer, settings.allowedUsers.contains(credentials.uid) else {
            counterBox.withLockedValue { $0.refusedPeers += 1 }
            logger.warning(
                "turned away who may not report events",
                metadata: ["uid": "\(accepted.peer.map { String($0.uid) } ?? "unknown")"])
            accepted.close()
            return
        }
        let peer = BridgePeer(way: .unix, uid: credentials.uid, pid: credentials.pid)
        let connection = Connection(sink: sink, counters: counterBox, logger: logger, peer: peer)
        // How a connection ends is the plugin's affair: it comes back.
        try? await accepted.serve { try await connection.serve($0) }
    }

    // MARK: TCP

    private func serveRemote(_ listen: (host: String, port: Int)) async throws {
        let server = try await Self.bootstrap.bind(
            host: listen.host, port: listen.port, childChannelInitializer: AcceptedBytes.initializer)
        logger.info("listening for signed messages", metadata: ["address": "\(listen.host)", "port": "\(listen.port)"])
        await serve(server, limit: settings.maximumRemoteConnections) { accepted in
            let address = accepted.underlying.remoteAddress?.ipAddress ?? "?"
            let connection = SealedConnection(
                sink: self.sink, opener: self.opener, allowedUsers: self.settings.allowedUsers,
                counters: self.counterBox, logger: self.logger, address: address)
            try? await accepted.serve { try await connection.serve($0) }
        }
    }

    // MARK: both

    private static var bootstrap: ServerBootstrap {
        ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
    }

    /// Serves until the task is cancelled or (Unix) the socket is no longer at its path.
    private func serve(
        _ server: NIOAsyncChannel<AcceptedBytes, Never>, limit: Int,
        _ body: @escaping @Sendable (AcceptedBytes) async -> Void
    ) async {
        let isUnix = server.channel.localAddress?.pathname != nil
        await withTaskGroup(of: Void.self) { group in
            if isUnix {
                group.addTask {
                    await self.watchPath()
                    try? await server.channel.close()
                }
            }
            group.addTask {
                try? await server.executeThenClose { incoming in
                    try await withThrowingDiscardingTaskGroup { connections in
                        for try await accepted in incoming {
                            let open = self.counterBox.withLockedValue { counters -> Int in
                                counters.connections += 1
                                counters.openConnections += 1
                                return counters.openConnections
                            }
                            connections.addTask {
                                if open > limit {
                                    self.counterBox.withLockedValue { $0.tooManyConnections += 1 }
                                    accepted.close()
                                } else {
                                    await body(accepted)
                                }
                                self.counterBox.withLockedValue { $0.openConnections -= 1 }
                            }
                        }
                    }
                }
            }
            await group.next()
            group.cancelAll()
        }
    }

    /// Returns when the path leads to another file than now, or to none.
    private func watchPath() async {
        // It may have vanished before the first look.
        guard let mine = settings.socket.identity else { return }
        while !Task.isCancelled, settings.socket.identity == mine {
            do {
                try await Task.sleep(for: settings.checkInterval)
            } catch {
                return
            }
        }
    }
}
