// SPDX-License-Identifier: GPL-3.0-or-later

internal import NIOCore

/// One end of two connections of one event loop whose bytes go to each other, as fast as the slower one takes them.
final class RelayEnd: ChannelDuplexHandler, RemovableChannelHandler {
    /// Bytes, unless the parser before it was of another mind about an upgrade: that ends the connection.
    typealias InboundIn = Any
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var other: RelayEnd?
    private var context: ChannelHandlerContext?
    /// It waits for the other one to take what there is.
    private var isPaused = false
    private var isStarted = false

    static func pair() -> (RelayEnd, RelayEnd) {
        let pair = (RelayEnd(), RelayEnd())
        (pair.0.other, pair.1.other) = (pair.1, pair.0)
        return pair
    }

    /// Before, what comes is passed on, but nothing more is read.
    func start() {
        isStarted = true
        other?.context?.flush()
        goOn()
    }

    private func goOn() {
        guard isStarted, let context, let to = other?.context else { return }
        isPaused = !to.channel.isWritable
        if !isPaused { context.read() }
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { leave() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .byteBuffer(let bytes)? = unwrapInboundIn(data) as? IOData else {
            return context.close(promise: nil)
        }
        other?.context?.write(wrapOutboundOut(bytes), promise: nil)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        other?.context?.flush()
        goOn()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable, let other, other.isPaused { other.goOn() }
    }

    func channelInactive(context: ChannelHandlerContext) { leave() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    /// The other one sends what it has, and ends too.
    private func leave() {
        let partner = other
        (context, other) = (nil, nil)
        partner?.other = nil
        // Before the start a decoder may stand there that takes what is written for HTTP.
        if partner?.isStarted == true {
            partner?.context?.closeWhenSent()
        } else {
            partner?.context?.close(promise: nil)
        }
    }
}

extension ChannelHandlerContext {
    /// A plain close drops what is not sent yet.
    func closeWhenSent() {
        let sent = eventLoop.makePromise(of: Void.self)
        sent.futureResult.assumeIsolated().whenComplete { _ in self.close(promise: nil) }
        writeAndFlush(NIOAny(ByteBuffer()), promise: sent)
    }
}
