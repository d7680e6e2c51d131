// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import GRDB
internal import Persistence

extension ChainStore {
    /// An intent of this key, and its outcome when it is over.
    func intent(_ key: String) async throws(ChainStoreError) -> (TransactionIntent, TransactionOutcome?)? {
        try await read { database in
            guard let row = try Row.fetchOne(database, sql: Self.intentColumns + " WHERE key = ?", arguments: [key])
            else {
                return nil
            }
            return (try Self.pending(row).intent, try Self.outcome(row))
        }
    }

    static func words(_ outcome: TransactionOutcome) -> (String, String?) {
        let word =
            switch outcome {
            case .succeeded: "succeeded"
            case .reverted: "reverted"
            case .cancelled: "cancelled"
            }
        let json = outcome.receipt.flatMap { try? JSONEncoder().encode($0.json) }
        return (word, json.map { String(decoding: $0, as: UTF8.self) })
    }

    static func outcome(_ row: Row) throws -> TransactionOutcome? {
        guard let word: String = row["outcome"] else { return nil }
        if word == "cancelled" { return .cancelled }
        guard let text: String = row["receipt"],
            let receipt = try TransactionReceipt.read(JSONValue(parsing: text.utf8))
        else { throw ChainStoreError(.failed, "the chain's ledger holds an outcome that cannot be read") }
        return word == "succeeded" ? .succeeded(receipt) : .reverted(receipt)
    }

    /// One line of `chain tx list`.
    public struct ListedTransaction: Codable, Sendable, Hashable {
        public var key: String
        public var className: String
        /// waiting, sent, succeeded, reverted, cancelled
        public var state: String
        public var recipient: String
        public var call: String
        /// Of the last attempt.
        public var nonce: UInt64?
        /// Of each transaction that was signed for it, the last one first.
        public var hashes: [String]
        public var gasLimit: UInt64?
        public var gasUsed: UInt64?
        public var block: UInt64?
        /// Unix seconds.
        public var madeAt: Double
        public var endedAt: Double?
    }

    /// Whether a transaction of this hash was made here.
    public func knows(_ transaction: Hash32) async throws(ChainStoreError) -> Bool {
        try await read { database in
            try Int.fetchOne(
                database, sql: "SELECT 1 FROM transactions WHERE hash = ?", arguments: [Data(transaction.bytes)]) != nil
        }
    }

    /// - Parameters:
    ///   - key: only this one.
    ///   - onlyOpen: only those that are not over.
    public func list(
        key: String? = nil, onlyOpen: Bool = false, limit: Int = 100
    ) async throws(ChainStoreError) -> [ListedTransaction] {
        try await read { database in
            let (condition, arguments): (String, StatementArguments) =
                if let key {
                    (onlyOpen ? "key = ? AND state < 2" : "key = ?", [key, limit])
                } else if onlyOpen {
                    ("id IN (SELECT id FROM intents INDEXED BY intents_open WHERE state < 2)", [limit])
                } else {
                    ("id > 0", [limit])
                }
            return try Row.fetchAll(
                database, sql: Self.intentColumns + " WHERE \(condition) ORDER BY id DESC LIMIT ?", arguments: arguments
            ).map { row in
                let attempt = try Row.fetchOne(
                    database, sql: "SELECT id, nonce, gas FROM attempts WHERE intent = ? ORDER BY id DESC LIMIT 1",
                    arguments: [row["id"] as Int64])
                let hashes = try Data.fetchAll(
                    database,
                    sql: """
                        SELECT t.hash FROM transactions t JOIN attempts a ON a.id = t.attempt WHERE a.intent = ?
                        ORDER BY t.id DESC
                        """,
                    arguments: [row["id"] as Int64])
                let outcome = try Self.outcome(row)
                let recipient: Data = row["recipient"]
                return ListedTransaction(
                    key: row["key"], className: row["class"],
                    state: row["outcome"] ?? (row["state"] as Int == 0 ? "waiting" : "sent"),
                    recipient: Address(recipient)?.checksummed ?? "", call: row["call"],
                    nonce: (attempt?["nonce"] as Int64?).map(UInt64.init), hashes: hashes.map { Hex.data($0) },
                    gasLimit: (attempt?["gas"] as Int64?).map(UInt64.init), gasUsed: outcome?.receipt?.gasUsed,
                    block: outcome?.receipt?.block.number, madeAt: row["made_at"], endedAt: row["ended_at"])
            }
        }
    }
}

extension TransactionReceipt {
    /// As a node gives it.
    var json: JSONValue {
        var fields: [String: JSONValue] = [
            "transactionHash": .string("\(transaction)"), "blockHash": .string("\(block.hash)"),
            "blockNumber": .string(Quantity.encode(block.number)), "status": .string(succeeded ? "0x1" : "0x0"),
            "gasUsed": .string(Quantity.encode(gasUsed)), "logs": .array(logs.map(\.json)),
        ]
        if let gasPrice { fields["effectiveGasPrice"] = .string(Quantity.encode(gasPrice)) }
        if let contract { fields["contractAddress"] = .string(contract.hex) }
        return .object(fields)
    }
}

extension ChainLog {
    var json: JSONValue {
        .object([
            "address": .string(address.hex), "topics": .array(topics.map { .string("\($0)") }),
            "data": .string(Hex.data(data)),
            "blockNumber": .string(Quantity.encode(block.number)), "blockHash": .string("\(block.hash)"),
            "transactionHash": .string("\(transaction)"), "logIndex": .string(Quantity.encode(index)),
        ])
    }
}
