// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import Sockets
import TLSClient
import Testing

@testable import ClusterBenchmarks

@Suite("The place where jobs post") struct ResultEndpointTests {
    /// A runner with a run under way, and its endpoint at a socket.
    private func serving(
        certificate: CertificateInForce? = nil,
        _ body: (_ socket: String, _ runner: BenchmarkRunner, _ secret: String) async throws -> Void
    ) async throws {
        let stage = try BenchmarkRunnerTests.Stage()
        let runner = try stage.runner { settings in
            settings.options.posting = .init(address: "head:3000", certificates: nil, trustsNodes: true)
        }
        defer { runner.close() }
        #expect(try await runner.begin([.machine]) == 1)
        let secret = try #require(try await runner.secret(ofRun: 1))
        let socket = "/tmp/sga-\(UUID().uuidString.prefix(8))/post.sock"
        defer { try? FileManager.default.removeItem(atPath: String(socket.dropLast(10))) }
        var settings = ResultEndpoint.Settings(
            address: .unix(try UnixSocketPath(socket), mode: 0o600), certificate: certificate)
        settings.guessDelay = .milliseconds(1)
        let (listening, come) = AsyncStream.makeStream(of: Void.self)
        let endpoint = ResultEndpoint(
            settings, runner: runner, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            onTrouble: { if $0 == nil { come.yield() } })
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await endpoint.run() }
            for await _ in listening { break }
            try await body(socket, runner, secret)
            group.cancelAll()
        }
    }

    /// Everything that is answered until the other side closes, or this much has come.
    private func exchange(_ socket: String, _ parts: [String]) async throws -> String {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(unixDomainSocketPath: socket) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            for part in parts {
                // Whoever is refused in the middle cannot write on.
                do { try await outbound.write(ByteBuffer(string: part)) } catch { break }
            }
            var text = ""
            do {
                for try await part in inbound {
                    text += String(buffer: part)
                    if text.contains("\r\n\r\n"), text.hasSuffix("\n"), text.contains(" 200 ") { break }
                }
            } catch is IOError {}
            return text
        }
    }

    private func post(_ body: String, secret: String?, path: String = "/benchmark/1/1", method: String = "POST")
        -> String
    {
        let authorization = secret.map { "Authorization: Bearer \($0)\r\n" } ?? ""
        return
            "\(method) \(path) HTTP/1.1\r\nHost: head\r\n\(authorization)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    @Test("taken, taken again, refused, too large, elsewhere: each is answered and counted")
    func answers() async throws {
        try await serving { socket, runner, secret in
            let block = ResultBlocksTests.block("machine", MachineFactsTests.rome, token: secret)
            #expect(try await exchange(socket, [post(block, secret: secret)]).hasSuffix("1 taken, 0 known\n"))
            #expect(try await exchange(socket, [post(block, secret: secret)]).hasSuffix("0 taken, 1 known\n"))
            let put = post(block, secret: secret, method: "PUT")
            #expect(try await exchange(socket, [put]).contains(" 200 "))
            for wrong in [nil, "", "x", String(repeating: "0", count: 32), secret + "0"] {
                #expect(try await exchange(socket, [post(block, secret: wrong)]).contains(" 401 "))
            }
            #expect(try await exchange(socket, [post(block, secret: secret, path: "/benchmark/2/1")]).contains(" 401 "))
            #expect(try await exchange(socket, [post(block, secret: secret, path: "/benchmark/1/2")]).contains(" 409 "))
            #expect(try await exchange(socket, [post("", secret: secret, path: "/status")]).contains(" 404 "))
            #expect(try await exchange(socket, [post("", secret: secret, method: "DELETE")]).contains(" 405 "))
            let broken = post(String(block.dropLast(10)), secret: secret)
            #expect(try await exchange(socket, [broken]).contains(" 400 "))
            // By its own word, before a byte of it is read; and without one.
            let said =
                "POST /benchmark/1/1 HTTP/1.1\r\nHost: head\r\nAuthorization: Bearer \(secret)\r\nContent-Length: 1073741824\r\n\r\n"
            #expect(try await exchange(socket, [said]).contains(" 413 "))
            let piece = String(repeating: "x", count: 1 << 20)
            let chunk = "100000\r\n\(piece)\r\n"
            let unsaid =
                "POST /benchmark/1/1 HTTP/1.1\r\nHost: head\r\nAuthorization: Bearer \(secret)\r\nTransfer-Encoding: chunked\r\n\r\n"
            _ = try await exchange(socket, [unsaid] + Array(repeating: chunk, count: 8))
            let counts = runner.postCounts
            #expect(counts[.taken] == 1 && counts[.repeated] == 2 && counts[.refused] == 6, "\(counts)")
            #expect(counts[.tooLarge] == 2 && counts[.late] == 1 && counts[.malformed] == 3, "\(counts)")
        }
    }

    @Test("its own certificate: by the name that jobs are told, and by no other")
    func ownCertificate() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "own-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appending(path: "benchmark.pem").path
        let own = try OwnCertificate(path: path, host: "head.example.org")
        let files = ServerCertificate(chain: path, key: path)
        let certificate = try CertificateInForce(try files.configuration())
        let other = try OwnCertificate(path: path + "2", host: "head.example.org")
        try await serving(certificate: certificate) { socket, _, secret in
            for (trusted, name, isGood) in [
                (own, "head.example.org", true), (own, "other.example.org", false), (other, "head.example.org", false),
            ] {
                var client = TLSConfiguration.makeClientConfiguration()
                client.trustRoots = .certificates(
                    [try NIOSSLCertificate(bytes: Array(trusted.certificate.utf8), format: .pem)])
                let context = try NIOSSLContext(configuration: client)
                let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                    .connect(unixDomainSocketPath: socket) { channel in
                        channel.eventLoop.makeCompletedFuture {
                            try channel.pipeline.syncOperations.addHandler(
                                try NIOSSLClientHandler(context: context, serverHostname: name))
                            return try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                        }
                    }
                let text = try? await channel.executeThenClose { inbound, outbound in
                    try await outbound.write(ByteBuffer(string: post("", secret: secret, path: "/status")))
                    var text = ""
                    for try await part in inbound { text += String(buffer: part) }
                    return text
                }
                #expect((text?.contains(" 404 ") ?? false) == isGood, "\(name): \(text ?? "nothing")")
            }
        }
    }

    @Test("a certificate stays while it is good, and is made again where it is not")
    func keptCertificate() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "own-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appending(path: "benchmark.pem").path
        let first = try OwnCertificate(path: path, host: "10.0.0.1")
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        #expect(try OwnCertificate(path: path, host: "10.0.0.1").certificate == first.certificate)
        // Made while the clock was ahead, by a month as it is now: nobody would take it.
        let past = Int64(time(nil)) - 30 * 86_400
        let again = try OwnCertificate(path: path, host: "10.0.0.1", now: past)
        #expect(again.certificate != first.certificate)
        let named = try OwnCertificate(path: path, host: "head.example.org")
        #expect(named.certificate != first.certificate)
        let years = Int64(time(nil)) + 19 * 365 * 86_400
        let late = try OwnCertificate(path: path, host: "head.example.org", now: years)
        #expect(late.certificate != named.certificate)
        for damage in ["", "# DNS:head.example.org\nnothing", "# DNS:head.example.org\n" + late.certificate] {
            try damage.write(toFile: path, atomically: true, encoding: .utf8)
            let again = try OwnCertificate(path: path, host: "head.example.org")
            #expect(again.certificate.hasPrefix("-----BEGIN CERTIFICATE-----") && again.certificate != late.certificate)
        }
        #expect(throws: BenchmarkError.self) { try OwnCertificate(path: "/nowhere/x.pem", host: "head") }
        #expect(OwnCertificate.alternative("fd00::1") == "IP:fd00::1")
        #expect(OwnCertificate.alternative("a,DNS:evil\n.org") == "DNS:aDNS:evil.org")
    }
}
