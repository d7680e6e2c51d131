// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import NIOConcurrencyHelpers

@testable import Ethereum

/// Nodes of one chain, each as odd as it is told to be, and all that they were asked.
final class ScriptedNodes: RPCTransport {
    struct Node: Sendable {
        /// It answers nothing.
        var isAway = false
        /// Its newest block, when it is not the chain's.
        var head: UInt64?
        /// What it says of its newest block, and no block of it.
        var claims: UInt64?
        /// Blocks whose logs it gives at once, and what it says to more.
        var range: UInt64 = .max
        var rangeError = ScriptedNodes.error(-32000, "no")
        /// As a whole answer, or under a status.
        var rangeStatus: Int?
        var takesBlockHash = true
        /// Calls in a batch, and what it says to more.
        var batch = Int.max
        var batchError = ScriptedNodes.error(-32600, "no")
        var batchAnswer = BatchAnswer.one
        /// Fields of a block that it leaves out.
        var leavesOut: Set<String> = []
        /// What its logsBloom says of blocks with logs.
        var bloomLies = false

        enum BatchAnswer: Sendable {
            /// One error for all, with no id.
            case one
            /// An array of one error, with the first call's id, as geth has it.
            case first
            /// An HTTP status.
            case status(Int)
        }
    }

    struct World: Sendable {
        var head: UInt64
        /// Blocks from here on are another fork's.
        var forkAt: UInt64 = .max
        /// How many logs of the contract a block has.
        var logs: [UInt64: Int] = [:]
        var nodes: [String: Node]
        /// Host, methods of one request.
        var asked: [(host: String, methods: [String])] = []
        /// Of eth_getLogs by number: how many blocks.
        var ranges: [UInt64] = []
    }

    let world: NIOLockedValueBox<World>

    init(head: UInt64, logs: [UInt64: Int] = [:], _ nodes: [String: Node]) {
        world = NIOLockedValueBox(World(head: head, logs: logs, nodes: nodes))
    }

    static func error(_ code: Int64, _ message: String) -> JSONValue {
        .object(["code": .integer(code), "message": .string(message)])
    }

    func change(_ body: (inout World) -> Void) { world.withLockedValue(body) }
    var requests: Int { world.withLockedValue { $0.asked.count } }
    var calls: Int { world.withLockedValue { $0.asked.reduce(0) { $0 + $1.methods.count } } }
    func requests(to host: String) -> Int { world.withLockedValue { $0.asked.count { $0.host == host } } }

    func post(
        _ body: [UInt8], to endpoint: RPCEndpoint, timeout: Duration, answerLimit: Int
    ) async throws(RPCError) -> [UInt8] {
        guard let question = try? JSONValue(parsing: body) else { throw RPCError(.malformed, "the test asks no JSON") }
        let calls = question.array ?? [question]
        var world = world.withLockedValue { world in
            world.asked.append((endpoint.host, calls.map { $0["method"]?.text ?? "" }))
            return world
        }
        guard let node = world.nodes[endpoint.host], !node.isAway else { throw RPCError(.unreachable, "nobody there") }
        if question.array != nil, calls.count > node.batch {
            switch node.batchAnswer {
            case .one: return Self.bytes(.object(["id": .null, "error": node.batchError]))
            case .first:
                return Self.bytes(.array([.object(["id": calls[0]["id"] ?? .null, "error": node.batchError])]))
            case .status(let status): throw RPCError(.http(status), "HTTP \(status)")
            }
        }
        var answers: [JSONValue] = []
        for call in calls {
            let result = answer(call["method"]?.text ?? "", call["params"]?.array ?? [], node, &world)
            if case .failure(let error) = result, let status = node.rangeStatus, calls.count == 1 || error["all"] != nil
            {
                throw RPCError(.http(status), "HTTP \(status)")
            }
            switch result {
            case .success(let value): answers.append(.object(["id": call["id"] ?? .null, "result": value]))
            case .failure(let error): answers.append(.object(["id": call["id"] ?? .null, "error": error.error]))
            }
        }
        let ranges = world.ranges
        self.world.withLockedValue { $0.ranges = ranges }
        return Self.bytes(question.array == nil ? answers[0] : .array(answers))
    }

    private static func bytes(_ value: JSONValue) -> [UInt8] { (try? Array(JSONEncoder().encode(value))) ?? [] }

    private func answer(
        _ method: String, _ parameters: [JSONValue], _ node: Node, _ world: inout World
    ) -> Result<JSONValue, Refusal> {
        let head = node.head ?? world.head
        switch method {
        case "eth_chainId": return .success(.string("0x7"))
        case "eth_blockNumber": return .success(.string(Quantity.encode(head)))
        case "eth_getBlockByNumber":
            if parameters.first?.text == "latest" { return .success(block(node.claims ?? head, node, world)) }
            guard let number = parameters.first?.text.flatMap(Quantity.decode64), number <= head else {
                return .success(.null)
            }
            return .success(block(number, node, world))
        case "eth_getLogs": return logs(parameters.first ?? .null, head, node, &world)
        default: return .failure(Refusal(Self.error(-32601, "the method does not exist")))
        }
    }

    struct Refusal: Error {
        var error: JSONValue
        init(_ error: JSONValue) { self.error = error }
        subscript(key: String) -> JSONValue? { error[key] }
    }

    static func hash(_ number: UInt64, _ world: World) -> Hash32 {
        Stage.hash(number, fork: number >= world.forkAt ? 1 : 0)
    }

    private func block(_ number: UInt64, _ node: Node, _ world: World) -> JSONValue {
        let hasLogs = world.logs[number] != nil && !node.bloomLies
        var bloom = [UInt8](repeating: 0, count: 256)
        bloom[0] = 1
        var fields: [String: JSONValue] = [
            "number": .string(Quantity.encode(number)), "hash": .string("\(Self.hash(number, world))"),
            "parentHash": .string("\(Self.hash(number &- 1, world))"), "timestamp": .string(Quantity.encode(number)),
            "gasLimit": .string("0x1c9c380"), "baseFeePerGas": .null, "transactions": .array([.string("0x")]),
            "logsBloom": .string(hasLogs ? "0x" + String(repeating: "ff", count: 256) : Hex.data(bloom)),
        ]
        for name in node.leavesOut { fields[name] = nil }
        return .object(fields)
    }

    private func logs(
        _ query: JSONValue, _ head: UInt64, _ node: Node, _ world: inout World
    ) -> Result<JSONValue, Refusal> {
        let blocks: ClosedRange<UInt64>
        if let hash = query["blockHash"]?.text {
            guard node.takesBlockHash else { return .failure(Refusal(Self.error(-32602, "invalid params"))) }
            let chain = world
            guard let number = (0...head).last(where: { "\(Self.hash($0, chain))" == hash }) else {
                return .failure(Refusal(Self.error(-32000, "unknown block")))
            }
            blocks = number...number
        } else {
            let first = query["fromBlock"]?.text.flatMap(Quantity.decode64) ?? 0
            let last = query["toBlock"]?.text.flatMap(Quantity.decode64) ?? 0
            guard first <= last else { return .failure(Refusal(Self.error(-32000, "invalid range"))) }
            world.ranges.append(last - first + 1)
            guard last - first < node.range else { return .failure(Refusal(node.rangeError)) }
            blocks = first...max(first, min(last, head))
        }
        let chain = world
        let found = blocks.flatMap { number in
            (0..<(chain.logs[number] ?? 0)).map { index -> JSONValue in
                .object([
                    "address": .string(Stage.contract.hex), "topics": .array([.string("\(Hash32.zero)")]),
                    "data": .string("0x"), "blockNumber": .string(Quantity.encode(number)),
                    "blockHash": .string("\(Self.hash(number, chain))"),
                    "transactionHash": .string("\(Stage.hash(number * 100 + UInt64(index)))"),
                    "logIndex": .string("0x0"),
                ])
            }
        }
        return .success(.array(found))
    }
}
