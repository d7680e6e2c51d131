// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Testing

@testable import ClusterCockpit

struct NATSDecoderTests {
    @Test(
        arguments: [
            ("PING\r\n", [.ping]), ("pong\r\n+OK\n", [.pong, .okay]), ("\r\n", []), ("PI", []),
            ("-ERR 'Authorization Violation'\r\n", [.error("Authorization Violation")]),
            (
                "INFO {\"max_payload\":9,\"tls_required\":true,\"x\":[1]}\r\nPONG\r\n",
                [.info(.init(maxPayload: 9, requiresTLS: true)), .pong]
            ),
            ("INFO\t{}\r\n", [.info(.init())]),
        ] as [(String, [NATSMessage])])
    func messages(text: String, wanted: [NATSMessage]) throws {
        var whole = NATSDecoder()
        #expect(try whole.take(text.utf8) == wanted)
        // However it is cut.
        var cut = NATSDecoder()
        #expect(try text.utf8.flatMap { try cut.take([$0]) } == wanted)
        #expect(cut.hasRest == (text == "PI"))
    }

    @Test(arguments: [
        "HTTP/1.1 400 Bad Request\r\n", "INFO {\r\n", "INFO 3\r\n", "MSG a 1 0\r\n", "\0\0\n",
        "INFO {\"max_payload\":1e99}\n",
        String(repeating: "x", count: NATSDecoder.lineLimit + 1),
    ])
    func whatIsNoServer(text: String) {
        var decoder = NATSDecoder()
        #expect(throws: CockpitError.self) { try decoder.take(text.utf8) }
    }

    @Test(arguments: [
        ("nats://h", "h", 4222, false), ("tls://h.example.org:4333/", "h.example.org", 4333, true),
        ("nats://[::1]:5", "::1", 5, false), ("nats://[::1]", "::1", 4222, false),
    ])
    func addresses(text: String, host: String, port: Int, isEncrypted: Bool) throws {
        let address = try #require(NATSAddress(text))
        #expect(address.host == host && address.port == port && address.isEncrypted == isEncrypted)
    }

    @Test(arguments: [
        "", "h:4222", "http://h", "nats://", "nats://h:0", "nats://h:x", "nats://u:p@h", "nats://a,b", "nats://h h",
    ])
    func whatIsNoAddress(text: String) { #expect(NATSAddress(text) == nil) }
}

/// Says what a test tells it to, by what comes.
private final class ScriptedServer {
    /// What to answer to a line; nil: end the connection.
    typealias Script = @Sendable (String) -> String?

    private let channel: any Channel
    let lines = NIOLockedValueBox<[String]>([])
    let connections = NIOLockedValueBox(0)
    var url: String { "nats://127.0.0.1:\(channel.localAddress?.port ?? 0)" }

    init(info: String, _ script: @escaping Script) async throws {
        channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .childChannelInitializer { [lines, connections] child in
                child.eventLoop.makeCompletedFuture {
                    connections.withLockedValue { $0 += 1 }
                    try child.pipeline.syncOperations.addHandler(Answers(info: info, lines: lines, script: script))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    func close() async { try? await channel.close() }

    private final class Answers: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let info: String
        private let lines: NIOLockedValueBox<[String]>
        private let script: Script
        private var rest: [UInt8] = []

        init(info: String, lines: NIOLockedValueBox<[String]>, script: @escaping Script) {
            (self.info, self.lines, self.script) = (info, lines, script)
        }

        func channelActive(context: ChannelHandlerContext) { say(info, context) }

        private func say(_ text: String, _ context: ChannelHandlerContext) {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            rest += unwrapInboundIn(data).readableBytesView
            while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: rest[..<end], as: UTF8.self).filter { !$0.isNewline }
                rest.removeSubrange(...end)
                lines.withLockedValue { $0.append(line) }
                guard let answer = script(line) else {
                    context.close(promise: nil)
                    return
                }
                if !answer.isEmpty { say(answer, context) }
            }
        }
    }
}

@Suite("A NATS server that a test scripts", .timeLimit(.minutes(2)))
struct NATSPublisherTests {
    private static let info = "INFO {\"max_payload\":100,\"auth_required\":true}\r\n"
    private static let pong: @Sendable (String) -> String? = { $0 == "PING" ? "PONG\r\n" : "" }

    private static func publisher(
        _ url: String, user: String? = nil, secret: String? = nil, timeout: Duration = .seconds(20)
    ) throws -> NATSPublisher {
        try NATSPublisher(
            .init(url: url, subject: "cc.jobs", user: user, secretFile: secret), certificateAuthority: nil,
            timeout: timeout)
    }

    private static func secret(_ text: String) throws -> String {
        let path = FileManager.default.temporaryDirectory.appending(path: "nats-\(UUID().uuidString)").path
        guard
            FileManager.default.createFile(
                atPath: path, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600])
        else { throw CockpitError(.storage, path) }
        return path
    }

    @Test("a message is there when its PING was answered; one connection carries all, also many at once")
    func published() async throws {
        let server = try await ScriptedServer(info: Self.info, Self.pong)
        let publisher = try Self.publisher(server.url)
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<20 {
                group.addTask {
                    await #expect(throws: Never.self) { try await publisher.publish(Array("m\(number)".utf8)) }
                }
            }
        }
        try await publisher.check()
        let lines = server.lines.withLockedValue { $0 }
        #expect(Set(lines.filter { $0.hasPrefix("m") }).count == 20)
        #expect(lines.contains("PUB cc.jobs 2") && lines.contains("PUB cc.jobs 3"))
        #expect(server.connections.withLockedValue { $0 } == 1)
        #expect(lines.first?.contains("\"verbose\":false") == true && lines.first?.contains("auth_token") == false)
        await publisher.shutdown()
        await server.close()
    }

    @Test("a user has a password; without one the secret is a token; it is read at each login")
    func login() async throws {
        let server = try await ScriptedServer(info: Self.info) { line in
            line.hasPrefix("CONNECT") && !line.contains("right")
                ? "-ERR 'Authorization Violation'\r\n" : Self.pong(line)
        }
        let path = try Self.secret("wrong \"words\"\n")
        defer { try? FileManager.default.removeItem(atPath: path) }
        let publisher = try Self.publisher(server.url, user: "u", secret: path)
        await #expect(throws: CockpitError(.unavailable, "the NATS server refuses: Authorization Violation")) {
            try await publisher.publish([1])
        }
        #expect(server.lines.withLockedValue { $0.first?.contains(#""pass":"wrong \"words\"""#) } == true)
        try Data("right\n".utf8).write(to: URL(fileURLWithPath: path))
        try await publisher.publish([1])
        let token = try Self.publisher(server.url, secret: path)
        try await token.check()
        #expect(server.lines.withLockedValue { lines in lines.contains { $0.contains(#""auth_token":"right""#) } })
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        let open = try Self.publisher(server.url, secret: path)
        await #expect(throws: CockpitError.self) { try await open.check() }
        for one in [publisher, token, open] { await one.shutdown() }
        await server.close()
    }

    @Test("what the server says instead of an answer: the message is in doubt, and the next one makes a new connection")
    func failures() async throws {
        let answers = NIOLockedValueBox<[String?]>([
            "-ERR 'Permissions Violation for Publish to \"cc.jobs\"'\r\n", nil, "MSG x 1 0\r\n", "PING\r\n",
        ])
        let server = try await ScriptedServer(info: Self.info) { line in
            guard line.hasPrefix("PUB") else { return Self.pong(line) }
            return answers.withLockedValue { $0.isEmpty ? "" : $0.removeFirst() }
        }
        let publisher = try Self.publisher(server.url)
        for words in ["Permissions Violation", "closed the connection", "no NATS server"] {
            do throws(CockpitError) {
                try await publisher.publish([1])
                Issue.record("published: \(words)")
            } catch {
                #expect(error.description.contains(words) && error.code != .refused, "\(error)")
            }
        }
        // A PING of the server is answered, and is no answer.
        try await publisher.publish([1])
        // It may come behind what answered the publisher.
        for _ in 0..<2000 where !server.lines.withLockedValue({ $0.contains("PONG") }) {
            try await Task.sleep(for: .milliseconds(5))
        }
        #expect(server.lines.withLockedValue { $0.contains("PONG") })
        #expect(server.connections.withLockedValue { $0 } == 4)
        // Longer than the server takes: refused here, for the server would end the connection.
        do throws(CockpitError) {
            try await publisher.publish([UInt8](repeating: 1, count: 101))
            Issue.record("published")
        } catch {
            #expect(error.code == .refused && error.description.contains("takes 100"))
        }
        try await publisher.publish([2])
        #expect(server.connections.withLockedValue { $0 } == 4)
        await publisher.shutdown()
        await server.close()
        await #expect(throws: CockpitError.self) { try await publisher.publish([1]) }
    }

    @Test("a server that hangs, in the greeting, the login or an answer, is given up")
    func hangs() async throws {
        let silent = try await ScriptedServer(info: Self.info) { _ in "" }
        let answering = try await ScriptedServer(info: Self.info) { line in line.hasPrefix("PUB") ? "" : Self.pong(line)
        }
        let late = try Self.publisher(answering.url, timeout: .milliseconds(200))
        try await late.check()
        let begun = ContinuousClock.now
        let mute = try await ScriptedServer(info: Self.info) { line in line.hasPrefix("CONNECT") ? "PONG\r\n" : "" }
        let hung = try Self.publisher(mute.url, timeout: .milliseconds(200))
        await #expect(throws: CockpitError(.unavailable, "no answer of the NATS server within 0.2 seconds")) {
            try await hung.publish([1])
        }
        #expect(ContinuousClock.now - begun < .seconds(60))
        // Cancelled, it does not wait for its deadline.
        let waits = try Self.publisher(silent.url)
        let task = Task { try await waits.publish([1]) }
        try await Task.sleep(for: .milliseconds(50))
        task.cancel()
        for one in [late, hung, waits] { await one.shutdown() }
        await #expect(throws: (any Error).self) { try await task.value }
        for one in [silent, answering, mute] { await one.close() }
    }

    @Test("where TLS is wanted nothing is said in clear")
    func noTLS() async throws {
        let server = try await ScriptedServer(info: Self.info, Self.pong)
        let publisher = try NATSPublisher(
            .init(url: server.url.replacing("nats://", with: "tls://")), certificateAuthority: nil, timeout: .seconds(5)
        )
        do throws(CockpitError) {
            try await publisher.check()
            Issue.record("it answered")
        } catch {
            #expect(error.description.contains("speaks no TLS"))
        }
        #expect(server.lines.withLockedValue { $0 } == [])
        await publisher.shutdown()
        await server.close()
        // Somebody between puts words after the greeting.
        let injected = try await ScriptedServer(info: "INFO {\"tls_required\":true}\r\nPO", Self.pong)
        let other = try Self.publisher(injected.url)
        await #expect(throws: CockpitError(.malformed, "the NATS server speaks before TLS has begun")) {
            try await other.check()
        }
        #expect(injected.lines.withLockedValue { $0 } == [])
        await other.shutdown()
        await injected.close()
        // No address, no server.
        for url in ["nats://nowhere.invalid", "nats://127.0.0.1:1"] {
            let none = try Self.publisher(url)
            await #expect(throws: CockpitError.self, "\(url)") { try await none.check() }
            await none.shutdown()
        }
    }
}
