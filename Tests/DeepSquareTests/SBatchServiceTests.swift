// SPDX-License-Identifier: GPL-3.0-or-later

import Ethereum
import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import NIOConcurrencyHelpers
import TestCertificates
import Testing

@testable import DeepSquare
@testable import Ethereum

@Suite("Scripts from a service, over gRPC")
struct SBatchServiceTests {
    /// What it answers for the script, as protobuf bytes, or its refusal.
    enum Answer: Sendable {
        case bytes([UInt8])
        case refusal(GRPCCore.RPCError.Code)
    }

    private struct Plain: MessageSerializer, MessageDeserializer {
        func serialize<Bytes: GRPCContiguousBytes>(_ message: [UInt8]) throws -> Bytes { Bytes(message) }
        func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) throws -> [UInt8] {
            bytes.withUnsafeBytes { Array($0) }
        }
    }

    private struct Signer: TransactionSigner {
        var address: Address { provider }

        func sign(_ transaction: UnsignedTransaction) async throws(KeyError) -> SignedTransaction {
            throw KeyError(.failed, "no signer")
        }
        func sign(message: [UInt8]) async throws(KeyError) -> Signature {
            Signature(r: [UInt8](repeating: 1, count: 32), s: [UInt8](repeating: 1, count: 32), parity: 0)
        }
    }

    private static func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] {
        var length = bytes.count
        var field = [number << 3 | 2]
        while length > 127 {
            field.append(UInt8(length & 127) | 128)
            length >>= 7
        }
        return field + [UInt8(length)] + bytes
    }

    struct Case: CustomTestStringConvertible {
        var testDescription: String
        var answer: Answer
        var limit = 8 << 20
        /// nil: a script of this many bytes.
        var failure: SBatchService.Failure?
        var isPassing = false
        var bytes = 0
    }

    private static func script(_ count: Int) -> Answer { .bytes(field(1, [UInt8](repeating: 0x61, count: count))) }

    static let cases = [
        Case(testDescription: "small", answer: script(10), bytes: 10),
        Case(testDescription: "beyond the library's own limit", answer: script(6 << 20), bytes: 6 << 20),
        Case(testDescription: "as large as it may be", answer: script(8 << 20), bytes: 8 << 20),
        Case(
            testDescription: "too large", answer: script((8 << 20) + 10_000),
            failure: .unusable("the script is larger than \(8 << 20) bytes")),
        Case(
            testDescription: "too large for a small limit", answer: script(3 << 20), limit: 1 << 20,
            failure: .unusable("the script is larger than \(1 << 20) bytes")),
        Case(
            testDescription: "no UTF-8", answer: .bytes(field(1, [0x61, 0xff, 0xfe])),
            failure: .unusable("the script is not UTF-8")),
        Case(testDescription: "no protobuf", answer: .bytes([0x0a, 0x7f]), isPassing: true),
        Case(
            testDescription: "there is none", answer: .refusal(.notFound),
            failure: .notFound("the grid's sbatch service has no script for this job")),
        Case(testDescription: "limited", answer: .refusal(.resourceExhausted), isPassing: true),
        Case(testDescription: "its own trouble", answer: .refusal(.internalError), isPassing: true),
    ]

    @Test("the key rules, and what never will be a job is told from what is away", arguments: cases)
    func scripts(_ row: Case) async throws {
        try await Self.serve(row.answer, .plaintext) { port, settings in
            settings.security = .plaintext
            settings.scriptLimit = row.limit
            settings.sbatch = ServiceEndpoint(host: "127.0.0.1", port: port)
        } test: { service in
            do throws(SBatchService.Failure) {
                let script = try await service.script(for: hash(1), hash: "h", customer: customer)
                #expect(script.text.utf8.count == row.bytes)
            } catch {
                if row.isPassing {
                    if case .notNow = error {} else { Issue.record("\(error)") }
                } else {
                    #expect(error == row.failure)
                }
            }
        }
    }

    struct Server: CustomTestStringConvertible {
        var testDescription: String
        var pair: (certificate: String, key: String)
        var host = "127.0.0.1"
        /// nil: it is believed.
        var failure: String?
    }

    static let servers = [
        Server(testDescription: "by its address, as the default endpoint is", pair: Certificates.p256),
        Server(testDescription: "by its name", pair: Certificates.p256, host: "localhost"),
        Server(testDescription: "P-384", pair: Certificates.p384),
        Server(testDescription: "P-521", pair: Certificates.p521),
        Server(testDescription: "Ed25519", pair: Certificates.ed25519),
        Server(
            testDescription: "a CN alone", pair: Certificates.commonName, host: "localhost",
            failure: "no subjectAltName"),
        Server(
            testDescription: "another's certificate", pair: Certificates.elsewhere,
            failure: "does not name the host or IP address"),
    ]

    @Test("TLS", arguments: servers, [false, true])
    func secure(_ row: Server, _ isInsecure: Bool) async throws {
        let folder = try TemporaryFolder()
        let authority = folder.path + "/ca.pem"
        try Data(Certificates.authority.utf8).write(to: URL(fileURLWithPath: authority))
        let security = HTTP2ServerTransport.Posix.TransportSecurity.tls(
            certificateChain: [.bytes(Array(row.pair.certificate.utf8), format: .pem)],
            privateKey: .bytes(Array(row.pair.key.utf8), format: .pem))
        try await Self.serve(Self.script(10), security) { port, settings in
            settings.security = isInsecure ? .unverified : .verified(certificateAuthority: authority)
            settings.sbatch = ServiceEndpoint(host: row.host, port: port)
        } test: { service in
            do throws(GridError) {
                try await service.probe()
                #expect(row.failure == nil || isInsecure)
            } catch {
                #expect(!isInsecure && error.description.contains(row.failure ?? "nothing"), "\(error)")
            }
        }
    }

    private static func serve(
        _ answer: Answer, _ security: HTTP2ServerTransport.Posix.TransportSecurity,
        settings change: (Int, inout GridSettings) -> Void, test: (SBatchService) async throws -> Void
    ) async throws {
        var router = RPCRouter<HTTP2ServerTransport.Posix>()
        router.registerHandler(
            forMethod: Sbatchapi_V1alpha1_AuthAPI.Method.Challenge.descriptor, deserializer: Plain(),
            serializer: Plain()
        ) { _, _ in
            StreamingServerResponse { writer in
                try await writer.write(Self.field(1, [1, 2, 3]))
                return [:]
            }
        }
        router.registerHandler(
            forMethod: Sbatchapi_V1alpha1_SBatchAPI.Method.GetSBatch.descriptor, deserializer: Plain(),
            serializer: Plain()
        ) { _, _ in
            switch answer {
            case .refusal(let code): throw GRPCCore.RPCError(code: code, message: "no")
            case .bytes(let bytes):
                return StreamingServerResponse { writer in
                    try await writer.write(bytes)
                    return [:]
                }
            }
        }
        let transport = HTTP2ServerTransport.Posix(
            address: .ipv4(host: "127.0.0.1", port: 0), transportSecurity: security)
        let server = GRPCServer(transport: transport, router: router)
        let serving = Task { try await server.serve() }
        let port = try #require(try await transport.listeningAddress.ipv4?.port)
        var settings = GridSettings()
        change(port, &settings)
        let service = try SBatchService(settings, signer: Signer(), timeout: .seconds(60))
        let running = Task { try await service.run() }
        try await test(service)
        service.end()
        server.beginGracefulShutdown()
        running.cancel()
        serving.cancel()
    }
}
