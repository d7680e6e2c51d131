// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Glibc
import PageTesting
import Sockets
import Testing
import Waiting

@testable import AdminHTTP
@testable import AgentSettings
@testable import StatusViews

/// The server itself, on a socket in a folder of its own and on a free port.
@Suite("Admin server")
struct AdminServerTests {
    private static let right = "Authorization: Bearer \(AdminAccessTests.secret)\r\n"

    private static func get(_ path: String, _ headers: String = "", host: String = "localhost") -> String {
        "GET \(path) HTTP/1.1\r\nHost: \(host)\r\n\(headers)Connection: close\r\n\r\n"
    }

    /// Runs a server until the body is done, then ends it, which must not depend on its clients.
    private func withServer(
        port: UInt16? = nil, status: @escaping @Sendable () async -> AgentStatus = { AgentStatus.bare },
        _ change: (inout AdminServer.Limits) -> Void = { _ in },
        _ body: (String) async throws -> Void
    ) async throws {
        let folder = FileManager.default.temporaryDirectory.path + "/admin-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/admin.sock"
        var settings = AdminServer.Settings(socket: try UnixSocketPath(path))
        settings.limits.retry = .milliseconds(50)
        settings.limits.watch = .milliseconds(20)
        change(&settings.limits)
        if let port {
            settings.tcp = .init(
                listen: try #require(ListenAddress("127.0.0.1:\(port)")), token: try AdminAccessTests.token())
        }
        let server = AdminServer(settings, [], status: status)
        let running = Task { try await server.run() }
        try await waitUntil { (try? RawClient(unix: path)) != nil }
        do {
            try await body(path)
        } catch {
            running.cancel()
            throw error
        }
        running.cancel()
        try await running.value
        #expect(access(path, F_OK) != 0)
    }

    private func mode(_ path: String) throws -> UInt32? {
        try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? UInt32
    }

    private func ask(unix path: String, _ request: String) async throws -> String {
        let client = try RawClient(unix: path)
        try client.send(request)
        return try await client.answer()
    }

    private func ask(port: UInt16, _ request: String) async throws -> String {
        let client = try RawClient(port: port)
        try client.send(request)
        return try await client.answer()
    }

    @Test("on the socket: no token, its permissions, all headers")
    func unix() async throws {
        try await withServer { path in
            #expect(try mode(path) == 0o660)
            let answer = try await ask(unix: path, Self.get("/healthz"))
            #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n") && answer.contains("\"status\":\"ok\""))
            #expect(answer.firstMatch(of: #/\r\nDate: \w{3}, \d\d \w{3} 20\d\d \d\d:\d\d:\d\d GMT\r\n/#) != nil)
            for (name, value) in AdminResponse.commonHeaders { #expect(answer.contains("\r\n\(name): \(value)\r\n")) }
            let other = try await ask(unix: path, Self.get("/", host: "evil.example"))
            #expect(other.hasPrefix("HTTP/1.1 421 "))
            let page = try await ask(unix: path, Self.get("/"))
            #expect(page.hasSuffix("</html>\n") && page.contains("'nonce-"))
        }
    }

    @Test("a listening socket never has other permissions", arguments: [0o600, 0o660, 0o666] as [UInt32])
    func permissions(_ mode: UInt32) throws {
        let path = try UnixSocketPath(
            FileManager.default.temporaryDirectory.path + "/mode-\(UUID().uuidString.prefix(8))")
        let descriptor = try path.listen(mode: mode)
        defer {
            close(descriptor)
            unlink(path.path)
        }
        #expect(try self.mode(path.path) == mode)
        #expect(throws: UnixSocketPath.Problem.self) { try path.listen(mode: mode) }
    }

    @Test("HEAD has no body; requests on one connection are answered in turn; nonsense is refused with all headers")
    func wire() async throws {
        try await withServer { path in
            let head = try await ask(
                unix: path, Self.get("/metrics").replacingOccurrences(of: "GET", with: "HEAD"))
            #expect(head.hasPrefix("HTTP/1.1 200 OK\r\n") && head.hasSuffix("\r\n\r\n"))
            let length = try #require(head.firstMatch(of: #/Content-Length: (\d+)/#.ignoresCase())).1
            #expect(try #require(Int(length)) == MetricsPage([]).text(AgentStatus.bare).utf8.count)

            let two = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" + Self.get("/readyz")
            #expect(try await ask(unix: path, two).ranges(of: "HTTP/1.1 200 OK").count == 2)

            for nonsense in ["hello\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\u{16}\u{3}\u{1}\u{2}"] {
                let client = try RawClient(unix: path)
                try client.send(nonsense + "\r\n\r\n")
                let answer = try await client.answer()
                #expect(
                    answer.hasPrefix("HTTP/1.1 400 ") && answer.contains("Content-Security-Policy: default-src 'none'"))
            }
            let large = Self.get("/", "X: \(String(repeating: "x", count: 20_000))\r\n")
            #expect(try await !ask(unix: path, large).contains(" 200 "))
            let many = Self.get("/", (0..<100).map { "X-\($0): y\r\n" }.joined())
            #expect(try await !ask(unix: path, many).contains(" 200 "))
            let body = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"
            #expect(try await ask(unix: path, body).hasPrefix("HTTP/1.1 405 "))
        }
    }

    @Test(
        "the worst megabyte gets no answer of use, costs nobody else anything, and is read up to the limits only",
        arguments: [
            "a path that does not end", "one header", "headers of nothing", "a body", "a body of one-byte pieces",
            "a header that is continued",
        ])
    func worst(_ name: String) async throws {
        func filled(_ part: String) -> String { String(repeating: part, count: (1 << 20) / part.utf8.count) }
        let head = "GET /status.json HTTP/1.1\r\nHost: localhost\r\n"
        let post = "POST /status.json HTTP/1.1\r\nHost: localhost\r\n"
        let text =
            switch name {
            case "a path that does not end": "GET /" + filled("a")
            case "one header": head + "X: " + filled("x") + "\r\n\r\n"
            case "headers of nothing": head + filled("X:\r\n") + "\r\n"
            case "a body": post + "Content-Length: 1048576\r\n\r\n" + filled("x")
            case "a body of one-byte pieces":
                post + "Transfer-Encoding: chunked\r\n\r\n" + filled("1\r\nx\r\n") + "0\r\n\r\n"
            default: head + "X: y\r\n" + filled(" z\r\n") + "\r\n"
            }
        try await withServer { path in
            let client = try RawClient(unix: path)
            // It may be closed before all is sent.
            async let sending: Void? = try? client.sendAll(text)
            #expect(try await ask(unix: path, Self.get("/healthz")).hasPrefix("HTTP/1.1 200 "))
            let answer = try? await client.answer()
            #expect(answer?.contains(" 200 ") != true)
            _ = await sending
        }
    }

    @Test("on TCP: the token, as a bearer token or a password, and a name that is ours")
    func tcp() async throws {
        let port = try RawClient.Listener().port
        try await withServer(port: port, { $0.guessDelay = .zero }) { _ in
            try await waitUntil { (try? RawClient(port: port)) != nil }
            let basic = Data("admin:\(AdminAccessTests.secret)".utf8).base64EncodedString()
            for (headers, host, status) in [
                ("", "localhost", 401), ("Authorization: Bearer guess\r\n", "localhost", 401),
                (Self.right, "localhost", 200),
                ("Authorization: Basic \(basic)\r\n", "127.0.0.1:\(port)", 200), (Self.right, "[::1]", 200),
                (Self.right, "evil.example:\(port)", 421), (Self.right + Self.right, "localhost", 401),
            ] {
                let answer = try await ask(port: port, Self.get("/status.json", headers, host: host))
                #expect(answer.hasPrefix("HTTP/1.1 \(status) "), "\(headers) \(host)")
                #expect(answer.lowercased().contains("www-authenticate: basic") == (status == 401))
                #expect(answer.contains("\"version\"") == (status == 200))
            }
        }
    }

    @Test("whoever guesses waits, and nobody else; the end does not wait for them")
    func guesses() async throws {
        let port = try RawClient.Listener().port
        try await withServer(port: port, { $0.guessDelay = .seconds(3600) }) { _ in
            try await waitUntil { (try? RawClient(port: port)) != nil }
            let guessing = try (0..<20).map { _ in
                let client = try RawClient(port: port)
                try client.send(Self.get("/", "Authorization: Bearer guess\r\n"))
                return client
            }
            #expect(try await ask(port: port, Self.get("/", Self.right)).hasPrefix("HTTP/1.1 200 "))
            withExtendedLifetime(guessing) {}
        }
    }

    @Test("a port that is taken is tried again; all else goes on")
    func takenPort() async throws {
        var other: RawClient.Listener? = try RawClient.Listener()
        let port = try #require(other?.port)
        try await withServer(port: port) { path in
            #expect(try await ask(unix: path, Self.get("/healthz")).hasPrefix("HTTP/1.1 200 "))
            other = nil
            try await waitUntil {
                (try? await ask(port: port, Self.get("/healthz", Self.right)))?.hasPrefix("HTTP/1.1 200 ") == true
            }
        }
    }

    @Test("a socket that is removed is made again")
    func vanished() async throws {
        try await withServer { path in
            #expect(unlink(path) == 0)
            try await waitUntil {
                (try? await ask(unix: path, Self.get("/healthz")))?.hasPrefix("HTTP/1.1 200 ") == true
            }
        }
    }

    @Test(
        "silence, half a request and an idle connection come to an end",
        arguments: ["", "GET / HTTP/1.1\r\nHost", "full"])
    func slowWriters(_ part: String) async throws {
        try await withServer({
            // Long enough for a client that is held up between its connection and its words.
            $0.deadlines.firstRequest = .milliseconds(500)
            $0.deadlines.nextRequest = .milliseconds(500)
        }) { path in
            let client = try RawClient(unix: path)
            try client.send(part == "full" ? "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" : part)
            #expect(try await client.answer().hasPrefix(part == "full" ? "HTTP/1.1 200 OK" : ""))
        }
    }

    @Test("a status that hangs holds up neither what needs none nor the end")
    func hangingStatus() async throws {
        let (never, continuation) = AsyncStream<Void>.makeStream()
        defer { continuation.finish() }
        try await withServer(status: {
            for await _ in never {}
            return AgentStatus.bare
        }) { path in
            let waiting = try RawClient(unix: path)
            try waiting.send(Self.get("/"))
            #expect(try await ask(unix: path, Self.get("/icon.svg")).hasPrefix("HTTP/1.1 200 "))
            withExtendedLifetime(waiting) {}
        }
    }

    @Test("a client that does not read its answer loses it")
    func slowReader() async throws {
        var status = AgentStatus.bare
        status.summary = String(repeating: "long ", count: 400_000)
        try await withServer(status: { [status] in status }, { $0.deadlines.answer = .milliseconds(500) }) { path in
            let client = try RawClient(unix: path)
            try client.send("GET /status.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
            try await client.closed()
            #expect(try await client.answer().utf8.count < status.summary.utf8.count)
        }
    }

    @Test("many connections that say nothing keep nobody out")
    func crowd() async throws {
        try await withServer({
            $0.connections = 4
            $0.deadlines.firstRequest = .seconds(3600)
        }) { path in
            let silent = try (0..<20).map { _ in try RawClient(unix: path) }
            for _ in 0..<10 {
                // Connections come in about in the order in which they are made.
                try await waitUntil {
                    (try? await ask(unix: path, Self.get("/healthz")))?.hasPrefix("HTTP/1.1 200 ") == true
                }
            }
            // All but those that have a place still gave theirs up.
            try await waitUntil { silent.count(where: \.isClosed) >= 16 }
        }
    }

    @Test("when all places are taken by those who may ask, the next is turned away")
    func full() async throws {
        try await withServer({
            $0.connections = 2
            $0.deadlines.nextRequest = .seconds(3600)
        }) { path in
            // Until it is answered it may have to give its place up again to one that came before it.
            func trusted() async throws -> RawClient {
                var found: RawClient?
                try await waitUntil {
                    let client = try RawClient(unix: path)
                    guard (try? client.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")) != nil,
                        (try? await client.firstBytes()) != nil
                    else { return false }
                    found = client
                    return true
                }
                return try #require(found)
            }
            let first = try await trusted()
            let second = try await trusted()
            #expect(try await RawClient(unix: path).answer().isEmpty)
            try first.send(Self.get("/healthz"))
            #expect(try await first.answer().contains("HTTP/1.1 200 "))
            // Who asks no more has no place any more, though it does not close.
            try await waitUntil {
                (try? await ask(unix: path, Self.get("/healthz")))?.hasPrefix("HTTP/1.1 200 ") == true
            }
            withExtendedLifetime((first, second)) {}
        }
    }
}
