// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Glibc
import Logging
import NIOConcurrencyHelpers
import PageTesting
import Sockets
import Testing
import Waiting

@testable import Agent

/// Attacks on the control socket, and what whoever asks notices of them.
@Suite("Control socket", .serialized, .timeLimit(.minutes(5)))
struct ControlServerTests {
    private func withServer(
        users: Set<UInt32> = [geteuid()], handlers: [String: ControlServer.Handler] = [:],
        _ change: (inout ControlServer.Limits) -> Void = { _ in }, _ body: (String) async throws -> Void
    ) async throws {
        let folder = FileManager.default.temporaryDirectory.path + "/control-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/control.sock"
        var limits = ControlServer.Limits()
        limits.retry = .milliseconds(20)
        change(&limits)
        let all = handlers.merging(["ping": { _ in try ControlServer.single(["pong": true]) }]) { first, _ in first }
        let server = ControlServer(
            socket: try UnixSocketPath(path), allowedUsers: users, handlers: all, limits: limits,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let running = Task { try await server.run() }
        do {
            try await waitUntil { (try? RawClient(unix: path)) != nil }
            try await body(path)
        } catch {
            running.cancel()
            throw error
        }
        running.cancel()
        try await running.value
        #expect(access(path, F_OK) != 0)
    }

    private func ask(_ path: String, _ text: String = "{\"command\":\"ping\"}\n") async throws -> String {
        let client = try RawClient(unix: path)
        try client.send(text)
        return try await client.answer()
    }

    @Test("a question and its answer; what is none is told so")
    func questions() async throws {
        let large = "{\"command\":\"\(String(repeating: "x", count: 70_000))\"}\n"
        let cases = [
            ("{\"command\":\"ping\"}\n", "{\"pong\":true}\n"), ("{\"command\":\"nothing\"}\n", "knows no"),
            ("GET / HTTP/1.1\r\n\r\n", "no JSON object"),
            (String(repeating: "[", count: 60_000) + "\n", "no JSON object"), (large, "at most"),
        ]
        try await withServer { path in
            for (question, words) in cases {
                let answer = try await ask(path, question)
                #expect(answer.contains(words))
            }
        }
    }

    @Test(
        "an answer of any length arrives whole, also to whoever takes it late",
        arguments: [200_000, 300_000, 5_000_000])
    func long(_ count: Int) async throws {
        let words = String(repeating: "x", count: count)
        let handlers: [String: ControlServer.Handler] = ["long": { _ in try ControlServer.single([words]) }]
        try await withServer(handlers: handlers) { path in
            let client = try RawClient(unix: path)
            try client.send("{\"command\":\"long\"}\n")
            // Others are served meanwhile.
            for _ in 0..<20 { #expect(try await ask(path) == "{\"pong\":true}\n") }
            #expect(try await client.answer().utf8.count == count + 5)
        }
    }

    @Test("others than root and SlurmUser are told so")
    func strangers() async throws {
        try await withServer(users: [12345]) { path in
            let answer = try await ask(path)
            #expect(answer.contains("only root and SlurmUser"))
        }
    }

    @Test("silence and half a question give their place up", arguments: ["", "{\"command\":"])
    func silent(_ text: String) async throws {
        try await withServer({ $0.request = .milliseconds(100) }) { path in
            let client = try RawClient(unix: path)
            if !text.isEmpty { try client.send(text) }
            #expect(try await client.answer().isEmpty)
        }
    }

    @Test("many that say nothing keep nobody out")
    func crowd() async throws {
        try await withServer({
            $0.connections = 4
            $0.request = .seconds(3600)
        }) { path in
            let silent = try (0..<50).map { _ in try RawClient(unix: path) }
            for _ in 0..<10 { try await waitUntil { (try? await ask(path)) == "{\"pong\":true}\n" } }
            withExtendedLifetime(silent) {}
        }
    }

    @Test("an answer that does not come is given up, and its work ended")
    func hangs() async throws {
        let ended = NIOLockedValueBox(false)
        let hang: ControlServer.Handler = { _ in
            try? await Task.sleep(for: .seconds(3600))
            ended.withLockedValue { $0 = Task.isCancelled }
            return try ControlServer.single(["late": true])
        }
        try await withServer(handlers: ["hang": hang], { $0.answer = .milliseconds(100) }) { path in
            #expect(try await ask(path, "{\"command\":\"hang\"}\n").isEmpty)
            try await waitUntil { ended.withLockedValue { $0 } }
        }
    }

    @Test("whoever does not read its answer loses it, and costs no memory meanwhile")
    func slowReader() async throws {
        let made = NIOLockedValueBox(0)
        let stream: ControlServer.Handler = { _ in
            .init { take in
                while true {
                    made.withLockedValue { $0 += 1 }
                    try await take(String(repeating: "x", count: 10_000))
                }
            }
        }
        try await withServer(handlers: ["stream": stream], { $0.line = .milliseconds(200) }) { path in
            let client = try RawClient(unix: path)
            try client.send("{\"command\":\"stream\"}\n")
            try await client.closed()
            #expect(made.withLockedValue { $0 } < 1000)
        }
    }

    @Test("a stream goes on for longer than any answer may take, and ends with its client")
    func streams() async throws {
        let (told, over) = (NIOLockedValueBox(0), NIOLockedValueBox(0))
        let stream: ControlServer.Handler = { _ in
            .init { take in
                // Nothing to tell at first, for longer than a deadline; then a line, and another.
                for _ in 0..<2 {
                    try await Task.sleep(for: .milliseconds(300))
                    try await take("line")
                }
                told.withLockedValue { $0 += 1 }
                try? await Task.sleep(for: .seconds(3600))
                over.withLockedValue { $0 += 1 }
            }
        }
        try await withServer(
            handlers: ["stream": stream],
            {
                $0.connections = 1
                $0.answer = .milliseconds(100)
                $0.line = .milliseconds(100)
            }
        ) { path in
            var client: RawClient?
            // Until it has asked it may have to give its place up to one that came before it.
            try await waitUntil {
                let next = try RawClient(unix: path)
                guard (try? next.send("{\"command\":\"stream\"}\n")) != nil, (try? await next.firstBytes()) != nil
                else {
                    return false
                }
                client = next
                return true
            }
            try await waitUntil { told.withLockedValue { $0 } > 0 }
            #expect(client?.isClosed == false)
            let refused = try await ask(path)
            #expect(refused.isEmpty)
            client = nil
            try await waitUntil { over.withLockedValue { $0 } > 0 }
            try await waitUntil { (try? await ask(path)) == "{\"pong\":true}\n" }
        }
    }

    @Test("an answer that breaks off is no end", arguments: ["{\"transition\":1}\n{\"trans", "{"])
    func brokenAnswer(_ text: String) async throws {
        let folder = FileManager.default.temporaryDirectory.path + "/broken-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let descriptor = try UnixSocketPath(folder + "/s").listen(mode: 0o600)
        defer { close(descriptor) }
        let flags = fcntl(descriptor, F_GETFL)
        _ = fcntl(descriptor, F_SETFL, flags & ~O_NONBLOCK)
        let agent = Thread {
            let client = accept(descriptor, nil, nil)
            var line = [UInt8](repeating: 0, count: 4096)
            _ = recv(client, &line, line.count, 0)
            _ = send(client, text, text.utf8.count, Int32(MSG_NOSIGNAL))
            close(client)
        }
        agent.start()
        #expect(throws: ControlClient.Failure.self) {
            try ControlClient(socket: folder + "/s").ask(ControlRequest("events")) { _ in }
        }
    }
}
