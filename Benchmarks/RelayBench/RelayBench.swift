// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
import NIOCore
import NIOPosix

/// `RelayBench PORT`: a bare TCP relay on SwiftNIO. It listens on a port of this host, which it prints, and passes on what comes to PORT
/// and back: both connections on one event loop, NIO's own buffers, back-pressure, and nothing looked at. What a proxy that is made of
/// NIO costs at least.
@main
struct RelayBench {
    static func main() throws {
        guard CommandLine.arguments.count == 2, let port = Int(CommandLine.arguments[1]), (1...65_535).contains(port)
        else {
            print("usage: RelayBench PORT")
            throw Usage()
        }
        let group = MultiThreadedEventLoopGroup.singleton
        let server = try ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            // Nothing is read before there is somewhere to pass it on to.
            .childChannelOption(.autoRead, value: false)
            .childChannelInitializer { front in
                ClientBootstrap(group: front.eventLoop)
                    .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                    .channelOption(.autoRead, value: false)
                    .connect(host: "127.0.0.1", port: port)
                    .flatMapThrowing { back in
                        let (here, there) = RelayHandler.pair(front, back)
                        try front.pipeline.syncOperations.addHandler(here)
                        try back.pipeline.syncOperations.addHandler(there)
                    }
            }
            .bind(host: "127.0.0.1", port: 0).wait()
        print(server.localAddress?.port ?? 0)
        // A pipe's reader would wait for it.
        fflush(nil)
        try server.closeFuture.wait()
    }

    private struct Usage: Error {}
}

/// One end: reads when the other one can be written to.
private final class RelayHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let other: any Channel

    private init(_ other: any Channel) {
        self.other = other
    }

    static func pair(_ front: any Channel, _ back: any Channel) -> (RelayHandler, RelayHandler) {
        (RelayHandler(back), RelayHandler(front))
    }

    /// The back is connected already; the front becomes active once its initializer is through, and reads nothing before.
    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { context.read() }
    }

    func channelActive(context: ChannelHandlerContext) { context.read() }
    func channelRead(context: ChannelHandlerContext, data: NIOAny) { other.write(unwrapInboundIn(data), promise: nil) }

    func channelReadComplete(context: ChannelHandlerContext) {
        other.flush()
        if other.isWritable { context.read() }
    }

    /// What came in goes out: the other one may read on.
    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { other.read() }
    }

    func channelInactive(context: ChannelHandlerContext) { other.close(promise: nil) }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
