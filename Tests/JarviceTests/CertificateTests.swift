// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import JobLifecycle
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import Sockets
import TLSClient
import TestCertificates
import Testing

@testable import Jarvice

@Suite("The certificate that upstream is shown")
struct CertificateTests {
    private func configuration(_ pair: (certificate: String, key: String)) throws -> TLSConfiguration {
        TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMBytes(Array(pair.certificate.utf8)).map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(bytes: Array(pair.key.utf8), format: .pem)))
    }

    /// A connection, and what it was shown.
    private func connect(_ path: String) async throws -> (channel: any Channel, shown: NIOSSLCertificate) {
        let group = MultiThreadedEventLoopGroup.singleton
        let shown = group.any().makePromise(of: NIOSSLCertificate.self)
        let context = try NIOSSLContext(configuration: .makeClientConfiguration())
        let channel = try await ClientBootstrap(group: group)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let handler = try NIOSSLClientHandler(
                        context: context, serverHostname: nil,
                        customVerificationCallback: { certificates, promise in
                            if let leaf = certificates.first { shown.succeed(leaf) }
                            promise.succeed(.certificateVerified)
                        })
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }.connect(unixDomainSocketPath: path).get()
        // Whatever ends without a certificate was shown none.
        channel.closeFuture.whenComplete { _ in shown.fail(ChannelError.eof) }
        return (channel, try await shown.futureResult.get())
    }

    @Test("a changed one counts from the next connection on, and one that is wrong changes nothing")
    func changed() async throws {
        let folder = FileManager.default.temporaryDirectory.path + "/door-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/socket"
        let certificate = try CertificateInForce(try configuration(Certificates.p256))
        let site = try GatewaySite()
        let (opened, open) = AsyncStream.makeStream(of: String?.self)
        let server = CallServer(
            .init(
                address: .unix(try UnixSocketPath(path), mode: 0o600), access: ServerAccess(key: nil),
                certificate: certificate),
            gateway: site.gateway, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            onTrouble: { open.yield($0) })
        let task = Task { try await server.run() }
        for await trouble in opened {
            try #require(trouble == nil)
            break
        }
        let (old, new) = (try leaf(Certificates.p256), try leaf(Certificates.p384))
        let first = try await connect(path)
        #expect(first.shown == old)
        try certificate.change(try configuration(Certificates.p384))
        let second = try await connect(path)
        #expect(second.shown == new)
        #expect(throws: (any Error).self) {
            try certificate.change(try configuration((Certificates.p256.certificate, Certificates.p384.key)))
        }
        let third = try await connect(path)
        #expect(third.shown == new)
        for connection in [first, second, third] { try? await connection.channel.close() }
        task.cancel()
        _ = await task.result
        site.ledger.close()
        try? FileManager.default.removeItem(at: site.folder)
    }

    private func leaf(_ pair: (certificate: String, key: String)) throws -> NIOSSLCertificate {
        try #require(try NIOSSLCertificate.fromPEMBytes(Array(pair.certificate.utf8)).first)
    }
}
