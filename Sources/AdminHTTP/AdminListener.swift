// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc
internal import HTTPTypes
internal import HummingbirdCore
internal import Logging
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import NIOHTTPTypes
internal import Sockets
internal import StatusViews

/// One place at which the admin server listens. What goes wrong there is logged and tried again; it is never the daemon's end.
struct AdminListener: Sendable {
    typealias Listener = SocketListener<HTTPRequestPart, HTTPResponsePart>

    let address: DoorAddress
    let routes: AdminRoutes
    let limits: AdminServer.Limits
    let logger: Logger
    /// Told why nobody can come in, and nil when they can.
    let onTrouble: @Sendable (String?) -> Void

    /// Until the task is cancelled.
    func run() async {
        let logger = logger
        var settings = Listener.Settings()
        settings.connections = limits.connections
        settings.backlog = 64
        settings.retry = limits.retry
        settings.watch = limits.watch
        // What a client that only wrote half-closes is still answered.
        settings.allowsHalfClosure = true
        let trusted = NIOLockedValueBox<[ObjectIdentifier: Listener.Place]>([:])
        let serving = http(onTrusted: { channel in
            trusted.withLockedValue { $0[ObjectIdentifier(channel)] }?.trust()
        })
        let listener = Listener(
            address, settings: settings,
            initializer: { channel in serving.setup(channel: channel, logger: logger).map { AcceptedConnection($0) } },
            report: heard)
        await listener.run { connection, place in
            let key = ObjectIdentifier(connection.underlying)
            trusted.withLockedValue { $0[key] = place }
            defer { trusted.withLockedValue { $0[key] = nil } }
            // At the end nobody waits for a client: what is under way is cut.
            await connection.serve { await serving.handle(value: $0, logger: logger) }
        }
    }

    private func heard(_ event: Listener.Event) {
        switch event {
        case .listening:
            onTrouble(nil)
            logger.notice("serves the status page", metadata: ["address": "\(address)"])
        case .failed(let why):
            onTrouble(why)
            logger.error(
                "the status page cannot be served; it is tried again",
                metadata: ["address": "\(address)", "why": "\(why)", "every": "\(limits.retry)"])
        case .vanished:
            logger.warning("the status page's socket vanished; making it again", metadata: ["address": "\(address)"])
        case .starved(let why):
            onTrouble(why)
            logger.error("nobody can ask for the status page", metadata: ["address": "\(address)", "why": "\(why)"])
        case .fed:
            onTrouble(nil)
        case .refused, .replaced:
            break
        }
    }

    private func http(onTrusted: @escaping @Sendable (any Channel) -> Void) -> HTTP1Channel {
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
                    SlowClientGuard(
                        deadlines: deadlines, untrusted: [400, 401, 413, 414, 421],
                        completeHead: AdminResponse.complete, onTrusted: onTrusted)
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
    @Sendable fileprivate static func complete(_ head: inout HTTPResponse) {
        for (name, value) in commonHeaders {
            if let name = HTTPField.Name(name), head.headerFields[name] == nil { head.headerFields[name] = value }
        }
        if let date = PageTime.http(Int64(time(nil))) { head.headerFields[.date] = date }
    }

    fileprivate var head: HTTPResponse {
        var fields = HTTPFields()
        for (name, value) in headers {
            if let name = HTTPField.Name(name) { fields[name] = value }
        }
        fields[.contentLength] = "\(body.utf8.count)"
        return HTTPResponse(status: .init(code: status), headerFields: fields)
    }
}
