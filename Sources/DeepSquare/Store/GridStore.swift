// SPDX-License-Identifier: GPL-3.0-or-later

internal import Ethereum
internal import FoundationEssentials
internal import GRDB
internal import Glibc
internal import Support

/// What the gateway must not forget, in a file of its own: every claim with what the chain and Slurm said of it, and which
/// logs of the chain are in there. WAL, synchronous=FULL: a call that returns is on the disk.
final class GridStore: Sendable {
    let path: String
    let queue: DatabaseQueue
    private let gate = ClosingGate()

    /// Blocks; for the start.
    init(path: String) throws(GridError) {
        self.path = path
        do {
            var configuration = Configuration()
            configuration.label = "deepsquare"
            configuration.busyMode = .timeout(5)
            configuration.journalMode = .wal
            let mask = umask(0o077)
            defer { umask(mask) }
            queue = try DatabaseQueue(path: path, configuration: configuration)
            // GRDB sets NORMAL with WAL.
            try queue.inDatabase { try $0.execute(sql: "PRAGMA synchronous = FULL") }
            try queue.inDatabase { try GridSchema.migrate($0, path: path) }
        } catch {
            throw Self.translate(error, path: path)
        }
    }

    /// Opens it to look at it, also beside the agent that writes it.
    init(reading path: String) throws(GridError) {
        self.path = path
        guard access(path, R_OK) == 0 else {
            throw GridError(
                .storage,
                "\(path): \(String(cString: strerror(errno))): is this the agent's state folder, and has it joined the grid?"
            )
        }
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        do {
            queue = try DatabaseQueue(path: path, configuration: configuration)
        } catch {
            throw Self.translate(error, path: path)
        }
    }

    /// Closes the file once what is under way is done; all else throws from now on.
    func close() {
        gate.close { [queue] in try? queue.close() }
    }

    // MARK: meta

    func value(_ name: String) async throws(GridError) -> String? {
        try await read { try String.fetchOne($0, sql: "SELECT value FROM meta WHERE name = ?", arguments: [name]) }
    }

    func set(_ name: String, _ value: String?) async throws(GridError) {
        try await write { database in
            if let value {
                try database.execute(sql: "INSERT OR REPLACE INTO meta VALUES (?, ?)", arguments: [name, value])
            } else {
                try database.execute(sql: "DELETE FROM meta WHERE name = ?", arguments: [name])
            }
        }
    }

    /// The next start is a first one: for another contract or account.
    func forgetBinding() async throws(GridError) {
        try await write {
            try $0.execute(sql: "DELETE FROM meta; DELETE FROM logs; DELETE FROM claims; DELETE FROM payments")
        }
    }

    // MARK: claims

    /// Writes claims, each with a `revision` of its own and with what was paid for it, and that these logs are in them, in one
    /// transaction.
    /// - Parameter isNews: false: they keep their place among the recent ones.
    func save(_ claims: [GridClaim], logs: [Int64] = [], isNews: Bool = true) async throws(GridError) {
        try await write { database in
            for claim in claims {
                // Saves may overtake each other on their way here: an older state never replaces a newer one.
                try database.cachedStatement(
                    sql: """
                        INSERT INTO claims (job, number, revision, open, changed_at, body, lacks_times)
                        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET revision = excluded.revision,
                            open = excluded.open, body = excluded.body, lacks_times = excluded.lacks_times,
                            changed_at = iif(?8, excluded.changed_at, claims.changed_at)
                            WHERE excluded.revision > claims.revision
                        """
                ).execute(arguments: [
                    claim.job.description, claim.number, claim.revision, !claim.isClosed, Date().timeIntervalSince1970,
                    String(decoding: try JSONEncoder().encode(claim), as: UTF8.self), claim.lacksTimes, isNews,
                ])
                if database.changesCount > 0 { try Self.savePayments(of: claim, database) }
            }
            for log in logs {
                try database.cachedStatement(sql: "INSERT OR IGNORE INTO logs VALUES (?)").execute(arguments: [log])
            }
        }
    }

    func openClaims() async throws(GridError) -> [GridClaim] {
        try await claims("open = 1 ORDER BY changed_at")
    }

    /// The newest first.
    func recentClaims(limit: Int) async throws(GridError) -> [GridClaim] {
        try await claims("changed_at > 0 ORDER BY changed_at DESC LIMIT ?", [limit])
    }

    func claims(ofJob job: Hash32) async throws(GridError) -> [GridClaim] {
        try await claims("job = ? ORDER BY number", [job.description])
    }

    func claim(_ job: String, _ number: Int64) async throws(GridError) -> GridClaim? {
        try await claims("job = ? AND number = ?", [job, number]).first
    }

    /// Those that are over, changed since then, and whose times are still to be asked for; the newest first.
    func claimsWithoutTimes(since time: Date, limit: Int) async throws(GridError) -> [GridClaim] {
        try await claims(
            "lacks_times = 1 AND changed_at >= ? ORDER BY changed_at DESC LIMIT ?", [time.timeIntervalSince1970, limit])
    }

    private func claims(_ condition: String, _ arguments: StatementArguments = []) async throws(GridError)
        -> [GridClaim]
    {
        try await read { database in
            try String.fetchAll(
                database, sql: "SELECT body FROM claims WHERE \(condition)", arguments: arguments
            ).map { try JSONDecoder().decode(GridClaim.self, from: Data($0.utf8)) }
        }
    }

    /// Those of these logs that are in the claims already.
    func known(logs: [Int64]) async throws(GridError) -> Set<Int64> {
        try await read { database in
            let statement = try database.cachedStatement(sql: "SELECT 1 FROM logs WHERE sequence = ?")
            return Set(try logs.filter { try Int.fetchOne(statement, arguments: [$0]) != nil })
        }
    }

    /// Forgets claims that were closed before a time, payments from before another, and logs that the feed no longer delivers.
    func prune(before time: Date, paymentsBefore: Date, logsBelow sequence: Int64) async throws(GridError) {
        try await write { database in
            try database.execute(
                sql: "DELETE FROM claims WHERE open = 0 AND changed_at < ?", arguments: [time.timeIntervalSince1970])
            try database.execute(
                sql: "DELETE FROM payments WHERE at < ?", arguments: [Int64(paymentsBefore.timeIntervalSince1970)])
            try database.execute(sql: "DELETE FROM logs WHERE sequence < ?", arguments: [sequence])
        }
    }

    // MARK: access

    func read<Answer: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Answer
    ) async throws(GridError) -> Answer {
        do {
            return try await gate.use { [queue] in try await queue.read(body) }
        } catch {
            throw Self.translate(error, path: path)
        }
    }

    private func write<Answer: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Answer
    ) async throws(GridError) -> Answer {
        do {
            return try await gate.use { [queue] in try await queue.write(body) }
        } catch {
            throw Self.translate(error, path: path)
        }
    }

    private static func translate(_ error: any Error, path: String) -> GridError {
        if let error = error as? GridError { return error }
        if error is ClosingGate.Closed || error is CancellationError {
            return GridError(.storage, "\(path): it is closed: the agent is ending")
        }
        guard let error = error as? DatabaseError else { return GridError(.storage, "\(path): \(error)") }
        let detail = error.message ?? "SQLite error \(error.resultCode.rawValue)"
        switch error.resultCode {
        case .SQLITE_CORRUPT, .SQLITE_NOTADB:
            return GridError(
                .storage,
                "\(path) is damaged (\(detail)): move it away, and the agent makes it anew from the chain, the ledger and Slurm"
            )
        case .SQLITE_FULL:
            return GridError(.storage, "\(path): \(detail): make room on its file system")
        case .SQLITE_READONLY, .SQLITE_IOERR, .SQLITE_CANTOPEN, .SQLITE_PERM, .SQLITE_AUTH:
            return GridError(
                .storage, "\(path): \(detail): \(FileFault.advice(writing: path) ?? "the disk fails: look at dmesg")")
        default:
            return GridError(.storage, "\(path): \(detail)")
        }
    }
}
