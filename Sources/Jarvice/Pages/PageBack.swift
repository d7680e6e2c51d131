// SPDX-License-Identifier: GPL-3.0-or-later

internal import NIOCore
internal import NIOHTTP1

/// A connection to a job, for one request.
final class PageBack: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private var front: PageFront?
    private var context: ChannelHandlerContext?
    private var isStarted = false
    private var isPaused = false
    private var isClosed = false
    /// The job takes another protocol, once this answer has ended.
    private var switching: HTTPResponseHead?

    init(front: PageFront) {
        self.front = front
    }

    /// On the channel's event loop.
    func set(up channel: any Channel) throws {
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(HTTPRequestEncoder())
        try pipeline.addHandler(ByteToMessageHandler(HTTPResponseDecoder(leftOverBytesStrategy: .forwardBytes)))
        try pipeline.addHandler(self)
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    // MARK: what the front says

    var isWritable: Bool { context?.channel.isWritable ?? false }

    func send(_ part: HTTPServerRequestPart) {
        guard let context else { return }
        switch part {
        case .head(let head): context.write(wrapOutboundOut(.head(head)), promise: nil)
        case .body(let bytes): context.write(wrapOutboundOut(.body(.byteBuffer(bytes))), promise: nil)
        case .end: context.write(wrapOutboundOut(.end(nil)), promise: nil)
        }
    }

    func flush() { context?.flush() }

    func start() {
        isStarted = true
        resume()
    }

    /// The client takes more.
    func resume() {
        guard isStarted, let context, let front else { return }
        isPaused = !front.isWritable
        if !isPaused { context.read() }
    }

    /// Whatever it says now, nobody listens.
    func close() {
        (front, isClosed) = (nil, true)
        context?.close(promise: nil)
    }

    // MARK: what the job says

    func channelActive(context: ChannelHandlerContext) {
        if isClosed { context.close(promise: nil) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            if head.status == .switchingProtocols {
                switching = head
            } else {
                front?.answer(head)
            }
        case .body(let bytes): front?.body(bytes)
        case .end:
            if let switching {
                let (front, channel) = (front, context.channel)
                // The pipeline is another one then.
                (self.front, self.context, self.switching) = (nil, nil, nil)
                front?.upgrade(switching, channel)
                return
            }
            // It closes this one.
            front?.end()
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        front?.flush()
        resume()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { front?.resume() }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        front?.lost("it closed the connection before its answer")
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        front?.lost("\(error)")
        context.close(promise: nil)
    }
}
