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
        let clients = NIOLockedValueBox(0)
        func channelRead(context: ChannelHandlerContext, data: NIOAny) { clients.withLockedValue { $0 += 1 } }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { errors.withLockedValue { $0 += 1 } }
    }

    private struct Bench {
        let channel = EmbeddedChannel()
        let socket = Socket()
        let behind = Behind()
        let heard = NIOLockedValueBox<[String?]>([])
        let room = NIOLockedValueBox(DescriptorLimit.Room.enough)
        /// Whether somebody goes when there is no room.
        let yields = NIOLockedValueBox(true)

        init() throws {
            let (heard, room, yields) = (heard, room, yields)
            let guarding = AcceptGuard {
                room.withLockedValue { $0 }
            } onTrouble: { words in
                heard.withLockedValue { $0.append(words) }
                return yields.withLockedValue { $0 }
            }
            try channel.pipeline.syncOperations.addHandlers([socket, guarding, behind])
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
        let heard = bench.heard.withLockedValue { $0 }
        #expect(heard.count == 9 && heard[8] == nil)
        #expect(heard.prefix(8).allSatisfy { $0?.contains("errno: \(number)") == true })
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

    @Test(
        "the last descriptors are kept from clients: one comes in when another goes for it, while the others leave none",
        arguments: [(DescriptorLimit.Room.exchange, true, true), (.exchange, false, false), (.none, true, false)])
    func reserve(room: DescriptorLimit.Room, yields: Bool, isIn: Bool) throws {
        let bench = try Bench()
        bench.room.withLockedValue { $0 = room }
        bench.yields.withLockedValue { $0 = yields }
        let client = EmbeddedChannel()
        try client.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        bench.channel.pipeline.fireChannelRead(client as any Channel)
        #expect(bench.behind.clients.withLockedValue { $0 } == (isIn ? 1 : 0))
        #expect(client.isActive == isIn)
        #expect(bench.heard.withLockedValue { $0.count == 1 && $0[0]?.contains("RLIMIT_NOFILE") == true })
        // The next ones wait.
        bench.channel.pipeline.read()
        #expect(bench.reads == 0)
        bench.channel.embeddedEventLoop.advanceTime(by: AcceptGuard.shortest)
        #expect(bench.reads == 1)
        bench.room.withLockedValue { $0 = .enough }
        bench.channel.pipeline.fireChannelRead(EmbeddedChannel() as any Channel)
        #expect(bench.heard.withLockedValue { $0.count == 2 && $0[1] == nil })
    }

    @Test("what the socket does not get over is told")
    func fatal() throws {
        let bench = try Bench()
        bench.fail(EBADF)
        #expect(bench.errors == 1)
    }
}
