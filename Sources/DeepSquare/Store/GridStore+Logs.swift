// SPDX-License-Identifier: GPL-3.0-or-later

internal import Ethereum
internal import FoundationEssentials
internal import GRDB
internal import Persistence

/// A log of the chain by what names it in every file: the transaction, and which of its logs it is.
struct TakenLog: Sendable, Hashable {
    var transaction: Hash32
    var place: Int
    var block: UInt64

    init(transaction: Hash32, place: Int, block: UInt64) {
        self.transaction = transaction
        self.place = place
        self.block = block
    }

    init(_ log: DeliveredLog) {
        self.init(transaction: log.log.transaction, place: log.place, block: log.log.block.number)
    }
}

/// What of the chain and of the ledger is in this file. The other two say it too: where they differ, one of them is not the one
/// that it was.
extension GridStore {
    /// Blocks below `read` for which the names of logs are kept: what is read twice lies in them.
    static let logMemory: UInt64 = 1_000

    static func take(_ logs: [TakenLog], _ database: Database) throws {
        for log in logs {
            try database.cachedStatement(sql: "INSERT OR IGNORE INTO taken VALUES (?, ?, ?)").execute(
                arguments: [Data(log.transaction.bytes), log.place, Int64(clamping: log.block)])
        }
    }

    /// Those of these logs that are in the claims already.
    func known(_ logs: [DeliveredLog]) async throws(GridError) -> Set<TakenLog> {
        try await read { database in
            let statement = try database.cachedStatement(sql: "SELECT 1 FROM taken WHERE tx = ? AND place = ?")
            // Taken by an earlier release, from the chain's file that is still there.
            let before = try database.cachedStatement(sql: "SELECT 1 FROM logs WHERE sequence = ?")
            return Set(
                try logs.filter { log in
                    try Int.fetchOne(statement, arguments: [Data(log.log.transaction.bytes), log.place]) != nil
                        || Int.fetchOne(before, arguments: [log.sequence]) != nil
                }.map(TakenLog.init))
        }
    }

    /// The block up to which every log is in the claims; nil when an earlier release wrote the file.
    func readBlock() async throws(GridError) -> UInt64? {
        try await value("read").flatMap { UInt64($0) }
    }

    func forgetNumberedLogs() async throws(GridError) {
        try await write { try $0.execute(sql: "/* reads all */ DELETE FROM logs") }
    }

    func setReadBlock(_ block: UInt64) async throws(GridError) {
        try await write { database in
            try database.execute(sql: "INSERT OR REPLACE INTO meta VALUES ('read', ?)", arguments: ["\(block)"])
            // What is delivered from now on is known by its name.
            try database.execute(sql: "/* reads all */ DELETE FROM logs")
            try database.execute(
                sql: "DELETE FROM taken WHERE block < ?",
                arguments: [Int64(clamping: block > Self.logMemory ? block - Self.logMemory : 0)])
        }
    }

    /// The highest number of a transition of the ledger that is in the claims.
    static func noteLedger(_ sequence: Int64, _ database: Database) throws {
        guard sequence > 0 else { return }
        try database.cachedStatement(
            sql: """
                INSERT INTO meta VALUES ('ledger', ?) ON CONFLICT DO UPDATE SET value = excluded.value
                    WHERE CAST(excluded.value AS INTEGER) > CAST(meta.value AS INTEGER)
                """
        ).execute(arguments: ["\(sequence)"])
    }

    private static let transactionName = "transaction"

    /// The newest transaction of this agent of which the claims tell: the chain's file has it too.
    static func noteTransaction(_ claims: [GridClaim], _ database: Database) throws {
        guard let newest = claims.compactMap(\.newestOwnMoment).max(by: { $0.at < $1.at }),
            let transaction = newest.transaction
        else { return }
        try database.cachedStatement(sql: "INSERT OR REPLACE INTO meta VALUES (?, ?)").execute(
            arguments: [transactionName, "\(transaction) \(newest.at)"])
    }

    /// How long the chain's file keeps it, seconds: less than it does.
    private static let transactionMemory: Int64 = 60 * 86_400

    /// nil: none that the chain's file must have.
    func ownTransaction(now: Date) async throws(GridError) -> Hash32? {
        guard let words = try await value(Self.transactionName)?.split(separator: " "), words.count == 2,
            let at = Int64(words[1]), Int64(now.timeIntervalSince1970) - at < Self.transactionMemory
        else { return nil }
        return Hash32(hex: words[0])
    }

    /// Forgets claims that were closed before a time, and payments from before another.
    func prune(before time: Date, paymentsBefore: Date) async throws(GridError) {
        try await write { database in
            try database.execute(
                sql: "DELETE FROM claims WHERE open = 0 AND changed_at < ?", arguments: [time.timeIntervalSince1970])
            try database.execute(
                sql: "DELETE FROM payments WHERE at < ?", arguments: [Int64(paymentsBefore.timeIntervalSince1970)])
        }
    }
}

/// One file of the agent's state.
extension GridStore: StateFile {
    var fileName: String { "deepsquare.sqlite" }

    func identity() async throws -> StateIdentity? { try await read { try StateIdentity.read($0) } }

    func setIdentity(_ identity: StateIdentity) async throws { try await write { try identity.write($0) } }

    /// The highest number of the ledger's transitions that a gateway's file has been told; nil: there is no such file, or it cannot
    /// be read. Blocks.
    static func highestTransition(path: String) -> Int64? {
        guard let store = try? GridStore(reading: path) else { return nil }
        defer { store.close() }
        return try? store.queue.read {
            try String.fetchOne($0, sql: "SELECT value FROM meta WHERE name = ?", arguments: ["ledger"])
                .flatMap { Int64($0) }
        }
    }
}
