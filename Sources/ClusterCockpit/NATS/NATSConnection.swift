// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import NIOCore
internal import NIOSSL
internal import TLSClient

/// One message for the server, or none: then only whether it answers.
struct NATSPublication: Sendable {
    var subject: String
    var payload: [UInt8]?
    /// Succeeds when the server has taken it: each is followed by a PING, and the server answers in order.
    var taken: EventLoopPromise<Void>
}

/// One connection to a NATS server, as a publisher. After any error of the server it is closed: which message an error is about is
/// not said, so all that were not acknowledged fail, and may be sent again.
final class NATSConnection: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = Never
    typealias OutboundIn = NATSPublication
    typealias OutboundOut = ByteBuffer

    struct Login: Sendable {
        var user: String?
        var secret: String?
        /// Of `tls://`: nothing is said in clear but the server's greeting.
        var host: String
        var isEncrypted: Bool
        var tls: TLSClient
    }

    private let login: Login
    private var decoder = NATSDecoder()
    /// In order; the first one is of the login.
    private var waiting: CircularBuffer<EventLoopPromise<Void>> = []
    private var ready: EventLoopPromise<Void>?
    private var maxPayload: Int?
    private var isGreeted = false
    private var failure: CockpitError?

    /// - Parameter ready: succeeds when the server has taken the login.
    init(_ login: Login, ready: EventLoopPromise<Void>) {
        self.login = login
        self.ready = ready
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        do {
            for message in try decoder.take(unwrapInboundIn(data).readableBytesView) {
                guard failure == nil else { return }
                try take(message, context)
            }
        } catch {
            end(Self.reason(error), context)
        }
    }

    private func take(_ message: NATSMessage, _ context: ChannelHandlerContext) throws {
        switch message {
        case .info(let info):
            if let limit = info.maxPayload, limit > 0 { maxPayload = limit }
            if !isGreeted { try greet(info, context) }
        case .ping: write("PONG\r\n", context)
        case .pong: waiting.popFirst()?.succeed(())
        case .okay: break
        case .error(let text): end(CockpitError(.unavailable, "the NATS server refuses: \(text)"), context)
        }
    }

    private func greet(_ info: NATSServerInfo, _ context: ChannelHandlerContext) throws {
        isGreeted = true
        let isEncrypted = login.isEncrypted || info.requiresTLS == true
        if isEncrypted {
            guard info.requiresTLS == true || info.offersTLS == true else {
                throw CockpitError(.unavailable, "the NATS server speaks no TLS: configure tls there, or nats:// here")
            }
            // What came in clear must not count as said under TLS.
            guard !decoder.hasRest else {
                throw CockpitError(.malformed, "the NATS server speaks before TLS has begun")
            }
            try context.pipeline.syncOperations.addHandler(login.tls.handler(host: login.host), position: .first)
        }
        let connect = try JSONEncoder().encode(
            NATSConnect(user: login.user, secret: login.secret, isEncrypted: isEncrypted))
        if let ready { waiting.append(ready) }
        ready = nil
        write("CONNECT \(String(decoding: connect, as: UTF8.self))\r\nPING\r\n", context)
    }

    private func write(_ text: String, _ context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let publication = unwrapOutboundIn(data)
        if let failure {
            publication.taken.fail(failure)
            promise?.fail(failure)
            return
        }
        var buffer = context.channel.allocator.buffer(capacity: (publication.payload?.count ?? 0) + 64)
        if let payload = publication.payload {
            if let maxPayload, payload.count > maxPayload {
                publication.taken.fail(
                    CockpitError(
                        .refused,
                        "the message has \(payload.count) bytes, and the NATS server takes \(maxPayload): raise max_payload there, "
                            + "or lower clustercockpit.metadata-limit"))
                promise?.succeed(())
                return
            }
            buffer.writeString("PUB \(publication.subject) \(payload.count)\r\n")
            buffer.writeBytes(payload)
            buffer.writeString("\r\n")
        }
        buffer.writeString("PING\r\n")
        waiting.append(publication.taken)
        context.write(wrapOutboundOut(buffer), promise: promise)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { end(Self.reason(error), context) }

    func channelInactive(context: ChannelHandlerContext) {
        failAll(CockpitError(.unavailable, "the NATS server closed the connection"))
        context.fireChannelInactive()
    }

    /// Also of a connection that never was.
    func handlerRemoved(context: ChannelHandlerContext) {
        failAll(CockpitError(.unavailable, "the NATS server cannot be connected to"))
    }

    private func end(_ reason: CockpitError, _ context: ChannelHandlerContext) {
        failure = failure ?? reason
        context.close(promise: nil)
        failAll(reason)
    }

    private func failAll(_ reason: CockpitError) {
        let reason = failure ?? reason
        failure = reason
        ready?.fail(reason)
        ready = nil
        while let one = waiting.popFirst() { one.fail(reason) }
    }

    static func reason(_ error: any Error) -> CockpitError {
        if let error = error as? CockpitError { return error }
        let text = "\(error)"
        return CockpitError(
            .unavailable,
            "NATS: "
                + (TLSClient.describe(text, key: "clustercockpit.certificate-authority")
                    ?? ConnectionWords.describe(error) ?? text))
    }
}
