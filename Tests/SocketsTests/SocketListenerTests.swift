// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Testing
import Waiting

@testable import Sockets

@Suite("One listener for all doors", .serialized, .timeLimit(.minutes(3)))
struct SocketListenerTests {
    typealias Listener = SocketListener<ByteBuffer, ByteBuffer>

    private final class Bench: Sendable {
        let path = FileManager.default.temporaryDirectory.path + "/listener-\(UUID().uuidString.prefix(8))/s"
        let events = NIOLockedValueBox<[String]>([])

        func heard(_ word: String) -> Int { events.withLockedValue { $0.count { $0.hasPrefix(word) } } }

        /// Echoes, until the body is done; `trust`: with the first byte.
        func run(
            _ address: DoorAddress? = nil, trust: Bool = false, _ change: (inout Listener.Settings) -> Void = { _ in },
            _ body: (Listener) async throws -> Void
        ) async throws {
            var settings = Listener.Settings()
            settings.retry = .milliseconds(20)
            settings.watch = .milliseconds(20)
            change(&settings)
            let address = try address ?? .unix(UnixSocketPath(path), mode: 0o600)
            let events = events
            let listener = Listener(address, settings: settings, initializer: AcceptedBytes.initializer) { event in
                events.withLockedValue { $0.append("\(event)") }
            }
            let task = Task {
                await listener.run { connection, place in
                    try? await connection.serve { channel in
                        try await channel.executeThenClose { inbound, outbound in
                            for try await bytes in inbound {
                                if trust { place.trust() }
                                try await outbound.write(bytes)
                            }
                        }
                    }
                }
            }
            defer { try? FileManager.default.removeItem(atPath: (path as NSString).deletingLastPathComponent) }
            do {
                try await body(listener)
            } catch {
                task.cancel()
                throw error
            }
            task.cancel()
            await task.value
            try await waitUntil { listener.count == 0 }
        }

        func client() async throws -> any Channel {
            try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .channelInitializer { $0.eventLoop.makeCompletedFuture(withResultOf: {}) }
                .connect(unixDomainSocketPath: path).get()
        }

        func echoes(_ channel: any Channel) async throws -> Bool {
            guard channel.isActive else { return false }
            let answered = channel.eventLoop.makePromise(of: Void.self)
            let waiter = Waiter(answered)
            try await channel.pipeline.addHandler(waiter).get()
            channel.writeAndFlush(ByteBuffer(string: "x"), promise: nil)
            do {
                try await answered.futureResult.get()
                return true
            } catch {
                return false
            }
        }
    }

    private final class Waiter: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        private let promise: EventLoopPromise<Void>
        init(_ promise: EventLoopPromise<Void>) { self.promise = promise }
        // Those of later questions are behind it.
        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            promise.succeed(())
            context.fireChannelRead(data)
        }
        func channelInactive(context: ChannelHandlerContext) {
            promise.fail(ChannelError.eof)
            context.fireChannelInactive()
        }
    }

    @Test("a path that is lost is taken again; who is inside stays")
    func vanished() async throws {
        let bench = Bench()
        try await bench.run { _ in
            try await waitUntil { bench.heard("listening") == 1 }
            let inside = try await bench.client()
            #expect(try await bench.echoes(inside))
            #expect(unlink(bench.path) == 0)
            try await waitUntil { bench.heard("listening") == 2 }
            #expect(bench.heard("vanished") == 1)
            let next = try await bench.client()
            #expect(try await bench.echoes(next))
            #expect(try await bench.echoes(inside))
        }
        #expect(access(bench.path, F_OK) != 0)
    }

    @Test("somebody else's socket at the path is left alone, and taken over when it is dead")
    func squatter() async throws {
        let bench = Bench()
        let folder = (bench.path as NSString).deletingLastPathComponent
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        let other = try UnixSocketPath(bench.path).listen(mode: 0o600)
        try await bench.run { _ in
            try await waitUntil { bench.heard("failed(") >= 2 }
            #expect(bench.events.withLockedValue { $0.first?.contains("another process listens there") == true })
            close(other)
            try await waitUntil { bench.heard("listening") == 1 }
            #expect(try await bench.echoes(bench.client()))
        }
    }

    @Test("a port that is taken is told, tried again, and served once it is free")
    func takenPort() async throws {
        let bench = Bench()
        let other = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(other.localAddress?.port)
        try await bench.run(.tcp(host: "127.0.0.1", port: port)) { _ in
            try await waitUntil { bench.heard("failed(") >= 2 }
            #expect(bench.heard("listening") == 0)
            try await other.close()
            try await waitUntil { bench.heard("listening") == 1 }
        }
    }

    @Test("many that say nothing keep nobody out; those that may stay do")
    func crowd() async throws {
        let bench = Bench()
        try await bench.run(trust: true, { $0.connections = 8 }) { listener in
            try await waitUntil { bench.heard("listening") == 1 }
            let first = try await bench.client()
            #expect(try await bench.echoes(first))
            var silent: [any Channel] = []
            for _ in 0..<100 { silent.append(try await bench.client()) }
            try await waitUntil { bench.heard("replaced") >= 93 }
            #expect(listener.count <= 8)
            #expect(try await bench.echoes(bench.client()))
            #expect(first.isActive)
            #expect(try await bench.echoes(first))
        }
    }

    @Test("a name that cannot be looked at for a moment is not lost")
    func identity() throws {
        let folder = FileManager.default.temporaryDirectory.path + "/identity-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let socket = try UnixSocketPath(folder + "/s")
        let descriptor = try socket.listen(mode: 0o600)
        defer { close(descriptor) }
        let mine = try #require(socket.identity)
        #expect(!socket.hasLost(mine))
        #expect(rename(folder + "/s", folder + "/t") == 0)
        #expect(socket.hasLost(mine))
        try Data().write(to: URL(fileURLWithPath: folder + "/s"))
        #expect(socket.hasLost(mine))
    }
}
