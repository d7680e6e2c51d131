// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import TestCertificates
import Testing

@testable import TLSClient

@Suite("TLS with a server")
struct TLSClientTests {
    struct Case: CustomTestStringConvertible {
        var testDescription: String
        var pair: (certificate: String, key: String)
        var host = "127.0.0.1"
        var version = TLSVersion.tlsv13
        var trusts = true
        /// In what went wrong; nil: nothing did.
        var failure: String?
    }

    static let cases: [Case] =
        [TLSVersion.tlsv12, .tlsv13].flatMap { version in
            [
                ("P-256", Certificates.p256), ("P-384", Certificates.p384), ("P-521", Certificates.p521),
                ("Ed25519", Certificates.ed25519),
            ].flatMap { name, pair in
                [
                    Case(testDescription: "\(name), \(version), by its address", pair: pair, version: version),
                    Case(
                        testDescription: "\(name), \(version), by its name", pair: pair, host: "localhost",
                        version: version),
                ]
            }
        } + [
            Case(
                testDescription: "a CN alone, and it is the name", pair: Certificates.commonName, host: "localhost",
                failure: "its TLS certificate has a CN and no subjectAltName"),
            Case(
                testDescription: "a CN alone, by its address", pair: Certificates.commonName,
                failure: "its TLS certificate does not name the host or IP address"),
            Case(
                testDescription: "another address", pair: Certificates.elsewhere,
                failure: "its TLS certificate does not name the host or IP address"),
            Case(
                testDescription: "another name", pair: Certificates.elsewhere, host: "localhost",
                failure: "its TLS certificate does not name the host or IP address"),
            Case(
                testDescription: "another authority", pair: Certificates.p256, trusts: false,
                failure: "its TLS certificate cannot be verified"),
            Case(
                testDescription: "TLS 1.1", pair: Certificates.p256, version: .tlsv11, failure: "TLS"),
        ]

    @Test("keys and names", arguments: cases)
    func handshake(_ row: Case) async throws {
        let path = FileManager.default.temporaryDirectory.path + "/tls-\(UUID().uuidString).pem"
        defer { try? FileManager.default.removeItem(atPath: path) }
        // Another's leaf is no authority for anybody.
        let roots = row.trusts ? Certificates.authority : Certificates.p384.certificate
        try Data(roots.utf8).write(to: URL(fileURLWithPath: path))
        let client = try TLSClient(authority: path)
        let server = try await Self.server(row)
        defer { server.close(promise: nil) }
        let port = try #require(server.localAddress?.port)
        for _ in 0..<2 {
            let failure = await Self.connect(client, row.host, port)
            guard let words = row.failure else {
                #expect(failure == nil)
                continue
            }
            let text = try #require(failure)
            #expect((TLSClient.describe(text, key: "the.key") ?? text).contains(words), "\(text)")
        }
        // A library that connects by itself.
        guard row.pair.certificate == Certificates.commonName.certificate, row.host == "localhost" else { return }
        let context = try NIOSSLContext(configuration: client.configuration)
        let failure = await Self.connect(row.host, port) {
            try NIOSSLClientHandler(context: context, serverHostname: $0)
        }
        #expect(failure?.contains("no subjectAltName") == true)
    }

    @Test("who takes every certificate takes one without names")
    func unverified() async throws {
        let server = try await Self.server(Case(testDescription: "", pair: Certificates.commonName))
        defer { server.close(promise: nil) }
        let port = try #require(server.localAddress?.port)
        #expect(await Self.connect(try TLSClient(verifies: false), "127.0.0.1", port) == nil)
    }

    @Test(
        "addresses and names", arguments: [("127.0.0.1", true), ("::1", true), ("localhost", false), ("127.1", false)])
    func addresses(_ host: String, _ isAddress: Bool) { #expect(TLSClient.isAddress(host) == isAddress) }

    // MARK: both ends

    private static func server(_ row: Case) async throws -> any Channel {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMBytes(Array(row.pair.certificate.utf8)).map {
                .certificate($0)
            },
            privateKey: .privateKey(try NIOSSLPrivateKey(bytes: Array(row.pair.key.utf8), format: .pem)))
        configuration.minimumTLSVersion = row.version
        configuration.maximumTLSVersion = row.version
        configuration.curves = [.x25519, .secp256r1, .secp384r1, .secp521r1]
        let context = try NIOSSLContext(configuration: configuration)
        return try await ServerBootstrap(group: NIOSingletons.posixEventLoopGroup)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers([NIOSSLServerHandler(context: context), Greeter()])
                }
            }.bind(host: "127.0.0.1", port: 0).get()
    }

    /// Says a word once TLS is up.
    private final class Greeter: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if case .some(.handshakeCompleted) = event as? TLSUserEvent {
                context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "hello")), promise: nil)
            }
        }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }

    /// Waits for that word, or for what went wrong.
    private final class Listener: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        let done: EventLoopPromise<Void>
        init(_ done: EventLoopPromise<Void>) { self.done = done }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) { done.succeed() }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { done.fail(error) }
        func channelInactive(context: ChannelHandlerContext) { done.fail(ChannelError.eof) }
    }

    private static func connect(_ client: TLSClient, _ host: String, _ port: Int) async -> String? {
        await connect(host, port, checksAfterwards: false) { _ in try client.handler(host: host) }
    }

    private static func connect(
        _ host: String, _ port: Int, checksAfterwards: Bool = true,
        _ handler: @escaping @Sendable (String) throws -> NIOSSLClientHandler
    ) async -> String? {
        let loop = NIOSingletons.posixEventLoopGroup.next()
        let done = loop.makePromise(of: Void.self)
        do {
            let channel = try await ClientBootstrap(group: loop).channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers([handler(host), Listener(done)])
                }
            }.connect(host: "127.0.0.1", port: port).get()
            defer { channel.close(promise: nil) }
            try await done.futureResult.get()
            if checksAfterwards { try await TLSClient.checkNames(channel).get() }
            return nil
        } catch {
            done.fail(error)
            return "\(error)"
        }
    }
}
