// SPDX-License-Identifier: GPL-3.0-or-later

internal import NIOCore
internal import NIOHTTP1
internal import NIOSSL

/// What stands between a socket and a ``PageFront`` or ``PageBack``.
enum PagePipeline {
    static let headerBytes = 32 << 10

    /// On the channel's event loop.
    static func set(up channel: any Channel, tls: NIOSSLContext?, _ site: PageFront.Site) throws {
        // What is read is what can be passed on.
        try channel.syncOptions?.setOption(.autoRead, value: false)
        let pipeline = channel.pipeline.syncOperations
        if let tls { try pipeline.addHandler(NIOSSLServerHandler(context: tls)) }
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = headerBytes
        limits.maxHeaderListSize = headerBytes
        limits.maxHeaderFieldCount = 128
        try pipeline.addHandler(HTTPResponseEncoder())
        try pipeline.addHandler(
            ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .forwardBytes, limitConfiguration: limits)))
        try pipeline.addHandler(HTTPServerPipelineHandler())
        try pipeline.addHandler(PageFront(site, channel: channel))
    }

    /// Takes HTTP out of a pipeline, but for its decoder.
    static func strip(_ channel: any Channel, add relay: RelayEnd) throws {
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(relay)
        if let front = try? pipeline.handler(type: PageFront.self) { pipeline.removeHandler(front, promise: nil) }
        if let back = try? pipeline.handler(type: PageBack.self) { pipeline.removeHandler(back, promise: nil) }
        if let queue = try? pipeline.handler(type: HTTPServerPipelineHandler.self) {
            pipeline.removeHandler(queue, promise: nil)
        }
        if let encoder = try? pipeline.handler(type: HTTPResponseEncoder.self) {
            pipeline.removeHandler(encoder, promise: nil)
        }
        if let encoder = try? pipeline.handler(type: HTTPRequestEncoder.self) {
            pipeline.removeHandler(encoder, promise: nil)
        }
    }

    /// It passes on what had come behind the last message: both sides have to be stripped.
    ///
    /// - Returns: when it is out.
    static func removeDecoder<Decoder: ByteToMessageDecoder>(
        _ channel: any Channel, _ decoder: Decoder.Type
    ) throws -> EventLoopFuture<Void> {
        let pipeline = channel.pipeline.syncOperations
        return pipeline.removeHandler(try pipeline.handler(type: ByteToMessageHandler<Decoder>.self))
    }
}
