// SPDX-License-Identifier: GPL-3.0-or-later

import Ethereum
import Foundation
import JobLifecycle
import Logging
import NIOConcurrencyHelpers

@testable import DeepSquare

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// Twenty times the same byte.
func address(_ byte: UInt8) -> Address {
    Address([UInt8](repeating: byte, count: 20)) ?? .zero
}

func hash(_ number: UInt64) -> Hash32 {
    Hash32([UInt8](repeating: 0, count: 24) + withUnsafeBytes(of: number.bigEndian, Array.init))
}

let customer = address(0x11)
let provider = address(0x22)
let contracts = GridContracts(
    metaScheduler: address(0xa1), jobs: address(0xa2), providers: address(0xa3), queues: address(0xa4),
    credit: address(0xa5), constants: address(0xa6))
let definition = JobDefinition(gpus: 1, memoryPerCPU: 1000, cpusPerTask: 4, tasks: 2, batchLocationHash: "hash123")

/// A folder that goes with the value.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/deepsquare-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    var file: String { path + "/deepsquare.sqlite" }
}

/// A node, as a function from a call to its result or its error.
final class FakeNode: RPCTransport {
    typealias Answer = @Sendable (_ method: String, _ parameters: [JSONValue]) -> JSONValue?

    /// What it was asked, without the chain's id.
    let asked = NIOLockedValueBox<[String]>([])
    let answer: NIOLockedValueBox<Answer>

    /// - Parameter answer: nil is "no connection"; an object with `error` is the node's refusal.
    init(_ answer: @escaping Answer) {
        self.answer = NIOLockedValueBox(answer)
    }

    func post(
        _ body: [UInt8], to endpoint: RPCEndpoint, timeout: Duration, answerLimit: Int
    ) async throws(RPCError) -> [UInt8] {
        guard let question = try? JSONValue(parsing: body) else {
            throw RPCError(.malformed, "no JSON")
        }
        let answer = answer.withLockedValue { $0 }
        var parts: [JSONValue] = []
        for call in question.array ?? [question] {
            let method = call["method"]?.text ?? ""
            var fields: [String: JSONValue] = ["jsonrpc": .string("2.0"), "id": call["id"] ?? .null]
            if method == "eth_chainId" {
                fields["result"] = .string("0x539")
            } else if method == "eth_blockNumber", answer("eth_call", []) != nil {
                fields["result"] = .string(Self.block(answer(method, [])))
            } else {
                asked.withLockedValue { $0.append(method) }
                guard let result = answer(method, call["params"]?.array ?? []) else {
                    throw RPCError(.unreachable, "nobody there")
                }
                if let error = result["error"] { fields["error"] = error } else { fields["result"] = result }
            }
            parts.append(.object(fields))
        }
        return (try? Array(JSONEncoder().encode(question.array == nil ? parts[0] : .array(parts)))) ?? []
    }

    /// A script may say at which block its node is.
    private static func block(_ answer: JSONValue?) -> String {
        guard let text = answer?.text, text.utf8.count <= 18 else { return "0x3e8" }
        return text == "0x" ? "0x3e8" : text
    }

    func client() throws -> RPCClient {
        RPCClient(endpoints: [try RPCEndpoint(http: "http://node")], chainID: 1337, transport: self, logger: quiet)
    }

    static func revert(_ data: String) -> JSONValue {
        .object([
            "error": .object([
                "code": .integer(3), "message": .string("execution reverted"), "data": .string(data),
            ])
        ])
    }

    /// Blocks 0 … newest, one each so many seconds from a first time on.
    static func block(_ tag: JSONValue?, newest: UInt64, genesis: UInt64, seconds: UInt64) -> JSONValue {
        guard let text = tag?.text else { return .null }
        let number = text == "latest" ? newest : UInt64(text.dropFirst(2), radix: 16) ?? .max
        guard number <= newest else { return .null }
        func hex(_ value: UInt64) -> JSONValue { .string("0x" + String(value, radix: 16)) }
        return .object([
            "number": hex(number), "hash": .string("\(hash(number))"),
            "parentHash": .string("\(hash(number &- 1))"), "timestamp": hex(genesis + number * seconds),
            "gasLimit": hex(30_000_000),
        ])
    }
}
