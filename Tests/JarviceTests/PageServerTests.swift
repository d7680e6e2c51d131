// SPDX-License-Identifier: GPL-3.0-or-later

import NIOConcurrencyHelpers
import NIOCore
import Sockets
import Testing
import Waiting

@testable import Jarvice

@Suite("The proxy before interactive jobs")
struct PageServerTests {
    private func test(
        change: (inout PageServer.Settings) -> Void = { _ in },
        node serve: @escaping @Sendable (Line) async throws -> Void,
        _ body: (PageSite) async throws -> Void
    ) async throws {
        let node = try await FakeNode(serve)
        let site = try await PageSite(FakePages(port: node.port), change: change)
        do {
            try await body(site)
        } catch {
            await site.stop()
            await node.stop()
            throw error
        }
        await site.stop()
        #expect(site.pages.relays.count == 0)
        await node.stop()
    }

    private static let upgrade =
        "GET /job7/s/ws HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
        + "Sec-WebSocket-Protocol: binary, text\r\n\r\n"
    private static let upgraded =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + "Sec-WebSocket-Protocol: binary\r\n\r\n"

    @Test("requests of one connection, each to the job by its own path, answers as they are")
    func requests() async throws {
        try await test { line in
            let head = try await line.read(to: "\r\n\r\n")
            let path = head.split(separator: " ")[1]
            switch path {
            case "/redirect":
                try await line.send("HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n")
            case "/long": try await line.send("HTTP/1.1 200 OK\r\n\r\nuntil the end")
            case "/post":
                let body = try await line.read(to: "0\r\n\r\n")
                try await line.send("HTTP/1.0 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
            default:
                let body = head.hasPrefix("HEAD") ? "" : head
                try await line.send("HTTP/1.1 200 OK\r\nContent-Length: \(head.utf8.count)\r\nX: y\r\n\r\n\(body)")
            }
        } _: { site in
            try await site.connected { line in
                try await line.send("GET /job7/s/a?b HTTP/1.1\r\nHost: h\r\nConnection: X-Own\r\nX-Own: 1\r\n\r\n")
                let answer = try await line.read(to: "\r\n\r\n")
                #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n") && answer.contains("\r\nX: y\r\n"))
                let head = try await line.read(to: "\r\n\r\n")
                #expect(head.hasPrefix("GET /a?b HTTP/1.1\r\nHost: h\r\n") && !head.lowercased().contains("x-own"))
                #expect(head.contains("X-Forwarded-Proto: https\r\nX-Forwarded-Prefix: /job7/s\r\n\r\n"))
                // Two at once are answered in their order.
                try await line.send(
                    "GET /job7/s/redirect HTTP/1.1\r\nHost: h\r\n\r\nGET /job7/s/2 HTTP/1.1\r\nHost: h\r\n\r\n")
                #expect(try await line.read(to: "\r\n\r\n").contains("Location: /job7/s/login\r\n"))
                #expect(try await line.read(to: "\r\n\r\n").hasPrefix("HTTP/1.1 200 OK\r\n"))
                #expect(try await line.read(to: "\r\n\r\n").hasPrefix("GET /2 HTTP/1.1\r\n"))
                try await line.send(
                    "POST /job7/s/post HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
                )
                #expect(try await line.read(to: "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n")
                try await line.send("3\r\nabc\r\n0\r\n\r\n")
                #expect(try await line.read(to: "\r\n\r\n").contains("200 OK"))
                #expect(try await line.read(to: "0\r\n\r\n") == "3\r\nabc\r\n0\r\n\r\n")
                try await line.send("HEAD /job7/s/ HTTP/1.1\r\nHost: h\r\n\r\n")
                #expect(try await line.read(to: "\r\n\r\n").contains("Content-Length: "))
                // Without a length it is chunks here, whatever the job's end of it was.
                try await line.send("GET /job7/s/long HTTP/1.1\r\nHost: h\r\n\r\n")
                #expect(try await line.read(to: "\r\n\r\n").lowercased().contains("transfer-encoding: chunked"))
                #expect(try await line.read(to: "0\r\n\r\n").contains("until the end"))
                try await line.send("HEAD /job7/s/long HTTP/1.1\r\nHost: h\r\n\r\n")
                let last = try await line.readAll()
                #expect(
                    last.hasPrefix("HTTP/1.0 200 OK\r\n") && last.hasSuffix("\r\n\r\n")
                        && last.count { $0 == "\r\n" } > 2)
            }
        }
    }

    @Test("what is no request for a job, or nobody answers, is told and ends the connection")
    func refusals() async throws {
        let asked = NIOLockedValueBox(0)
        try await test { line in
            asked.withLockedValue { $0 += 1 }
            _ = try await line.read(to: "\r\n\r\n")
        } _: { site in
            func status(_ request: String) async throws -> String {
                try await site.connected { line in
                    try await line.send(request)
                    return try await line.readAll().split(separator: "\r\n").first.map(String.init) ?? ""
                }
            }
            for (request, wanted) in [
                ("GET /job7/x/ HTTP/1.1\r\nHost: h\r\n\r\n", "404"),
                ("GET /job8/s/ HTTP/1.1\r\nHost: h\r\n\r\n", "404"),
                ("GET / HTTP/1.1\r\nHost: h\r\n\r\n", "404"), ("GET /job7/s HTTP/1.1\r\nHost: h\r\n\r\n", "308"),
                ("GET http://h/job7/s/ HTTP/1.1\r\nHost: h\r\n\r\n", "404"),
                ("CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n", "405"),
                ("TRACE /job7/s/ HTTP/1.1\r\nHost: h\r\n\r\n", "405"),
                ("GET /job7/s/ HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n", "400"), ("\u{16}\u{3}\u{1}\r\n\r\n", "400"),
                ("POST /job7/s/ HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "400"),
                ("GET /job7/s/ HTTP/1.1\r\nHost: h\r\nX: \(String(repeating: "y", count: 40_000))\r\n\r\n", "400"),
                (Self.upgrade.replacing("/s/", with: "/x/"), "404"),
            ] {
                let found = try await status(request)
                #expect(found.hasPrefix("HTTP/1.1 \(wanted) "), "\(request.prefix(60)): \(found)")
            }
            #expect(asked.withLockedValue { $0 } == 0)
            let request = "GET /job7/s/ HTTP/1.1\r\nHost: h\r\n\r\n"
            // The node hangs up without a word.
            #expect(try await status(request).hasPrefix("HTTP/1.1 502 "))
            #expect(asked.withLockedValue { $0 } == 1)
            site.pages.place.withLockedValue { $0?.port = 1 }
            #expect(try await status(request).hasPrefix("HTTP/1.1 502 "))
            site.pages.error.withLockedValue { $0 = JarviceError(.unavailable, "away") }
            #expect(try await status(request).hasPrefix("HTTP/1.1 503 "))
        }
    }

    @Test("what comes in many pieces while the job is looked up arrives whole")
    func manyPieces() async throws {
        let pieces = 4000
        try await test { line in
            let request = try await line.read(to: "0\r\n\r\n")
            let count = request.count { $0 == "q" }
            try await line.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n\(count)!")
        } _: { site in
            site.pages.delay.withLockedValue { $0 = .milliseconds(200) }
            try await site.connected { line in
                try await line.send(
                    "POST /job7/s/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                        + String(repeating: "1\r\nq\r\n", count: pieces) + "0\r\n\r\n")
                let answer = try await line.read(to: "!")
                #expect(answer.hasSuffix("\r\n\r\n\(pieces)!"))
            }
        }
    }

    @Test("of the descriptors that are kept from clients none becomes a connection to a job")
    func noRoom() async throws {
        let room = NIOLockedValueBox(DescriptorLimit.Room.none)
        try await test(change: { $0.room = { room.withLockedValue { $0 } } }) { line in
            _ = try await line.read(to: "\r\n\r\n")
            try await line.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        } _: { site in
            for (left, status) in [(DescriptorLimit.Room.none, "502"), (.exchange, "200"), (.enough, "200")] {
                room.withLockedValue { $0 = left }
                try await site.connected { line in
                    try await line.send("GET /job7/s/ HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
                    let answer = try await line.readAll()
                    #expect(answer.hasPrefix("HTTP/1.1 \(status) "), "\(left)")
                }
            }
        }
    }

    @Test("a WebSocket: bytes both ways, those that come at once with the upgrade too, to the last")
    func sockets() async throws {
        try await test { line in
            let head = try await line.read(to: "\r\n\r\n")
            guard head.contains("Connection: Upgrade\r\nUpgrade: websocket\r\n") else { return }
            #expect(head.hasPrefix("GET /ws HTTP/1.1\r\n") && head.contains("Sec-WebSocket-Protocol: binary, text\r\n"))
            try await line.send(Self.upgraded + "early")
            let word = try await line.read(to: "!")
            try await line.send("<\(word)>" + String(repeating: "x", count: 1 << 20) + "end")
        } _: { site in
            try await site.connected { line in
                try await line.send(Self.upgrade + "at once")
                let head = try await line.read(to: "\r\n\r\n")
                #expect(head.hasPrefix("HTTP/1.1 101 Switching Protocols\r\n"))
                #expect(head.contains("Sec-WebSocket-Protocol: binary\r\n") && head.contains("Upgrade: websocket\r\n"))
                #expect(try await line.read(to: "early") == "early")
                try await line.send(", later!")
                #expect(try await line.read(to: ">") == "<at once, later!>")
                // The node is gone by now; what it said arrives whole.
                let rest = try await line.readAll()
                #expect(rest.utf8.count == (1 << 20) + 3 && rest.hasSuffix("end"))
            }
        }
    }

    @Test("an upgrade that one of both did not mean ends the connection, and nothing more")
    func wrongUpgrades() async throws {
        let answers = NIOLockedValueBox("")
        try await test { line in
            let head = try await line.read(to: "\r\n\r\n")
            try await line.send(
                answers.withLockedValue { $0 } + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nmore")
            if head.contains("/ws") { _ = try await line.readAll() }
        } _: { site in
            let bare = "HTTP/1.1 101 Switching Protocols\r\n\r\n"
            let half = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
            let plain = "GET /job7/s/ HTTP/1.1\r\nHost: h\r\n\r\n"
            let unsent = Self.upgrade.replacing("websocket\r\n", with: "websocket\r\nContent-Length: 9\r\n")
            for (request, answer) in [
                (plain, Self.upgraded), (plain, bare), (Self.upgrade, bare), (unsent, Self.upgraded),
                (Self.upgrade, Self.upgraded.replacing("websocket", with: "h2c")), (Self.upgrade, half),
            ] {
                answers.withLockedValue { $0 = answer }
                try await site.connected { line in
                    try await line.send(request)
                    let head = try await line.read(to: "\r\n\r\n")
                    let isKnown = head == "" || head.hasPrefix("HTTP/1.1 502 ") || head.hasPrefix("HTTP/1.1 101 ")
                    #expect(isKnown, "\(request)\(answer)\(head)")
                }
            }
        }
    }

    @Test("a client that goes away takes its connection to the job with it", arguments: [false, true])
    func clientGone(_ isSocket: Bool) async throws {
        let (ends, end) = AsyncStream.makeStream(of: String.self)
        try await test { line in
            _ = try await line.read(to: "\r\n\r\n")
            if isSocket { try await line.send(Self.upgraded) }
            end.yield(try await line.readAll())
        } _: { site in
            try await site.connected { line in
                if isSocket {
                    try await line.send(Self.upgrade)
                    _ = try await line.read(to: "\r\n\r\n")
                    try await line.send("half")
                } else {
                    try await line.send("POST /job7/s/ HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf")
                }
                try await waitUntil { site.pages.relays.count != 0 }
            }
            var found = ends.makeAsyncIterator()
            let text = await found.next()
            #expect(text == "half" || (!isSocket && text == ""))
        }
    }

    @Test("an answer that the job does not end is cut, not ended")
    func nodeGone() async throws {
        try await test { line in
            _ = try await line.read(to: "\r\n\r\n")
            try await line.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
        } _: { site in
            try await site.connected { line in
                try await line.send("GET /job7/s/ HTTP/1.1\r\nHost: h\r\n\r\n")
                let text = try await line.readAll()
                #expect(text.hasPrefix("HTTP/1.1 200 OK\r\n") && text.hasSuffix("4\r\nhalf\r\n"))
            }
        }
    }

    @Test("what the job's end cuts")
    func cut() async throws {
        let (ends, end) = AsyncStream.makeStream(of: Void.self)
        try await test { line in
            _ = try await line.read(to: "\r\n\r\n")
            try await line.send(Self.upgraded)
            _ = try await line.readAll()
            end.yield()
        } _: { site in
            try await site.connected { line in
                try await line.send(Self.upgrade)
                _ = try await line.read(to: "\r\n\r\n")
                site.pages.relays.cut(8)
                #expect(site.pages.relays.count == 1)
                site.pages.relays.cut(7)
                #expect(try await line.readAll() == "")
                for await _ in ends { break }
            }
        }
    }

    @Test("whoever does not read is not sent to, and gets all in the end", arguments: [false, true])
    func backPressure(_ isSocket: Bool) async throws {
        let (parts, size) = (512, 1 << 17)
        let sent = NIOLockedValueBox(0)
        try await test { line in
            _ = try await line.read(to: "\r\n\r\n")
            try await line.send(isSocket ? Self.upgraded : "HTTP/1.1 200 OK\r\nContent-Length: \(parts * size)\r\n\r\n")
            let part = String(repeating: "x", count: size)
            for _ in 0..<parts {
                try await line.send(part)
                sent.withLockedValue { $0 += 1 }
            }
        } _: { site in
            try await site.connected { line in
                try await line.send(
                    isSocket ? Self.upgrade : "GET /job7/s/ HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
                _ = try await line.read(to: "\r\n\r\n")
                // Until nothing moves any more.
                var before = -1
                while true {
                    let now = sent.withLockedValue { $0 }
                    if now == before { break }
                    before = now
                    try await Task.sleep(for: .milliseconds(300))
                }
                #expect(before < parts)
                #expect(await line.count() == parts * size)
            }
        }
    }

    @Test("a head that never comes is not waited for")
    func slow() async throws {
        try await test(change: { $0.deadlines.head = .milliseconds(50) }) { _ in
        } _: { site in
            try await site.connected { line in
                // It may be over before.
                try? await line.send("GET /job7")
                let text = try await line.readAll()
                #expect(text == "")
            }
        }
    }
}
