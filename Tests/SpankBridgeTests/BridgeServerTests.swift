// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Logging
import NIOConcurrencyHelpers
import Sockets
import Testing
import Waiting

@testable import SpankBridge

@Suite("The event socket", .serialized)
struct BridgeServerTests {
    final class FakeSink: BridgeSink {
        let events = NIOLockedValueBox<[PluginEvent]>([])
        let nodes = NIOLockedValueBox<[String]>([])
        let refused = NIOLockedValueBox<[FrameRefusal]>([])
        let hellos = NIOLockedValueBox(0)
        let fails = NIOLockedValueBox(false)
        let gate = NIOLockedValueBox(true)

        struct Full: Error {}

        func commit(_ delivery: BridgeDelivery) async throws {
            while !gate.withLockedValue({ $0 }) { await Task.yield() }
            if fails.withLockedValue({ $0 }) { throw Full() }
            events.withLockedValue { $0 += delivery.events }
            nodes.withLockedValue { $0 += delivery.nodes.map(\.node) }
            refused.withLockedValue { $0 += delivery.refused }
        }

        func hello(_ hello: PluginHello, from peer: BridgePeer) async { hellos.withLockedValue { $0 += 1 } }
    }

    struct FakeOpener: CredentialOpener {
        func open(_ credential: [UInt8]) async throws(CredentialError) -> OpenedCredential {
            let words = String(decoding: credential.prefix { $0 != 0x3a }, as: UTF8.self)
            let payload = Array(credential.drop { $0 != 0x3a }.dropFirst())
            switch words {
            case "replayed": throw CredentialError(.replayed, "replayed")
            case "invalid": throw CredentialError(.invalid, "invalid")
            default: return OpenedCredential(payload: payload, uid: UInt32(words) ?? 1, gid: 0)
            }
        }
    }

    /// A client that blocks, with a time limit.
    final class Client: @unchecked Sendable {
        let descriptor: Int32

        init(_ path: String) throws {
            descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
            let result = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            if result != 0 { throw POSIXError(.ECONNREFUSED) }
            limit()
        }

        /// - Parameter host: this client's own address, one of the loopback's.
        init(port: Int, from host: String = "127.0.0.1") throws {
            descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            let descriptor = descriptor
            func at(_ text: String, _ port: Int, _ call: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
                var address = sockaddr_in()
                address.sin_family = sa_family_t(AF_INET)
                address.sin_port = in_port_t(port).bigEndian
                inet_pton(AF_INET, text, &address.sin_addr)
                return withUnsafePointer(to: &address) { pointer in
                    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        call($0, socklen_t(MemoryLayout<sockaddr_in>.size))
                    }
                }
            }
            guard at(host, 0, { bind(descriptor, $0, $1) }) == 0,
                at("127.0.0.1", port, { connect(descriptor, $0, $1) }) == 0
            else { throw POSIXError(.ECONNREFUSED) }
            limit()
        }

        private func limit() {
            var time = timeval(tv_sec: 20, tv_usec: 0)
            setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        }

        deinit { close(descriptor) }

        func send(_ bytes: [UInt8]) { _ = Foundation.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }
        func send(_ frames: Frame...) { send(frames.flatMap { $0.encoded ?? [] }) }

        /// As `frame`, and takes no thread away from those that serve.
        func next() async -> Frame? {
            await withCheckedContinuation { continuation in
                DispatchQueue.global().async { continuation.resume(returning: self.frame()) }
            }
        }

        /// The next frame, nil at the end.
        func frame() -> Frame? {
            var decoder = FrameDecoder()
            var found: Frame?
            while found == nil {
                var byte = [UInt8](repeating: 0, count: 1)
                guard recv(descriptor, &byte, 1, 0) == 1 else { return nil }
                try? decoder.feed(byte) { if case .frame(let frame) = $0 { found = frame } }
            }
            return found
        }
    }

    private func withServer(
        _ change: (inout BridgeServer.Settings) -> Void = { _ in },
        _ body: @escaping (String, FakeSink, BridgeServer) async throws -> Void
    ) async throws {
        let folder = FileManager.default.temporaryDirectory.path + "/bridge-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/events.sock"
        var settings = BridgeServer.Settings(socket: try UnixSocketPath(path))
        settings.checkInterval = .milliseconds(20)
        change(&settings)
        let sink = FakeSink()
        let listening = NIOLockedValueBox(0)
        let server = BridgeServer(
            settings: settings, sink: sink, opener: FakeOpener(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            onListening: { listening.withLockedValue { $0 += 1 } })
        let task = Task { try await server.run() }
        try await waitUntil { listening.withLockedValue { $0 } > 0 }
        do {
            try await body(path, sink, server)
        } catch {
            task.cancel()
            throw error
        }
        task.cancel()
        _ = try? await task.value
    }

    @Test("acknowledged after the commit, not before; cumulative; the mode is as asked")
    func acknowledge() async throws {
        try await withServer({ $0.mode = 0o620 }) { path, sink, server in
            #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o620)
            let client = try Client(path)
            sink.gate.withLockedValue { $0 = false }
            client.send(FrameDecoderTests.event(1), FrameDecoderTests.event(2))
            try await waitUntil { server.counters.frames == 2 }
            var byte: UInt8 = 0
            #expect(recv(client.descriptor, &byte, 1, Int32(MSG_DONTWAIT)) == -1)
            sink.gate.withLockedValue { $0 = true }
            #expect(client.frame()?.sequence == 2)
            client.send(FrameDecoderTests.event(3))
            #expect(client.frame()?.sequence == 3)
            #expect(sink.events.withLockedValue { $0.map(\.jobID) } == [1, 2, 3])
        }
    }

    @Test("a commit that fails: no acknowledgement, the connection ends, the next one is served")
    func failing() async throws {
        try await withServer { path, sink, server in
            sink.fails.withLockedValue { $0 = true }
            let client = try Client(path)
            client.send(FrameDecoderTests.event(1))
            #expect(client.frame() == nil)
            #expect(server.counters.commitFailures == 1)
            sink.fails.withLockedValue { $0 = false }
            let again = try Client(path)
            again.send(FrameDecoderTests.event(1))
            #expect(again.frame()?.kind == .ack)
        }
    }

    @Test("a slow ledger holds the plugin back")
    func slow() async throws {
        try await withServer { path, sink, server in
            sink.gate.withLockedValue { $0 = false }
            let client = try Client(path)
            let flags = fcntl(client.descriptor, F_GETFL)
            _ = fcntl(client.descriptor, F_SETFL, flags | O_NONBLOCK)
            let burst = (0..<100).flatMap { FrameDecoderTests.event(UInt64($0 + 1)).encoded ?? [] }
            var sent = 0
            // Until the kernel takes no more: the server does not read.
            while sent < 64 << 20 {
                let count = Foundation.send(client.descriptor, burst, burst.count, Int32(MSG_NOSIGNAL))
                if count < 0 {
                    try await Task.sleep(for: .milliseconds(50))
                    if Foundation.send(client.descriptor, burst, burst.count, Int32(MSG_NOSIGNAL)) < 0 { break }
                    continue
                }
                sent += count
            }
            #expect(sent < 8 << 20)
            #expect(server.counters.bytes < 1 << 20)
            sink.gate.withLockedValue { $0 = true }
        }
    }

    @Test("a message whose sender has gone is taken; frames that cannot be read are kept and acknowledged")
    func gone() async throws {
        try await withServer { path, sink, _ in
            var message = Frame(.event, sequence: 0)
            message.append(.source, 2)
            message.append(.kind, 3)
            message.append(.jobID, 9)
            for _ in 0..<50 { try Client(path).send(message) }
            try await waitUntil { sink.events.withLockedValue { $0.count } == 50 }
            let client = try Client(path)
            client.send(Frame(.event, sequence: 1), Frame(.sealed, sequence: 0))
            #expect(client.frame()?.sequence == 2)
            #expect(sink.refused.withLockedValue { $0.count } == 2)
        }
    }

    @Test("bytes that make no sense: told why, closed")
    func broken() async throws {
        try await withServer { path, _, server in
            let client = try Client(path)
            client.send(Array("GET / HTTP/1.1\r\n\r\n".utf8))
            #expect(client.frame()?.kind == .refusal)
            #expect(client.frame() == nil)
            #expect(server.counters.brokenStreams == 1)
        }
    }

    @Test("who is not allowed is turned away")
    func peers() async throws {
        try await withServer({ $0.allowedUsers = [12345] }) { path, sink, server in
            let client = try Client(path)
            client.send(FrameDecoderTests.event(1))
            #expect(client.frame() == nil)
            try await waitUntil { server.counters.refusedPeers == 1 }
            #expect(sink.events.withLockedValue { $0.isEmpty })
        }
    }

    @Test("a socket that vanishes is made again")
    func vanished() async throws {
        try await withServer { path, _, _ in
            let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
            try FileManager.default.removeItem(atPath: folder)
            try await waitUntil { (try? Client(path)) != nil }
        }
    }

    @Test("places where no socket is made")
    func places() async throws {
        let folder = FileManager.default.temporaryDirectory.path + "/place-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder + "/open", withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        chmod(folder + "/open", 0o777)
        chmod(folder, 0o755)
        try Data().write(to: URL(fileURLWithPath: folder + "/file"))
        symlink(folder, folder + "/link")
        for (path, word) in [
            (folder + "/open/s", "chmod go-w"), (folder + "/file", "is not a socket"), (folder + "/link/s", "symbolic"),
            ("/nonexistent/deep/s", "/nonexistent/deep"),
        ] {
            do {
                try UnixSocketPath(path).prepare()
                Issue.record("\(path) was taken")
            } catch {
                #expect("\(error)".contains(word))
            }
        }
        #expect(throws: UnixSocketPath.Problem.self) { try UnixSocketPath("/" + String(repeating: "x", count: 120)) }
        #expect(throws: UnixSocketPath.Problem.self) { try UnixSocketPath("relative") }
        // One that is alive, and one that is left over.
        try await withServer { path, _, _ in
            #expect(throws: UnixSocketPath.Problem.self) { try UnixSocketPath(path).prepare() }
        }
    }

    private static func node(_ name: String, source: UInt64 = 2) -> Frame {
        var frame = Frame(.node, sequence: 0)
        frame.append(.source, source)
        frame.append(.node, name)
        frame.append(.hardware, "0;1")
        return frame
    }

    @Test("a node's word of itself is handed on, acknowledged, and refused alone when it is nobody's")
    func nodes() async throws {
        try await withServer { path, sink, server in
            let client = try Client(path)
            client.send(Self.node("n1"))
            #expect(client.frame()?.sequence == 1)
            client.send(Self.node(""))
            #expect(client.frame()?.sequence == 2)
            client.send(Self.node("n2"))
            #expect(client.frame()?.sequence == 3)
            #expect(sink.nodes.withLockedValue { $0 } == ["n1", "n2"])
            #expect(sink.refused.withLockedValue { $0.map(\.reason) } == [.incomplete("which node it is")])
            #expect(server.counters.events == 2)
        }
    }

    @Test("from other hosts: only SPANK events, signed by root or SlurmUser, once")
    func remote() async throws {
        let port = Int.random(in: 20_000...60_000)
        var message = Frame(.event, sequence: 0)
        message.append(.source, 2)
        message.append(.kind, 3)
        message.append(.jobID, 9)
        let payload = try #require(message.encoded)
        func sealed(_ words: String, _ payload: [UInt8]) -> Frame {
            var frame = Frame(.sealed, sequence: 0)
            frame.append(.credential, bytes: Array("\(words):".utf8) + payload)
            return frame
        }
        let forged = try #require(FrameDecoderTests.event().encoded)
        try await withServer({ $0.listen = ("127.0.0.1", port) }) { _, sink, server in
            try await waitUntil { (try? Client(port: port)) != nil }
            let taken = [sealed("0", payload), sealed("0", try #require(Self.node("n7").encoded))]
            for frame in [
                sealed("0", payload), sealed("1000", payload), sealed("replayed", payload), sealed("invalid", payload),
                sealed("0", forged),
                sealed("0", payload + payload), sealed("0", [1, 2, 3]), message,
                sealed("0", try #require(Self.node("n7").encoded)),
                sealed("1000", try #require(Self.node("n8").encoded)),
                sealed("0", try #require(Self.node("n9", source: 1).encoded)),
            ] {
                let client = try Client(port: port)
                client.send(frame)
                // A node keeps what it said until this comes.
                let answer = client.frame()
                #expect(answer.map { $0.kind == .ack && $0.sequence == 1 } == (taken.contains(frame) ? true : nil))
            }
            try await waitUntil { server.counters.frames == 11 }
            let counters = server.counters
            #expect(sink.events.withLockedValue { $0.count } == 1 && counters.events == 2)
            #expect(sink.nodes.withLockedValue { $0 } == ["n7"])
            #expect(
                counters.credentialsWrongUser == 2 && counters.credentialsReplayed == 1
                    && counters.credentialsInvalid == 1)
            #expect(counters.forged == 4 && counters.refusedFrames == 1)
        }
    }
}
