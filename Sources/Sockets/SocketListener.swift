// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc
public import NIOCore
internal import NIOPosix

/// One listener for all doors of the agent: it takes connections in within limits, and whatever happens to its socket (the path
/// vanishes, the port is somebody else's, no descriptors are left) it says so, waits and tries again. Nothing ends it but its
/// task's cancellation.
public struct SocketListener<Inbound: Sendable, Outbound: Sendable>: Sendable {
    public typealias Connection = AcceptedConnection<Inbound, Outbound>

    public struct Settings: Sendable {
        /// Open at once.
        public var connections = 64
        /// Of them, from one host, or of one user; nil: all.
        public var perOrigin: Int?
        /// That the kernel keeps until they are taken in.
        public var backlog: Int32 = 128
        /// Between two attempts to listen.
        public var retry: Duration = .seconds(30)
        /// How often it is looked whether the socket is still at its path.
        public var watch: Duration = .seconds(2)
        /// A client that only wrote is still answered.
        public var allowsHalfClosure = false

        public init() {}
    }

    /// What becomes of the door.
    public enum Event: Sendable {
        case listening
        /// Not now; it is tried again.
        case failed(String)
        /// The socket is no longer at its path; it is made again. Who is inside stays.
        case vanished
        /// Connections cannot be taken in, and wait. Said again and again.
        case starved(String)
        /// They can again.
        case fed
        /// All places are taken by those that may stay.
        case refused
        /// A connection that had shown nothing gave its place to a newer one.
        case replaced
    }

    /// A connection's standing.
    public struct Place: Sendable {
        let door: Door
        let channel: any Channel
        /// Where it comes from: `uid 0`, or a numeric address.
        public let origin: String

        /// It may stay, and whoever comes from there is welcome.
        public func trust() { door.trust(channel) }
        /// Whoever comes from there is welcome, though this one has left by now.
        public func vouch() { door.vouch(for: origin) }
    }

    private let address: DoorAddress
    private let settings: Settings
    private let door: Door
    private let initializer: @Sendable (any Channel) -> EventLoopFuture<Connection>
    private let report: @Sendable (Event) -> Void

    public init(
        _ address: DoorAddress, settings: Settings = Settings(),
        initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Connection>,
        report: @escaping @Sendable (Event) -> Void
    ) {
        self.address = address
        self.settings = settings
        self.initializer = initializer
        self.report = report
        door = Door(limit: settings.connections, perOrigin: settings.perOrigin)
    }

    /// Connections that are open.
    public var count: Int { door.count }

    /// Until the task is cancelled: then all connections are closed, and none is left when it returns.
    public func run(_ serve: @escaping @Sendable (Connection, Place) async -> Void) async {
        await withDiscardingTaskGroup { connections in
            while !Task.isCancelled {
                var pause = settings.retry
                do {
                    let server = try await bind()
                    let mine = identity
                    report(.listening)
                    await accept(server) { connection in
                        guard let place = admit(connection) else { return connection.close() }
                        connections.addTask {
                            await withTaskCancellationHandler {
                                await serve(connection, place)
                            } onCancel: {
                                connection.close()
                            }
                        }
                    }
                    if Task.isCancelled {
                        if case .unix(let socket, _) = address, let mine, socket.identity == mine {
                            unlink(socket.path)
                        }
                        break
                    }
                    report(.vanished)
                    pause = min(.milliseconds(100), settings.retry)
                } catch {
                    if Task.isCancelled { break }
                    report(.failed(ListeningAdvice.words(error, at: address)))
                }
                try? await Task.sleep(for: pause)
            }
            connections.cancelAll()
        }
    }

    // MARK: listening

    private func bind() async throws -> NIOAsyncChannel<Connection, Never> {
        let door = door
        let report = report
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: settings.backlog)
            // So many more may come in before the guard's pause holds.
            .serverChannelOption(.maxMessagesPerRead, value: 8)
            .childChannelOption(.allowRemoteHalfClosure, value: settings.allowsHalfClosure)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        AcceptGuard { error in
                            guard let error else {
                                report(.fed)
                                return false
                            }
                            report(.starved(error))
                            return door.makeRoom()
                        })
                }
            }
        switch address {
        case .unix(let socket, let mode):
            try socket.prepare()
            return try await bootstrap.bind(
                try socket.listen(mode: mode, backlog: settings.backlog), childChannelInitializer: initializer)
        case .tcp(let host, let port):
            return
                try await bootstrap
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .bind(to: try SocketAddress(ipAddress: host, port: port), childChannelInitializer: initializer)
        }
    }

    private var identity: UnixSocketPath.Identity? {
        if case .unix(let socket, _) = address { socket.identity } else { nil }
    }

    /// Takes connections in until the task is cancelled, or the socket is no longer at its path.
    private func accept(_ server: NIOAsyncChannel<Connection, Never>, _ take: (Connection) -> Void) async {
        let channel = server.channel
        var look: RepeatedTask?
        if case .unix(let socket, _) = address {
            guard let mine = socket.identity else {
                // It has vanished before the first look.
                try? await channel.close()
                return
            }
            look = channel.eventLoop.scheduleRepeatedTask(
                initialDelay: TimeAmount(settings.watch), delay: TimeAmount(settings.watch)
            ) { _ in
                if socket.hasLost(mine) { channel.close(promise: nil) }
            }
        }
        defer { look?.cancel() }
        try? await server.executeThenClose { incoming in
            for try await connection in incoming { take(connection) }
        }
    }

    // MARK: connections

    private func admit(_ connection: Connection) -> Place? {
        let channel = connection.underlying
        // The kernel gives credentials for any socket; those of TCP say nothing.
        let origin =
            switch address {
            case .unix: connection.peer.map { "uid \($0.uid)" } ?? ""
            case .tcp: connection.address ?? ""
            }
        let (isAdmitted, instead) = door.enter(channel, from: origin)
        guard isAdmitted else {
            report(.refused)
            return nil
        }
        if let instead {
            instead.close(promise: nil)
            report(.replaced)
        }
        return Place(door: door, channel: channel, origin: origin)
    }
}
