// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Testing

@testable import Ethereum

@Suite("HTTP")
struct TransportTests {
    /// Answers each request with the same bytes, and keeps the requests.
    private final class Canned: ChannelInboundHandler, @unchecked Sendable {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        let requests: NIOLockedValueBox<[String]>
        private let answer: String
        private var seen = ""

        init(_ answer: String, _ requests: NIOLockedValueBox<[String]>) {
            self.answer = answer
            self.requests = requests
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            seen += String(buffer: unwrapInboundIn(data))
            // The last that a request has: of a call's JSON, or of an upgrade's head.
            guard seen.contains("\"params\":[]}") || (seen.hasPrefix("GET") && seen.contains("\r\n\r\n")) else {
                return
            }
            requests.withLockedValue { $0.append(seen) }
            seen = ""
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: answer)), promise: nil)
        }
    }

    private func serve(
        _ status: String, _ body: String, headers: String = "",
        _ test: (Int, NIOLockedValueBox<[String]>) async throws -> Void
    ) async throws {
        let requests = NIOLockedValueBox<[String]>([])
        let answer = "HTTP/1.1 \(status)\r\n\(headers)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Canned(answer, requests))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        try await test(server.localAddress?.port ?? 0, requests)
        try await server.close()
    }

    private func ask(_ port: Int, user: String = "", path: String = "/") async -> Result<[UInt8], RPCError> {
        do throws(RPCError) {
            let transport = try HTTPTransport()
            let endpoint: RPCEndpoint
            do throws(RPCEndpoint.Malformed) {
                endpoint = try RPCEndpoint(http: "http://\(user)127.0.0.1:\(port)\(path)")
            } catch {
                throw RPCError(.malformed, error.description)
            }
            let body = RPCCodec.encode([RPCCall("x")], firstID: 1)
            let answer: Result<[UInt8], RPCError>
            do throws(RPCError) {
                answer = .success(
                    try await transport.post(body, to: endpoint, timeout: .seconds(60), answerLimit: 1 << 20))
            } catch {
                answer = .failure(error)
            }
            await transport.shutdown()
            return answer
        } catch {
            return .failure(error)
        }
    }

    private static let error =
        #"{"jsonrpc":"2.0","id":1,"error":{"code":3,"message":"execution reverted","data":"0x3a43ca41"}}"#

    @Test(
        "JSON-RPC's own error counts, whatever the status",
        arguments: [
            "200 OK", "400 Bad Request", "404 Not Found", "413 Content Too Large", "500 Internal Server Error",
            "503 Unavailable",
        ])
    func bodyFirst(_ status: String) async throws {
        for body in [Self.error, "[" + Self.error + "]"] {
            try await serve(status, body) { port, _ async throws in
                let answer = await ask(port)
                #expect(answer == .success(Array(body.utf8)))
            }
        }
        try await serve(status, Self.error) { port, _ async throws in
            let result = try RPCCodec.decode(try await ask(port).get(), count: 1, firstID: 1)[0]
            #expect(result.failure?.refusal == .reverted && result.failure?.revertData?.count == 4)
        }
    }

    @Test(
        "of what is not JSON-RPC the status counts",
        arguments: [
            "", "<html>502 Bad Gateway</html>", #"{"error":"bad gateway"}"#, #"{"message":"no Route matched"}"#, "[]",
            "{",
            String(repeating: "[", count: 100_000),
        ])
    func statusSecond(_ body: String) async throws {
        try await serve("502 Bad Gateway", body) { port, _ async throws in
            #expect(await ask(port).failure?.kind == .http(502))
        }
    }

    @Test(
        "429 asks for a pause, with an error in it or without",
        arguments: [
            ("", nil), ("Retry-After: 7\r\n", 7), ("Retry-After: 0\r\n", 0), ("Retry-After: -1\r\n", nil),
            ("Retry-After: 99999999999999999999\r\n", nil), ("Retry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n", nil),
        ] as [(String, Int64?)])
    func tooMany(_ headers: String, _ seconds: Int64?) async throws {
        for body in ["slow down", Self.error] {
            try await serve("429 Too Many Requests", body, headers: headers) { port, _ async throws in
                let error = await ask(port).failure
                #expect(error?.isRateLimit == true && error?.retryAfter == seconds.map { .seconds($0) })
            }
        }
    }

    @Test("user and password are sent as a header, not in the address")
    func basicAuthentication() async throws {
        try await serve("200 OK", #"{"id":1,"result":1}"#) { port, requests async throws in
            _ = try await ask(port, user: "user:p%40ss@", path: "/rpc?key=1").get()
            _ = try await ask(port).get()
            let seen = requests.withLockedValue { $0 }
            #expect(seen.count == 2)
            #expect(seen.first?.contains("Authorization: Basic dXNlcjpwQHNz\r\n") == true)
            #expect(seen.first?.hasPrefix("POST /rpc?key=1 ") == true)
            #expect(seen.allSatisfy { !$0.contains("%40") && !$0.contains("user:") })
            #expect(seen.last?.contains("Authorization") == false)
        }
    }

    @Test("by WebSocket too", .timeLimit(.minutes(1)))
    func webSocket() async throws {
        try await serve("403 Forbidden", "no") { port, requests async throws in
            var settings = WakeUpSocket.Settings()
            settings.pause = .milliseconds(10)
            let wakes = AsyncStream<Void>.makeStream()
            let socket = WakeUpSocket(
                endpoint: try RPCEndpoint(webSocket: "ws://user:p%40ss@127.0.0.1:\(port)/ws"), settings: settings,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, onWake: { wakes.continuation.yield() })
            let task = Task { try await socket.run() }
            for await _ in wakes.stream where requests.withLockedValue({ !$0.isEmpty }) { break }
            task.cancel()
            try await task.value
            let seen = requests.withLockedValue { $0.first }
            #expect(
                seen?.hasPrefix("GET /ws ") == true && seen?.contains("Authorization: Basic dXNlcjpwQHNz\r\n") == true)
        }
    }
}
