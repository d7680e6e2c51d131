// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import NIOConcurrencyHelpers

@testable import Ethereum

/// A chain with one account behind one node, which is late with one of its methods once, or for some time.
final class LateChain: Sendable {
    enum Lateness: String, CaseIterable, Sendable {
        /// No connection, once.
        case failsOnce
        /// No answer; a transaction is in the pool a block later.
        case lateEffect
        /// The answer takes three blocks: it is true of when it was asked for.
        case lateAnswer
        /// No answer a few times, then right.
        case slowThenRight
    }

    struct Rule: Sendable {
        var method: String
        var lateness: Lateness
    }

    private struct State {
        var head: UInt64 = 100
        var pool: [SignedTransaction] = []
        /// Sent, and not in the pool yet.
        var onTheWay: [SignedTransaction] = []
        var mined: [(transaction: SignedTransaction, block: UInt64)] = []
        var calls: [String: Int] = [:]
        var isFull = false
        var underWay = 0
    }

    private let box = NIOLockedValueBox(State())
    private let rule: Rule?

    init(_ rule: Rule?) { self.rule = rule }

    /// Nothing is mined while it is.
    var isFull: Bool {
        get { box.withLockedValue { $0.isFull } }
        set { box.withLockedValue { $0.isFull = newValue } }
    }

    var mined: [SignedTransaction] { box.withLockedValue { $0.mined.map(\.transaction) } }
    var isAsked: Bool { box.withLockedValue { $0.underWay > 0 } }

    func losePool() { box.withLockedValue { $0.pool = [] } }

    func mine() {
        box.withLockedValue { state in
            state.head += 1
            // Of two of one nonce the dearer one is first.
            while !state.isFull, let next = state.pool.last(where: { $0.unsigned.nonce == UInt64(state.mined.count) }) {
                state.mined.append((next, state.head))
                state.pool.removeAll { $0.unsigned.nonce == next.unsigned.nonce }
            }
            for transaction in state.onTheWay { Self.take(transaction, &state) }
            state.onTheWay = []
        }
    }

    private static func take(_ transaction: SignedTransaction, _ state: inout State) {
        guard transaction.unsigned.nonce >= UInt64(state.mined.count),
            !state.pool.contains(where: { $0.hash == transaction.hash })
        else { return }
        state.pool.append(transaction)
    }

    func post(_ body: [UInt8]) throws(RPCError) -> [UInt8] {
        guard let question = try? JSONValue(parsing: body) else { throw RPCError(.malformed, "the test asks no JSON") }
        let calls = question.array ?? [question]
        box.withLockedValue { $0.underWay += 1 }
        defer { box.withLockedValue { $0.underWay -= 1 } }
        let number = box.withLockedValue { state -> Int? in
            guard let rule, calls.contains(where: { $0["method"]?.text == rule.method }) else { return nil }
            defer { state.calls[rule.method, default: 0] += 1 }
            return state.calls[rule.method, default: 0]
        }
        let none = RPCError(.unreachable, "no answer")
        switch (rule?.lateness, number) {
        case (.failsOnce, 0): throw none
        case (.lateEffect, 0):
            box.withLockedValue { $0.onTheWay += calls.compactMap(Self.transaction) }
            throw none
        case (.slowThenRight, let number?) where number < 4: throw none
        default: break
        }
        let answers = calls.map { call -> JSONValue in
            let id = call["id"] ?? .null
            switch answer(call) {
            case .success(let value): return .object(["id": id, "result": value])
            case .failure(let error):
                return .object([
                    "id": id, "error": .object(["code": .integer(-32000), "message": .string(error.message)]),
                ])
            }
        }
        if rule?.lateness == .lateAnswer, number == 0 { for _ in 0..<3 { mine() } }
        return (try? Array(JSONEncoder().encode(question.array == nil ? answers[0] : .array(answers)))) ?? []
    }

    private static func transaction(_ call: JSONValue) -> SignedTransaction? {
        guard call["method"]?.text == "eth_sendRawTransaction",
            let raw = call["params"]?.array?.first?.text.flatMap({ Hex.decode($0) })
        else { return nil }
        return try? SignedTransaction(decoding: raw)
    }

    private struct Refusal: Error { var message: String }

    private func answer(_ call: JSONValue) -> Result<JSONValue, Refusal> {
        let parameters = call["params"]?.array ?? []
        return box.withLockedValue { state -> Result<JSONValue, Refusal> in
            switch call["method"]?.text {
            case "eth_chainId": return .success(.string("0x539"))
            case "eth_getBlockByNumber":
                let number = parameters.first?.text.flatMap(Quantity.decode64) ?? state.head
                return .success(number <= state.head ? Self.block(number, state) : .null)
            case "eth_getTransactionCount": return .success(.string(Quantity.encode(UInt64(state.mined.count))))
            case "eth_getBalance": return .success(.string("0xde0b6b3a7640000"))
            case "eth_gasPrice", "eth_maxPriorityFeePerGas": return .success(.string("0x1"))
            case "eth_sendRawTransaction":
                guard let transaction = Self.transaction(call) else { return .failure(Refusal(message: "bad")) }
                if transaction.unsigned.nonce < UInt64(state.mined.count) {
                    return .failure(Refusal(message: "nonce too low"))
                }
                if state.pool.contains(where: { $0.hash == transaction.hash }) {
                    return .failure(Refusal(message: "already known"))
                }
                Self.take(transaction, &state)
                return .success(.string("\(transaction.hash)"))
            case "eth_getTransactionReceipt":
                guard let found = state.mined.first(where: { .string("\($0.transaction.hash)") == parameters.first })
                else { return .success(.null) }
                return .success(
                    .object([
                        "transactionHash": .string("\(found.transaction.hash)"),
                        "blockNumber": .string(Quantity.encode(found.block)),
                        "blockHash": .string("\(Stage.hash(found.block))"), "status": .string("0x1"),
                        "gasUsed": .string("0x5208"), "logs": .array([]),
                    ]))
            default: return .failure(Refusal(message: "the method does not exist"))
            }
        }
    }

    private static func block(_ number: UInt64, _ state: State) -> JSONValue {
        let mined = state.mined.filter { $0.block == number }.map { entry -> JSONValue in
            .object([
                "hash": .string("\(entry.transaction.hash)"), "from": .string(Stage.key.address.hex),
                "nonce": .string(Quantity.encode(entry.transaction.unsigned.nonce)),
            ])
        }
        return .object([
            "number": .string(Quantity.encode(number)), "hash": .string("\(Stage.hash(number))"),
            "parentHash": .string("\(Stage.hash(number - 1))"), "timestamp": .string("0x1"),
            "gasLimit": .string("0x1c9c380"), "baseFeePerGas": .string("0x1"), "transactions": .array(mined),
        ])
    }
}

/// A process's way to the chain; one that is dead reaches it no more.
final class LateLine: RPCTransport {
    private let chain: LateChain
    private let isDead = NIOLockedValueBox(false)

    init(_ chain: LateChain) { self.chain = chain }

    func die() { isDead.withLockedValue { $0 = true } }

    func post(
        _ body: [UInt8], to endpoint: RPCEndpoint, timeout: Duration, answerLimit: Int
    ) async throws(RPCError) -> [UInt8] {
        if isDead.withLockedValue({ $0 }) { throw RPCError(.unreachable, "nobody asks any more") }
        return try chain.post(body)
    }
}
