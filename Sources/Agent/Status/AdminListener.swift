// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc
internal import HTTPTypes
internal import HummingbirdCore
internal import Logging
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import NIOHTTPTypes
internal import NIOPosix
internal import SpankBridge

/// One place at which the admin server listens. What goes wrong there is logged and tried again; it is never the daemon's end.
struct AdminListener: Sendable {
    enum Place: Sendable, CustomStringConvertible {
        case unix(UnixSocketPath, mode: UInt32)
        case tcp(ListenAddress)

        var description: String {
            switch self {
            case .unix(let socket, _): socket.path
            case .tcp(let address): "\(address)"
            }
        }
    }

    typealias Connection = AcceptedConnection<HTTPRequestPart, HTTPResponsePart>

    let place: Place
    let routes: AdminRoutes
    let limits: AdminServer.Limits
    let logger: Logger
    private let table: NIOLockedValueBox<ConnectionTable<ObjectIdentifier>>
    private let channels = NIOLockedValueBox<[ObjectIdentifier: any Channel]>([:])

    init(_ place: Place, routes: AdminRoutes, limits: AdminServer.Limits, logger: Logger) {
        self.place = place
        self.routes = routes
        self.limits = limits
        self.logger = logger
        table = NIOLockedValueBox(ConnectionTable(limit: limits.connections))
    }

    /// Until the task is cancelled.
    func run() async {
        while !Task.isCancelled {
            var pause = limits.retry
            do {
                let server = try await bind()
                logger.notice("serves the status page", metadata: ["address": "\(place)"])
                await serve(server)
                guard !Task.isCancelled else { break }
                logger.warning(
                    "the status page's socket vanished; making it anew", metadata: ["address": "\(place)"])
                pause = limits.watch
            } catch {
                logger.error(
                    "the status page cannot be served; it is tried again",
                    metadata: ["address": "\(place)", "why": "\(error)", "every": "\(limits.retry)"])
            }
            try? await Task.sleep(for: pause)
        }
    }

    // MARK: listening

    private func bind() async throws -> NIOAsyncChannel<Connection, Never> {
        let http = http
        let logger = logger
        let accept: @Sendable (any Channel) -> EventLoopFuture<Connection> = { channel in
            http.setup(channel: channel, logger: logger).map { Connection($0) }
        }
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 64)
            // What a client that only wrote half-closes is still answered.
            .childChannelOption(.allowRemoteHalfClosure, value: true)
        switch place {
        case .unix(let socket, let mode):
            try socket.prepare()
            return try await bootstrap.bind(try socket.listen(mode: mode), childChannelInitializer: accept)
        case .tcp(let address):
            return
                try await bootstrap
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .bind(
                    to: try SocketAddress(ipAddress: address.host, port: address.port),
                    childChannelInitializer: accept)
        }
    }

    /// Serves until the task is cancelled, or the socket is no longer at its path.
    private func serve(_ server: NIOAsyncChannel<Connection, Never>) async {
        let mine: UnixSocketPath.Identity? = if case .unix(let socket, _) = place { socket.identity } else { nil }
        await withTaskGroup(of: Void.self) { group in
            if case .unix(let socket, _) = place {
                group.addTask { await watch(socket, mine) }
            }
            group.addTask {
                try? await server.executeThenClose { incoming in
                    await withDiscardingTaskGroup { connections in
                        do {
                            for try await connection in incoming {
                                // Here and not in its task, so that the newest is about the last to give its place up.
                                let isAdmitted = admit(connection.underlying)
                                connections.addTask {
                                    if isAdmitted {
                                        await handle(connection)
                                    } else {
                                        connection.close()
                                    }
                                }
                            }
                        } catch {
                            logger.debug("no longer accepting", metadata: ["address": "\(place)", "why": "\(error)"])
                        }
                        connections.cancelAll()
                    }
                }
            }
            await group.next()
            group.cancelAll()
        }
        if case .unix(let socket, _) = place, let mine, socket.identity == mine { unlink(socket.path) }
    }

    /// Returns when the path leads to another file than now, or to none.
    private func watch(_ socket: UnixSocketPath, _ mine: UnixSocketPath.Identity?) async {
        guard let mine else { return }
        while !Task.isCancelled, socket.identity == mine { try? await Task.sleep(for: limits.watch) }
    }

    // MARK: connections

    private func admit(_ channel: any Channel) -> Bool {
        let key = ObjectIdentifier(channel)
        switch table.withLockedValue({ $0.enter(key) }) {
        case .admitted: break
        case .instead(let other): channels.withLockedValue { $0.removeValue(forKey: other) }?.close(promise: nil)
        case .refused: return false
        }
        channels.withLockedValue { $0[key] = channel }
        return true
    }

    private func handle(_ connection: Connection) async {
        let channel = connection.underlying
        let key = ObjectIdentifier(channel)
        defer {
            _ = channels.withLockedValue { $0.removeValue(forKey: key) }
            table.withLockedValue { $0.leave(key) }
        }
        // At the end nobody waits for a client: what is under way is cut.
        await withTaskCancellationHandler {
            await connection.serve { await http.handle(value: $0, logger: logger) }
        } onCancel: {
            channel.close(promise: nil)
        }
    }

    private var http: HTTP1Channel {
        let table = table
        let deadlines = limits.deadlines
        return HTTP1Channel(
            responder: { request, writer, channel in
                let response = await routes.answer(AdminRequest(request.head))
                if response.isGuess {
                    logger.warning(
                        "asked for the status with a wrong token",
                        metadata: ["peer": "\(channel.remoteAddress?.ipAddress ?? "?")"])
                    // Only this connection waits.
                    try await Task.sleep(for: limits.guessDelay)
                }
                let isHead = request.method == .head
                try await writer.write(
                    response: response.head,
                    body: isHead ? ResponseBody() : ResponseBody(byteBuffer: ByteBuffer(string: response.body)))
            },
            configuration: .init(
                additionalChannelHandlers: [
                    ConnectionGuard(deadlines: deadlines) { channel in
                        table.withLockedValue { $0.trust(ObjectIdentifier(channel)) }
                    }
                ],
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: limits.headerBytes, maxHeaderListSize: limits.headerBytes,
                    maxHeaderFieldCount: limits.headerCount)))
    }
}

extension AdminRequest {
    fileprivate init(_ head: HTTPRequest) {
        method = head.method.rawValue
        path = head.path ?? ""
        host = head.authority
        authorization = head.headerFields[.authorization]
        hasBody =
            head.headerFields[.transferEncoding] != nil || head.headerFields[.contentLength].map { $0 != "0" } ?? false
    }
}

extension AdminResponse {
    fileprivate var head: HTTPResponse {
        var fields = HTTPFields()
        for (name, value) in headers {
            if let name = HTTPField.Name(name) { fields[name] = value }
        }
        fields[.contentLength] = "\(body.utf8.count)"
        return HTTPResponse(status: .init(code: status), headerFields: fields)
    }
}
