// SPDX-License-Identifier: GPL-3.0-or-later

internal import BigInt
internal import FoundationEssentials
internal import GRDB
internal import Persistence

extension ChainStore {
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
}
