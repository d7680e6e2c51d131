// SPDX-License-Identifier: GPL-3.0-or-later

internal import BigInt
public import FoundationEssentials
internal import GRDB
internal import Persistence

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
            try Self.setMeta(database, "account_since", "\(Int64(Date().timeIntervalSince1970))")
        }
    }

    /// Since when the file has the account's transactions, Unix seconds: what was sent before may have been the agent's, too.
    /// nil: not known, of a file from before this was kept.
    public func accountSince() async throws(ChainStoreError) -> Int64? {
        try await read { try Self.meta($0, "account_since").flatMap { Int64($0) } }
    }

    /// The chain of before; nil in a new file.
    public func boundChainID() async throws(ChainStoreError) -> UInt64? {
        try await read { try Self.meta($0, "account")?.split(separator: " ").first.flatMap { UInt64($0) } }
    }

    /// The account of before, and how many of its transactions are not over; nil in a new file.
    public func boundAccount() async throws(ChainStoreError) -> (account: Address, open: Int)? {
        try await read { database in
            guard let word = try Self.meta(database, "account")?.split(separator: " ").last,
                let account = Address(hex: String(word))
            else { return nil }
            return (account, try Int.fetchOne(database, sql: "SELECT count(*) FROM intents WHERE state < 2") ?? 0)
        }
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
