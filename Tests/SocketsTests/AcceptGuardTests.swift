// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
import NIOConcurrencyHelpers
import NIOCore
import NIOEmbedded
import Testing

@testable import Sockets

@Suite("What accept(2) fails for")
struct AcceptGuardTests {
    /// Counts what reaches the socket and what comes out behind the guard.
    private final class Socket: ChannelOutboundHandler {
        typealias OutboundIn = Never
        let reads = NIOLockedValueBox(0)
        func read(context: ChannelHandlerContext) { reads.withLockedValue { $0 += 1 } }
    }

    private final class Behind: ChannelInboundHandler {
        typealias InboundIn = any Channel
        let errors = NIOLockedValueBox(0)
        func errorCaught(context: ChannelHandlerContext, error: any Error) { errors.withLockedValue { $0 += 1 } }
    }

    private struct Bench {
        let channel = EmbeddedChannel()
        let socket = Socket()
        let behind = Behind()
        let heard = NIOLockedValueBox<[CInt?]>([])

        init() throws {
            let heard = heard
            try channel.pipeline.syncOperations.addHandlers([
                socket, AcceptGuard { error in heard.withLockedValue { $0.append(error?.errnoCode) } }, behind,
            ])
        }

        func fail(_ number: CInt) {
            channel.pipeline.fireErrorCaught(IOError(errnoCode: number, reason: "accept"))
        }

        var reads: Int { socket.reads.withLockedValue { $0 } }
        var errors: Int { behind.errors.withLockedValue { $0 } }
    }

    @Test(
        "without descriptors or memory it waits, longer each time, and goes on",
        arguments: [EMFILE, ENFILE, ENOBUFS, ENOMEM])
    func waits(_ number: CInt) throws {
        let bench = try Bench()
        var pause = AcceptGuard.shortest
        for round in 1...8 {
            bench.fail(number)
            // NIO asks for the next one at once.
            bench.channel.pipeline.read()
            #expect(bench.reads == round - 1 && bench.errors == 0)
            bench.channel.embeddedEventLoop.advanceTime(by: pause)
            #expect(bench.reads == round)
            pause = min(pause * 2, AcceptGuard.longest)
        }
        bench.channel.pipeline.fireChannelRead(EmbeddedChannel() as any Channel)
        bench.channel.pipeline.fireChannelRead(EmbeddedChannel() as any Channel)
        #expect(bench.heard.withLockedValue { $0 } == Array(repeating: number, count: 8) + [nil])
        // All is forgotten.
        bench.fail(number)
        bench.channel.embeddedEventLoop.advanceTime(by: AcceptGuard.shortest)
        #expect(bench.reads == 9)
    }

    @Test("a client that left before it was taken in delays nobody")
    func aborted() throws {
        let bench = try Bench()
        bench.fail(ECONNABORTED)
        bench.channel.pipeline.read()
        #expect(bench.reads == 1 && bench.errors == 0 && bench.heard.withLockedValue { $0.isEmpty })
    }

    @Test("what the socket does not get over is told")
    func fatal() throws {
        let bench = try Bench()
        bench.fail(EBADF)
        #expect(bench.errors == 1)
    }
}
