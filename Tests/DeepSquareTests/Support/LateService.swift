// SPDX-License-Identifier: GPL-3.0-or-later

import GRPCCore
import GRPCNIOTransportHTTP2Posix
import NIOConcurrencyHelpers

@testable import DeepSquare
@testable import Ethereum

/// An sbatch service on a port of its own that answers as a test says, and when.
final class LateService: Sendable {
    enum Answer: Sendable {
        case script(String)
        case refusal(GRPCCore.RPCError.Code)
        /// Only once the test lets it; until then ``heldUp`` counts it.
        case held(String)
    }

    private struct State {
        var answers: [Answer]
        var asked = 0
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let box: NIOLockedValueBox<State>

    /// - Parameter answers: in their order; the last one goes on.
    init(_ answers: [Answer]) {
        box = NIOLockedValueBox(State(answers: answers))
    }

    var asked: Int { box.withLockedValue { $0.asked } }
    var heldUp: Int { box.withLockedValue { $0.waiting.count } }

    func letGo() {
        let waiting = box.withLockedValue { state in
            defer { state.waiting = [] }
            return state.waiting
        }
        waiting.forEach { $0.resume() }
    }

    private func next() -> Answer {
        box.withLockedValue { state in
            state.asked += 1
            return state.answers.count > 1 ? state.answers.removeFirst() : state.answers[0]
        }
    }

    /// - Parameter body: gets the port.
    func run(_ body: @escaping @Sendable (Int) async throws -> Void) async throws {
        var router = RPCRouter<HTTP2ServerTransport.Posix>()
        router.registerHandler(
            forMethod: Sbatchapi_V1alpha1_AuthAPI.Method.Challenge.descriptor, deserializer: PlainBytes(),
            serializer: PlainBytes()
        ) { _, _ in
            StreamingServerResponse { writer in
                try await writer.write(PlainBytes.field(1, [1, 2, 3]))
                return [:]
            }
        }
        router.registerHandler(
            forMethod: Sbatchapi_V1alpha1_SBatchAPI.Method.GetSBatch.descriptor, deserializer: PlainBytes(),
            serializer: PlainBytes()
        ) { [self] _, _ in
            let text: String
            switch next() {
            case .refusal(let code): throw GRPCCore.RPCError(code: code, message: "not now")
            case .script(let script): text = script
            case .held(let script):
                await withCheckedContinuation { continuation in
                    box.withLockedValue { $0.waiting.append(continuation) }
                }
                text = script
            }
            let bytes = PlainBytes.field(1, Array(text.utf8))
            return StreamingServerResponse { writer in
                try await writer.write(bytes)
                return [:]
            }
        }
        let transport = HTTP2ServerTransport.Posix(
            address: .ipv4(host: "127.0.0.1", port: 0), transportSecurity: .plaintext)
        let server = GRPCServer(transport: transport, router: router)
        try await withThrowingTaskGroup(of: Void.self, returning: Void.self) { group in
            group.addTask { try await server.serve() }
            do {
                try await body(try await transport.listeningAddress.ipv4?.port ?? 0)
            } catch {
                letGo()
                server.beginGracefulShutdown()
                group.cancelAll()
                throw error
            }
            letGo()
            server.beginGracefulShutdown()
            group.cancelAll()
        }
    }
}

/// Messages as they are on the wire.
struct PlainBytes: MessageSerializer, MessageDeserializer {
    func serialize<Bytes: GRPCContiguousBytes>(_ message: [UInt8]) throws -> Bytes { Bytes(message) }
    func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) throws -> [UInt8] {
        bytes.withUnsafeBytes { Array($0) }
    }

    /// A field of bytes or text, in protobuf.
    static func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] {
        var length = bytes.count
        var field = [number << 3 | 2]
        while length > 127 {
            field.append(UInt8(length & 127) | 128)
            length >>= 7
        }
        return field + [UInt8(length)] + bytes
    }
}
