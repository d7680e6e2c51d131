// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Logging
import NIOConcurrencyHelpers
import Sockets
import Testing
import Waiting

@testable import SpankBridge

/// Attacks on the doors of the plugins: who comes, what it does, and what honest plugins notice of it.
@Suite("Attacks on the event socket and the port", .serialized, .timeLimit(.minutes(5)))
struct DoorAttackTests {
    typealias Client = BridgeServerTests.Client

    private static func hint(_ job: UInt64, by user: String = "0") throws -> Frame {
        var message = Frame(.event, sequence: 0)
        message.append(.source, 2)
        message.append(.kind, 3)
        message.append(.jobID, job)
        var frame = Frame(.sealed, sequence: 0)
        frame.append(.credential, bytes: Array("\(user):".utf8) + (try #require(message.encoded)))
        return frame
    }

    private struct Bench {
        let path: String
        let port: Int
        let sink: BridgeServerTests.FakeSink
        let server: BridgeServer
        let troubles: NIOLockedValueBox<[BridgeServer.Place: [String?]]>

        func hears(_ job: UInt32) -> Bool { sink.events.withLockedValue { $0.contains { $0.jobID == job } } }
    }

    private func withServer(
        port: Int? = nil, _ change: (inout BridgeServer.Settings) -> Void = { _ in },
        _ body: (Bench) async throws -> Void
    ) async throws {
        let folder = FileManager.default.temporaryDirectory.path + "/doors-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var settings = BridgeServer.Settings(socket: try UnixSocketPath(folder + "/events.sock"))
        // Not one that the kernel gives to clients.
        let place = port ?? .random(in: 20_000...32_000)
        settings.listen = ("127.0.0.1", place)
        settings.retryInterval = .milliseconds(20)
        settings.checkInterval = .milliseconds(20)
        change(&settings)
        let troubles = NIOLockedValueBox<[BridgeServer.Place: [String?]]>([:])
        let sink = BridgeServerTests.FakeSink()
        let server = BridgeServer(
            settings: settings, sink: sink, opener: BridgeServerTests.FakeOpener(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            onTrouble: { place, why in troubles.withLockedValue { $0[place, default: []].append(why) } })
        let bench = Bench(path: folder + "/events.sock", port: place, sink: sink, server: server, troubles: troubles)
        let task = Task { try await server.run() }
        do {
            try await waitUntil {
                let remote = troubles.withLockedValue { $0[.remote]?.last }
                // Open, or as expected not.
                return (try? Client(bench.path)) != nil && (port == nil ? remote == .some(nil) : remote != nil)
            }
            try await body(bench)
        } catch {
            task.cancel()
            throw error
        }
        task.cancel()
        try await task.value
        let counters = server.counters
        #expect(counters.openConnections == 0 && counters.openRemoteConnections == 0)
    }

    @Test("somebody has the port: told, with what is lost; the socket works; served once the port is free")
    func squatter() async throws {
        let squatter = try Squatter()
        try await withServer(port: squatter.port) { bench in
            try await waitUntil { bench.troubles.withLockedValue { $0[.remote]?.count ?? 0 } >= 2 }
            let words = bench.troubles.withLockedValue { $0[.remote]?.first ?? nil } ?? ""
            #expect(words.contains("127.0.0.1:\(squatter.port)") && words.contains("no messages of compute nodes"))
            let plugin = try Client(bench.path)
            plugin.send(FrameDecoderTests.event(5))
            #expect(await plugin.next()?.kind == .ack)
            squatter.leave()
            try await waitUntil { bench.troubles.withLockedValue { $0[.remote]?.last == .some(nil) } }
            try Client(port: bench.port).send(Self.hint(6))
            try await waitUntil { bench.hears(6) }
            #expect(bench.troubles.withLockedValue { $0[.socket] ?? [] } == [nil])
        }
    }

    @Test("each door has places of its own")
    func separate() async throws {
        try await withServer({
            $0.maximumConnections = 4
            $0.maximumRemoteConnections = 4
            $0.deadlines.message = .seconds(3600)
            $0.deadlines.frame = .seconds(3600)
        }) { bench in
            let silent = try (0..<20).map { _ in try Client(port: bench.port) }
            try await waitUntil { bench.server.counters.replacedConnections >= 16 }
            let plugin = try Client(bench.path)
            plugin.send(FrameDecoderTests.event(5))
            #expect(await plugin.next()?.kind == .ack)
            let local = try (0..<20).map { _ in try Client(bench.path) }
            try await waitUntil { bench.server.counters.replacedConnections >= 32 }
            try Client(port: bench.port).send(Self.hint(6))
            try await waitUntil { bench.hears(6) }
            // The plugin that has shown something is still there.
            plugin.send(FrameDecoderTests.event(7))
            #expect(await plugin.next()?.kind == .ack)
            withExtendedLifetime((silent, local)) {}
        }
    }

    @Test("a flood without credential from one host keeps neither known nor new hosts out")
    func flood() async throws {
        try await withServer({
            $0.maximumRemoteConnections = 16
            $0.maximumConnectionsPerHost = 12
            $0.deadlines.message = .seconds(3600)
        }) { bench in
            try Client(port: bench.port, from: "127.0.0.2").send(Self.hint(1))
            try await waitUntil { bench.hears(1) }
            var silent: [Client] = []
            for number in 2..<30 as Range<UInt64> {
                for _ in 0..<20 { silent.append(try Client(port: bench.port, from: "127.0.0.9")) }
                let host = number % 2 == 0 ? "127.0.0.2" : "127.0.1.\(number)"
                let node = try Client(port: bench.port, from: host)
                for _ in 0..<5 { silent.append(try Client(port: bench.port, from: "127.0.0.9")) }
                node.send(try Self.hint(number))
                try await waitUntil { bench.hears(UInt32(number)) }
            }
            #expect(bench.server.counters.tooManyRemoteConnections == 0)
        }
    }

    @Test("a flood of strangers from many hosts keeps known hosts out of nothing")
    func strangers() async throws {
        try await withServer({
            $0.maximumRemoteConnections = 16
            $0.deadlines.message = .seconds(3600)
        }) { bench in
            try Client(port: bench.port, from: "127.0.0.2").send(Self.hint(1))
            try await waitUntil { bench.hears(1) }
            let node = try Client(port: bench.port, from: "127.0.0.2")
            var silent: [Client] = []
            for host in 3..<200 { silent.append(try Client(port: bench.port, from: "127.0.2.\(host)")) }
            try await waitUntil { bench.server.counters.replacedConnections >= 150 }
            // It came before all of them, and has not been put out.
            node.send(try Self.hint(2))
            try await waitUntil { bench.hears(2) }
        }
    }

    @Test(
        "forged and broken messages, as many as you like: counted, nothing believed, honest ones heard",
        arguments: ["wrong user", "no credential", "nonsense", "record", "half", "oversize"])
    func forged(_ what: String) async throws {
        try await withServer({ $0.deadlines.message = .milliseconds(300) }) { bench in
            let record = try #require(FrameDecoderTests.event(9).encoded)
            for _ in 0..<100 {
                let client = try Client(port: bench.port)
                switch what {
                case "wrong user": client.send(try Self.hint(9, by: "1000"))
                case "no credential": client.send(record)
                case "nonsense": client.send(Array("GET / HTTP/1.1\r\n\r\n".utf8))
                case "record":
                    var frame = Frame(.sealed, sequence: 0)
                    frame.append(.credential, bytes: Array("0:".utf8) + record)
                    client.send(frame)
                case "half": client.send(Array(try #require(Self.hint(9).encoded).dropLast()))
                default: client.send([0xff, 0xff, 0xff, 0x7f, 0x53, 0x47, 1, 5])
                }
                if what != "half" { #expect(await client.next() == nil) }
            }
            try Client(port: bench.port).send(Self.hint(8))
            try await waitUntil { bench.hears(8) }
            #expect(!bench.hears(9))
        }
    }

    @Test("a message or frame that trickles in, or never ends, gives its place up", arguments: [true, false])
    func slow(remote: Bool) async throws {
        try await withServer({
            $0.deadlines.message = .milliseconds(200)
            $0.deadlines.frame = .milliseconds(200)
        }) { bench in
            let client = try remote ? Client(port: bench.port) : Client(bench.path)
            if !remote {
                // It has been heard before; that buys no time.
                client.send(FrameDecoderTests.event(1))
                #expect(await client.next()?.kind == .ack)
            }
            let bytes = try #require((remote ? Self.hint(2) : FrameDecoderTests.event(2)).encoded)
            for byte in bytes.dropLast() {
                client.send([byte])
                try await Task.sleep(for: .milliseconds(10))
            }
            #expect(await client.next() == nil)
            try await waitUntil {
                bench.server.counters.openConnections + bench.server.counters.openRemoteConnections == 0
            }
            #expect(!bench.hears(2))
        }
    }

    @Test("between two frames a plugin may be silent for as long as it likes")
    func idle() async throws {
        // Long enough for one that is held up between its connection and its first frame.
        try await withServer({ $0.deadlines.frame = .milliseconds(500) }) { bench in
            let plugin = try Client(bench.path)
            plugin.send(FrameDecoderTests.event(1))
            #expect(await plugin.next()?.kind == .ack)
            // Others come and go by the same deadline meanwhile.
            for _ in 0..<3 { #expect(try await Client(bench.path).next() == nil) }
            plugin.send(FrameDecoderTests.event(2))
            #expect(await plugin.next()?.kind == .ack)
        }
    }

    @Test("one that never reads its acknowledgements is closed")
    func neverReads() async throws {
        try await withServer({ $0.deadlines.answer = .milliseconds(100) }) { bench in
            let client = try Client(bench.path)
            let event = try #require(FrameDecoderTests.event(1).encoded)
            try await waitUntil {
                Foundation.send(client.descriptor, event, event.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT)) < 0
                    && errno == EPIPE
            }
            let plugin = try Client(bench.path)
            plugin.send(FrameDecoderTests.event(2))
            #expect(await plugin.next()?.kind == .ack)
        }
    }

    /// Any number in any field.
    @Test(
        "numbers that no clock and no counter shows",
        arguments: [UInt64.max, 1 << 63, 1 << 63 - 1, 1 << 32, 0] as [UInt64])
    func numbers(_ value: UInt64) async throws {
        try await withServer { bench in
            let client = try Client(bench.path)
            var frame = FrameDecoderTests.event(3, sequence: value)
            for tag in 1...80 as ClosedRange<UInt16> {
                guard let tag = FieldTag(rawValue: tag), ![.source, .bootID, .kind, .jobID].contains(tag) else {
                    continue
                }
                frame.append(tag, value)
            }
            var hello = Frame(.hello, sequence: value)
            hello.append(.bootID, bytes: Array(0..<16))
            for tag in [FieldTag.pid, .ringLimit, .spooled, .dropped, .spoolRefused] { hello.append(tag, value) }
            client.send(hello, frame)
            #expect(await client.next()?.kind == .ack)
            #expect(bench.hears(3))
        }
    }
}

/// Has a port.
private final class Squatter {
    private let descriptor: Int32
    let port: Int

    init() throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, size) == 0 && listen(descriptor, 1) == 0 && getsockname(descriptor, $0, &size) == 0
            }
        }
        if !result { throw POSIXError(.EADDRINUSE) }
        port = Int(UInt16(bigEndian: address.sin_port))
    }

    func leave() { close(descriptor) }
}
