// SPDX-License-Identifier: GPL-3.0-or-later

public import HTTPTypes
public import NIOCore
public import NIOHTTPTypes

/// Ends an HTTP connection that takes its time: until the first request, from a request to the end of its answer, and between
/// two. Each part of a request or answer that trickles in or out is inside one of these, so that no trickle keeps a place.
///
/// Every answer passes here, those to what is no HTTP as well; `Connection: close` is done.
public final class SlowClientGuard: ChannelDuplexHandler, RemovableChannelHandler {
    public typealias InboundIn = HTTPRequestPart
    public typealias InboundOut = HTTPRequestPart
    public typealias OutboundIn = HTTPResponsePart
    public typealias OutboundOut = HTTPResponsePart

    public struct Deadlines: Sendable {
        public var firstRequest: Duration
        /// With the body's arrival.
        public var answer: Duration
        public var nextRequest: Duration

        public init(firstRequest: Duration, answer: Duration, nextRequest: Duration) {
            self.firstRequest = firstRequest
            self.answer = answer
            self.nextRequest = nextRequest
        }
    }

    private let deadlines: Deadlines
    /// Answers that say nothing for the client.
    private let untrusted: Set<Int>
    /// Puts into the head of each answer what all have.
    private let completeHead: @Sendable (inout HTTPResponse) -> Void
    /// Called when an answer shows that the client may ask.
    private let onTrusted: @Sendable (any Channel) -> Void
    private var deadline: Scheduled<Void>?
    /// Requests whose answer is not sent.
    private var open = 0
    /// The client has said that it asks no more.
    private var isLast = false
    /// The answer under way is the last one.
    private var closes = false

    public init(
        deadlines: Deadlines, untrusted: Set<Int>,
        completeHead: @escaping @Sendable (inout HTTPResponse) -> Void = { _ in },
        onTrusted: @escaping @Sendable (any Channel) -> Void
    ) {
        self.deadlines = deadlines
        self.untrusted = untrusted
        self.completeHead = completeHead
        self.onTrusted = onTrusted
    }

    public func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { wait(deadlines.firstRequest, context) }
    }

    public func handlerRemoved(context: ChannelHandlerContext) {
        deadline?.cancel()
    }

    public func channelActive(context: ChannelHandlerContext) {
        wait(deadlines.firstRequest, context)
        context.fireChannelActive()
    }

    public func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
        context.fireChannelInactive()
    }

    public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .head(let head) = unwrapInboundIn(data) {
            open += 1
            isLast = isLast || head.headerFields[.connection]?.lowercased() == "close"
            if open == 1 { wait(deadlines.answer, context) }
        }
        context.fireChannelRead(data)
    }

    public func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(var head):
            completeHead(&head)
            closes = head.headerFields[.connection] == "close"
            if !untrusted.contains(head.status.code) { onTrusted(context.channel) }
            context.write(wrapOutboundOut(.head(head)), promise: promise)
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
