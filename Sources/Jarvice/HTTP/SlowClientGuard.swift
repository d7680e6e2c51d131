// SPDX-License-Identifier: GPL-3.0-or-later

internal import HTTPTypes
internal import NIOCore
internal import NIOHTTPTypes

/// Ends a connection that takes its time: until the first request, from a request to the end of its answer, and between two.
/// Each part of a request or answer that trickles is inside one of these, so that no trickle keeps a place.
final class SlowClientGuard: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let deadlines: CallServer.Deadlines
    /// Called when an answer shows that the client may ask.
    private let onTrusted: @Sendable (any Channel) -> Void
    private var deadline: Scheduled<Void>?
    /// Requests whose answer is not sent.
    private var open = 0
    /// The client has said that it asks no more.
    private var isLast = false
    /// The answer under way is the last one.
    private var closes = false

    init(deadlines: CallServer.Deadlines, onTrusted: @escaping @Sendable (any Channel) -> Void) {
        self.deadlines = deadlines
        self.onTrusted = onTrusted
    }

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { wait(deadlines.firstRequest, context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        deadline?.cancel()
    }

    func channelActive(context: ChannelHandlerContext) {
        wait(deadlines.firstRequest, context)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .head(let head) = unwrapInboundIn(data) {
            open += 1
            isLast = isLast || head.headerFields[.connection]?.lowercased() == "close"
            if open == 1 { wait(deadlines.answer, context) }
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(let head):
            closes = head.headerFields[.connection] == "close"
            if ![400, 401, 413, 414, 429].contains(head.status.code) { onTrusted(context.channel) }
            context.write(data, promise: promise)
        case .body:
            context.write(data, promise: promise)
        case .end:
            let sent = promise ?? context.eventLoop.makePromise(of: Void.self)
            sent.futureResult.assumeIsolated().whenSuccess { self.answered(context) }
            context.write(data, promise: sent)
        }
    }

    private func answered(_ context: ChannelHandlerContext) {
        open = max(0, open - 1)
        if closes || (isLast && open == 0) {
            context.close(promise: nil)
        } else {
            wait(open > 0 ? deadlines.answer : deadlines.nextRequest, context)
        }
    }

    private func wait(_ time: Duration, _ context: ChannelHandlerContext) {
        deadline?.cancel()
        deadline = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(time)) { context.close(promise: nil) }
    }
}
