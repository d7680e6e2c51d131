// SPDX-License-Identifier: GPL-3.0-or-later

internal import BigInt
public import FoundationEssentials
internal import GRDB

extension ChainStore {
    // MARK: binding

    /// Ties the file to an account on a chain. Another one than before is taken over only while nothing is open.
    public func bind(chainID: UInt64, account: Address) async throws(ChainStoreError) {
        let path = path
        try await write { database in
            let bound = try Self.meta(database, "account")
            let wanted = "\(chainID) \(account.hex)"
            if bound == wanted { return }
            if let bound {
                let open = try Int.fetchOne(database, sql: "SELECT count(*) FROM intents WHERE state < 2") ?? 0
                guard open == 0 else {
                    let parts = bound.split(separator: " ")
                    throw ChainStoreError(
                        .otherAccount,
                        "\(path) has \(open) open transactions of \(parts.last ?? "") on chain \(parts.first ?? ""), the agent is "
                            + "set up for \(account) on chain \(chainID): go back to that key and chain until they are done, "
                            + "or use another state folder")
                }
                try database.execute(
                    sql:
                        "DELETE FROM meta WHERE name IN ('nonce_floor', 'foreign', 'explained_block', 'settled_block', 'forgiven')"
                )
                try database.execute(sql: "DELETE FROM gas")
            }
            try Self.setMeta(database, "account", wanted)
        }
    }

    /// The chain of before; nil in a new file.
    public func boundChainID() async throws(ChainStoreError) -> UInt64? {
        try await read { try Self.meta($0, "account")?.split(separator: " ").first.flatMap { UInt64($0) } }
    }

    static func meta(_ database: Database, _ name: String) throws -> String? {
        try String.fetchOne(database, sql: "SELECT value FROM meta WHERE name = ?", arguments: [name])
    }

    static func setMeta(_ database: Database, _ name: String, _ value: String) throws {
        try database.execute(
            sql: "INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
            arguments: [name, value])
    }

    // MARK: writing

    func commit(_ changes: [TransactionMachine.Change], at now: Date) async throws(ChainStoreError) {
        guard !changes.isEmpty else { return }
        try await write { database in
            for change in changes { try Self.apply(change, now, database) }
        }
    }

    private static func apply(_ change: TransactionMachine.Change, _ now: Date, _ database: Database) throws {
        switch change {
        case .intent(let pending):
            let intent = pending.intent
            try database.execute(
                sql: """
                    INSERT INTO intents (id, key, class, recipient, value, data, call, gas, made_at)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    pending.id, intent.key, intent.className, Data(intent.recipient.bytes), "\(intent.value)",
                    Data(intent.data), intent.call, intent.gasLimit.map(Int64.init(clamping:)),
                    now.timeIntervalSince1970,
                ])
        case .wantsCancellation(let id):
            try database.execute(sql: "UPDATE intents SET cancel = 1 WHERE id = ?", arguments: [id])
        case .version(let attempt):
            try save(attempt, database)
        case .ended(let id, let nonce, let outcome):
            try endAttempt(nonce, database)
            let (word, receipt) = words(outcome)
            try database.execute(
                sql: "UPDATE intents SET state = 2, outcome = ?, receipt = ?, ended_at = ? WHERE id = ?",
                arguments: [word, receipt, now.timeIntervalSince1970, id])
        case .requeued(let pending, let nonce):
            try endAttempt(nonce, database)
            try database.execute(
                sql: "UPDATE intents SET state = 0, minimum_gas = ? WHERE id = ?",
                arguments: [Int64(clamping: pending.minimumGas), pending.id])
        case .nonceFloor(let floor):
            try setMeta(database, "nonce_floor", "\(floor)")
        case .explained(let block):
            try setMeta(database, "explained_block", "\(block)")
        case .settledBlock(let block):
            try setMeta(database, "settled_block", "\(block)")
        case .reopened(let id, let nonce):
            try database.execute(
                sql: "UPDATE attempts SET ended = 0 WHERE intent = ? AND nonce = ?",
                arguments: [id, Int64(clamping: nonce)])
            try database.execute(
                sql: "UPDATE intents SET state = 1, outcome = NULL, receipt = NULL, ended_at = NULL WHERE id = ?",
                arguments: [id])
        case .forgiven(let nonce):
            try setMeta(database, "forgiven", nonce.map { "\($0)" } ?? "")
        case .foreign(let nonces):
            try setMeta(database, "foreign", nonces.map(String.init).joined(separator: " "))
        case .gas(let call, let entry):
            try database.execute(
                sql: "INSERT OR REPLACE INTO gas VALUES (?, ?, ?)",
                arguments: [call, Int64(clamping: entry.gas), Int64(clamping: entry.bytes)])
        case .gasForgotten(let call):
            try database.execute(sql: "DELETE FROM gas WHERE call = ?", arguments: [call])
        case .spent(let day, let name, let wei):
            try database.execute(
                sql: "INSERT OR REPLACE INTO spent VALUES (?, ?, ?)", arguments: [day, name, "\(wei)"])
        }
    }

    private static func save(_ attempt: TransactionAttempt, _ database: Database) throws {
        let nonce = Int64(clamping: attempt.nonce)
        var id = try Int64.fetchOne(
            database, sql: "SELECT id FROM attempts WHERE nonce = ? AND ended = 0", arguments: [nonce])
        if let id {
            try database.execute(
                sql: "UPDATE attempts SET gas = ? WHERE id = ?", arguments: [Int64(clamping: attempt.gasLimit), id])
        } else {
            try database.execute(
                sql: "INSERT INTO attempts (intent, nonce, gas, first_block, made_at) VALUES (?, ?, ?, ?, ?)",
                arguments: [
                    attempt.intent, nonce, Int64(clamping: attempt.gasLimit), Int64(clamping: attempt.firstBlock),
                    attempt.madeAt.timeIntervalSince1970,
                ])
            id = database.lastInsertedRowID
            try database.execute(sql: "UPDATE intents SET state = 1 WHERE id = ?", arguments: [attempt.intent])
        }
        guard let version = attempt.versions.last else { return }
        try database.execute(
            sql: """
                INSERT OR IGNORE INTO transactions (hash, attempt, raw, cancellation, made_at) VALUES (?, ?, ?, ?, ?)
                """,
            arguments: [
                Data(version.hash.bytes), id, Data(version.transaction.raw), version.isCancellation,
                version.madeAt.timeIntervalSince1970,
            ])
    }

    private static func endAttempt(_ nonce: UInt64?, _ database: Database) throws {
        guard let nonce else { return }
        try database.execute(
            sql: "UPDATE attempts SET ended = 1 WHERE nonce = ? AND ended = 0", arguments: [Int64(clamping: nonce)])
    }

    // MARK: reading

    /// Everything that is open, put into a new machine.
    func restore(_ machine: inout TransactionMachine, at now: Date) async throws(ChainStoreError) {
        let start = machine
        machine = try await read { database in
            var machine = start
            machine.nonceFloor = try Self.meta(database, "nonce_floor").flatMap(UInt64.init)
            machine.explainedAt = try Self.meta(database, "explained_block").flatMap(UInt64.init)
            machine.settledBlock = try Self.meta(database, "settled_block").flatMap(UInt64.init)
            let highest = try Int64.fetchOne(database, sql: "SELECT max(nonce) FROM attempts")
            machine.ownFloor = highest.flatMap { UInt64(exactly: $0) }.map(TransactionMachine.after) ?? 0
            let forgiven = try Self.meta(database, "forgiven")
            machine.forgives = forgiven == ""
            machine.forgivenBelow = forgiven.flatMap(UInt64.init) ?? 0
            machine.foreign = (try Self.meta(database, "foreign") ?? "").split(separator: " ").compactMap { UInt64($0) }
            var entries: [String: GasTable.Entry] = [:]
            for row in try Row.fetchAll(database, sql: "SELECT call, gas, bytes FROM gas") {
                entries[row[0]] = GasTable.Entry(
                    gas: UInt64(clamping: row[1] as Int64), bytes: UInt64(clamping: row[2] as Int64))
            }
            machine.gas = GasTable(entries)
            let day = SpendBook.day(now)
            var spent: [String: BigUInt] = [:]
            for row in try Row.fetchAll(database, sql: "SELECT class, wei FROM spent WHERE day = ?", arguments: [day]) {
                spent[row[0]] = BigUInt(row[1] as String)
            }
            machine.spending = SpendBook(day: day, spent: spent)
            machine.nextID = (try Int64.fetchOne(database, sql: "SELECT max(id) FROM intents") ?? 0) + 1
            for row in try Row.fetchAll(
                database, sql: Self.intentColumns + " INDEXED BY intents_open WHERE state < 2 ORDER BY id")
            {
                let pending = try Self.pending(row)
                if row["state"] as Int == 0 {
                    machine.enqueue(pending)
                } else {
                    machine.sending[pending.id] = pending
                }
            }
            machine.attempts = try Self.openAttempts(database, machine, now)
            return machine
        }
    }

    static let intentColumns = """
        SELECT id, key, class, recipient, value, data, call, gas, minimum_gas, cancel, state, outcome, receipt, made_at, ended_at
        FROM intents
        """

    static func pending(_ row: Row) throws -> PendingIntent {
        let recipient: Data = row["recipient"], data: Data = row["data"]
        guard let address = Address(recipient), let value = BigUInt(row["value"] as String) else {
            throw ChainStoreError(
                .failed, "the chain's ledger holds an intent that cannot be read: \(row["key"] as String)")
        }
        let intent = TransactionIntent(
            key: row["key"], className: row["class"], recipient: address, value: value, data: Array(data),
            call: row["call"], gasLimit: (row["gas"] as Int64?).map(UInt64.init(clamping:)))
        return PendingIntent(
            id: row["id"], intent: intent, minimumGas: UInt64(clamping: row["minimum_gas"] as Int64),
            wantsCancellation: row["cancel"])
    }

    private static func openAttempts(
        _ database: Database, _ machine: TransactionMachine, _ now: Date
    ) throws -> [TransactionAttempt] {
        // A pause of the agent is no reason to pay more: what is overdue is sent again first, and replaced a little later.
        let settings = machine.settings
        let oldest = now - max(.zero, settings.replaceAfter - settings.resendAfter * 2) / .seconds(1)
        return try Row.fetchAll(database, sql: attemptColumns + " WHERE ended = 0 ORDER BY nonce").map { row in
            var attempt = try attempt(row, database)
            attempt.wantsCancellation = machine.sending[attempt.intent]?.wantsCancellation ?? false
            for index in attempt.versions.indices {
                attempt.versions[index].madeAt = min(now, max(oldest, attempt.versions[index].madeAt))
            }
            return attempt
        }
    }

    private static let attemptColumns = "SELECT id, intent, nonce, gas, first_block, made_at FROM attempts"

    private static func attempt(_ row: Row, _ database: Database) throws -> TransactionAttempt {
        let versions = try Row.fetchAll(
            database, sql: "SELECT raw, cancellation, made_at FROM transactions WHERE attempt = ? ORDER BY id",
            arguments: [row[0] as Int64]
        ).map { version in
            let raw: Data = version[0]
            guard let transaction = try? SignedTransaction(decoding: Array(raw)) else {
                throw ChainStoreError(.failed, "the chain's ledger holds a transaction that cannot be read")
            }
            return TransactionAttempt.Version(
                transaction: transaction, madeAt: Date(timeIntervalSince1970: version[2]), isCancellation: version[1])
        }
        return TransactionAttempt(
            intent: row[1], nonce: UInt64(clamping: row[2] as Int64), firstBlock: UInt64(clamping: row[4] as Int64),
            madeAt: Date(timeIntervalSince1970: row[5]), gasLimit: UInt64(clamping: row[3] as Int64), versions: versions
        )
    }

    /// What a nonce was used for, when that is over and one of its transactions was mined.
    func settled(
        nonce: UInt64
    ) async throws(ChainStoreError) -> (intent: PendingIntent, attempt: TransactionAttempt)? {
        try await read { database in
            guard
                let row = try Row.fetchOne(
                    database, sql: Self.attemptColumns + " WHERE ended = 1 AND nonce = ? ORDER BY id DESC LIMIT 1",
                    arguments: [Int64(clamping: nonce)]),
                let owner = try Row.fetchOne(
                    database, sql: Self.intentColumns + " WHERE id = ? AND state = 2", arguments: [row[1] as Int64])
            else { return nil }
            let attempt = try Self.attempt(row, database)
            // Somebody else's transaction had the nonce, and the intent went on with another one.
            guard let mined = try Self.outcome(owner)?.receipt?.transaction,
                attempt.versions.contains(where: { $0.hash == mined })
            else { return nil }
            return (try Self.pending(owner), attempt)
        }
    }

    // MARK: outcomes

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

    private static func words(_ outcome: TransactionOutcome) -> (String, String?) {
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

    /// Forgets some of what was over before then: what is to be sent does not wait for the rest.
    /// - Returns: whether there is more.
    @discardableResult
    public func prune(before date: Date, limit: Int = 200) async throws(ChainStoreError) -> Bool {
        try await write { database in
            try database.execute(sql: "DELETE FROM spent WHERE day < ?", arguments: [SpendBook.day(date)])
            try database.execute(
                sql: """
                    DELETE FROM intents WHERE id IN (
                        SELECT id FROM intents WHERE state = 2 AND ended_at < ? ORDER BY ended_at LIMIT ?)
                    """, arguments: [date.timeIntervalSince1970, limit])
            return database.changesCount == limit
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
