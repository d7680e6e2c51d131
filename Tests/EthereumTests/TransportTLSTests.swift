// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import NIOSSL
import TestCertificates
import Testing

@testable import Ethereum

@Suite("HTTPS and WSS", .timeLimit(.minutes(5)))
struct TransportTLSTests {
    struct Server: CustomTestStringConvertible {
        var testDescription: String
        var pair: (certificate: String, key: String)
        var host = "127.0.0.1"
        /// nil: it is believed.
        var failure: String?
    }

    static let servers = [
        Server(testDescription: "by its address", pair: Certificates.p256),
        Server(testDescription: "by its name", pair: Certificates.p256, host: "localhost"),
        Server(testDescription: "P-521", pair: Certificates.p521),
        Server(testDescription: "Ed25519", pair: Certificates.ed25519),
        Server(
            testDescription: "a CN alone", pair: Certificates.commonName, host: "localhost",
            failure: "no subjectAltName"),
        Server(
            testDescription: "another's certificate", pair: Certificates.elsewhere,
            failure: "does not name the host or IP address"),
    ]

    /// Answers each request alike, and counts them: nothing of ours leaves before the server is believed.
    private final class Node: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        let requests: NIOLockedValueBox<Int>
        init(_ requests: NIOLockedValueBox<Int>) { self.requests = requests }

        private var received = ""

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            // Head and body may come in two records.
            received += String(buffer: unwrapInboundIn(data))
            guard let end = received.firstRange(of: "\r\n\r\n") else { return }
            let length = received[..<end.lowerBound].lowercased().split(separator: "\r\n")
                .first { $0.hasPrefix("content-length:") }
                .flatMap { Int($0.dropFirst(15).filter(\.isNumber)) }
            guard received[end.upperBound...].utf8.count >= length ?? 0 else { return }
            received = ""
            requests.withLockedValue { $0 += 1 }
            let body = #"{"jsonrpc":"2.0","id":1,"result":1}"#
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: answer)), promise: nil)
        }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }

    private func withServer(
        _ row: Server, _ body: (_ port: Int, _ authority: String, NIOLockedValueBox<Int>) async throws -> Void
    ) async throws {
        let authority = FileManager.default.temporaryDirectory.path + "/ca-\(UUID().uuidString).pem"
        defer { try? FileManager.default.removeItem(atPath: authority) }
        try Data(Certificates.authority.utf8).write(to: URL(fileURLWithPath: authority))
        let configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMBytes(Array(row.pair.certificate.utf8)).map {
                .certificate($0)
            },
            privateKey: .privateKey(try NIOSSLPrivateKey(bytes: Array(row.pair.key.utf8), format: .pem)))
        let context = try NIOSSLContext(configuration: configuration)
        let requests = NIOLockedValueBox(0)
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers([
                        NIOSSLServerHandler(context: context), Node(requests),
                    ])
                }
            }.bind(host: "127.0.0.1", port: 0).get()
        try await body(try #require(server.localAddress?.port), authority, requests)
        try await server.close()
    }

    @Test("requests", arguments: servers)
    func requests(_ row: Server) async throws {
        try await withServer(row) { port, authority, requests in
            let transport = try HTTPTransport(certificateAuthority: authority)
            let endpoint = try RPCEndpoint(http: "https://\(row.host):\(port)/")
            do throws(RPCError) {
                _ = try await transport.post(
                    RPCCodec.encode([RPCCall("x")], firstID: 1), to: endpoint, timeout: .seconds(30),
                    answerLimit: 1 << 20)
                #expect(row.failure == nil)
            } catch {
                #expect(error.description.contains(row.failure ?? "nothing"), "\(error)")
            }
            #expect(requests.withLockedValue { $0 } == (row.failure == nil ? 1 : 0))
            await transport.shutdown()
        }
    }

    @Test("wake-ups", arguments: servers)
    func wakeUps(_ row: Server) async throws {
        try await withServer(row) { port, authority, requests in
            var settings = WakeUpSocket.Settings()
            settings.pause = .milliseconds(10)
            let wakes = AsyncStream<Void>.makeStream()
            let socket = WakeUpSocket(
                endpoint: try RPCEndpoint(webSocket: "wss://\(row.host):\(port)/ws"), certificateAuthority: authority,
                settings: settings, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
                onWake: { wakes.continuation.yield() })
            let task = Task { try await socket.run() }
            // Each attempt wakes, also one that failed.
            var attempts = 0
            for await _ in wakes.stream {
                attempts += 1
                if attempts == 3 || requests.withLockedValue({ $0 > 0 }) { break }
            }
            task.cancel()
            try await task.value
            #expect(requests.withLockedValue { $0 > 0 } == (row.failure == nil))
        }
    }

    @Test("a file that holds no certificate is an error that says so")
    func noAuthority() {
        #expect(throws: RPCError.self) { try HTTPTransport(certificateAuthority: "/nonexistent") }
    }
}
