// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import GRDB
internal import Persistence

extension ChainStore {
    func cursor(_ feed: String) async throws(ChainStoreError) -> BlockReference? {
        try await read { database in
            try Row.fetchOne(database, sql: "SELECT number, hash FROM cursors WHERE feed = ?", arguments: [feed])
                .map(Self.block)
        }
    }

    func setCursor(_ feed: String, _ block: BlockReference) async throws(ChainStoreError) {
        try await write { try Self.advance(feed, block, $0) }
    }

    private static func advance(_ feed: String, _ block: BlockReference, _ database: Database) throws {
        let (number, hash) = (Int64(clamping: block.number), Data(block.hash.bytes))
        try database.execute(
            sql: """
                INSERT INTO cursors VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET number = ?2, hash = ?3;
                """,
            arguments: [feed, number, hash])
        try database.execute(
            sql: "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?)", arguments: [feed, number, hash])
    }

    private static func block(_ row: Row) throws -> BlockReference {
        let hash: Data = row[1]
        guard hash.count == 32, let number = UInt64(exactly: row[0] as Int64) else {
            throw ChainStoreError(.failed, "the chain's ledger holds a block that cannot be read")
        }
        return BlockReference(number: number, hash: Hash32(hash))
    }

    /// Puts logs into the inbox and moves the cursor, in one transaction. A log that is there already only learns its
    /// block.
    /// - Returns: how many were new.
    func takeLogs(_ feed: String, _ logs: [PlacedLog], cursor: BlockReference?) async throws(ChainStoreError) -> Int {
        try await write { database in
            var fresh = 0
            for placed in logs {
                let log = placed.log
                try database.cachedStatement(
                    sql: """
                        INSERT INTO inbox (feed, tx, place, digest, address, topics, data, number, block, log_index)
                        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
                        """
                ).execute(arguments: [
                    feed, Data(log.transaction.bytes), placed.place, Data(placed.digest.bytes), Data(log.address.bytes),
                    Data(log.topics.flatMap(\.bytes)), Data(log.data), Int64(clamping: log.block.number),
                    Data(log.block.hash.bytes), Int64(clamping: log.index),
                ])
                if database.changesCount > 0 {
                    fresh += 1
                    continue
                }
                try database.cachedStatement(
                    sql: """
                        UPDATE inbox SET number = ?, block = ?, log_index = ?, orphaned = 0
                        WHERE feed = ? AND tx = ? AND place = ? AND digest = ?
                        """
                ).execute(arguments: [
                    Int64(clamping: log.block.number), Data(log.block.hash.bytes), Int64(clamping: log.index), feed,
                    Data(log.transaction.bytes), placed.place, Data(placed.digest.bytes),
                ])
            }
            if let cursor { try Self.advance(feed, cursor, database) }
            return fresh
        }
    }

    /// Blocks that were read, the newest first.
    func checkpoints(_ feed: String) async throws(ChainStoreError) -> [BlockReference] {
        try await read { database in
            try Row.fetchAll(
                database, sql: "SELECT number, hash FROM checkpoints WHERE feed = ? ORDER BY number DESC",
                arguments: [feed]
            ).map(Self.block)
        }
    }

    /// What came from later blocks is marked until it is found again.
    func rewind(_ feed: String, to block: BlockReference) async throws(ChainStoreError) {
        try await write { database in
            let number = Int64(clamping: block.number)
            try database.execute(
                sql: "DELETE FROM checkpoints WHERE feed = ? AND number > ?", arguments: [feed, number])
            try database.execute(
                sql: "UPDATE inbox SET orphaned = 1 WHERE feed = ? AND number > ?", arguments: [feed, number])
            try Self.advance(feed, block, database)
        }
    }

    /// What a feed has to do so that nothing is left out of what its reader does not have.
    public enum Alignment: Sendable, Hashable {
        /// Nothing, or logs that are in the file are delivered again.
        case same
        /// They are no longer in the file: the feed begins at the reader's block.
        case begun
        /// The file knows less of the chain than the reader: another one than it was.
        case behind
    }

    /// Brings a feed in line with who reads it and keeps in a file of its own what it made of the logs. That file says how far
    /// it has come; either of the two may be a new one, or an old copy.
    ///
    /// - Parameters:
    ///   - number: every log up to this block is in the reader's file.
    ///   - memory: blocks for which this file keeps its logs.
    public func align(_ feed: String, to number: UInt64, memory: UInt64 = 10_000) async throws(ChainStoreError)
        -> Alignment
    {
        guard let cursor = try await cursor(feed) else {
            try await forget(feed: feed)
            return .behind
        }
        guard cursor.number >= number else {
            try await forget(feed: feed)
            return .behind
        }
        guard cursor.number - number < memory else {
            try await forget(feed: feed)
            return .begun
        }
        try await write { database in
            try database.execute(
                sql: "UPDATE inbox SET handled = 0, again = 1 WHERE feed = ? AND number > ? AND handled = 1",
                arguments: [feed, Int64(clamping: number)])
        }
        return .same
    }

    /// As if the feed had never been: whoever has lost what it made of the logs needs them again.
    public func forget(feed: String) async throws(ChainStoreError) {
        try await write { database in
            for table in ["cursors", "checkpoints", "inbox"] {
                try database.execute(sql: "DELETE FROM \(table) WHERE feed = ?", arguments: [feed])
            }
        }
    }

    /// Those that nobody has handled. One whose block is gone waits until it is found again.
    func unhandledLogs(_ feed: String, limit: Int) async throws(ChainStoreError) -> [DeliveredLog] {
        try await read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT sequence, address, topics, data, number, block, tx, log_index, place, again FROM inbox
                    WHERE feed = ? AND handled = 0 AND orphaned = 0 ORDER BY sequence LIMIT ?
                    """,
                arguments: [feed, limit]
            ).map { row in
                let address: Data = row[1], topics: Data = row[2], data: Data = row[3], block: Data = row[5],
                    tx: Data = row[6]
                guard let address = Address(address), block.count == 32, tx.count == 32, topics.count % 32 == 0,
                    let number = UInt64(exactly: row[4] as Int64), let index = UInt64(exactly: row[7] as Int64)
                else {
                    throw ChainStoreError(.failed, "the chain's ledger holds a log that cannot be read")
                }
                let words = Array(topics)
                return DeliveredLog(
                    sequence: row[0], place: row[8], isAgain: row[9],
                    log: ChainLog(
                        address: address,
                        topics: stride(from: 0, to: words.count, by: 32).map { Hash32(words[$0..<$0 + 32]) },
                        data: Array(data),
                        block: BlockReference(number: number, hash: Hash32(block)),
                        transaction: Hash32(tx), index: index))
            }
        }
    }

    func markHandled(_ sequences: [Int64]) async throws(ChainStoreError) {
        try await write { database in
            let statement = try database.cachedStatement(sql: "UPDATE inbox SET handled = 1 WHERE sequence = ?")
            for sequence in sequences { try statement.execute(arguments: [sequence]) }
        }
    }

    func pruneLogs(_ feed: String, below number: UInt64) async throws(ChainStoreError) {
        try await write { database in
            let number = Int64(clamping: number)
            try database.execute(
                sql: "DELETE FROM inbox WHERE feed = ? AND number < ? AND (handled = 1 OR orphaned = 1)",
                arguments: [feed, number])
            try database.execute(
                sql: """
                    DELETE FROM checkpoints WHERE feed = ?1 AND number < ?2
                        AND number < (SELECT max(number) FROM checkpoints WHERE feed = ?1)
                    """,
                arguments: [feed, number])
        }
    }
}
