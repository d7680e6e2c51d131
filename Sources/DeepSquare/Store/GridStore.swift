// SPDX-License-Identifier: GPL-3.0-or-later

internal import Ethereum
internal import FoundationEssentials
internal import GRDB
internal import Glibc
internal import Persistence
internal import Support

/// What the gateway must not forget, in a file of its own: every claim with what the chain and Slurm said of it, and which
/// logs of the chain are in there. WAL, synchronous=FULL: a call that returns is on the disk.
final class GridStore: Sendable {
    let path: String
    let queue: DatabaseQueue
    /// It was damaged: it lies there now, and this is a new one.
    let setAside: DatabaseFile.SetAside?
    /// It had been used when it was opened.
    private let wasBound: Bool
    let gate = ClosingGate()

    /// Blocks; for the start.
    init(path: String, now: Date = Date()) throws(GridError) {
        self.path = path
        do {
            var file = GridSchema.file(path)
            file.inspect = Self.inspect
            // All that is in it can be read again from the chain, the ledger and Slurm.
            (queue, _, setAside) = try file.openOrSetAside(now: now) {
                try DatabaseQueue(path: $0, configuration: $1)
            }
            wasBound = try queue.read {
                try String.fetchOne($0, sql: "SELECT value FROM meta WHERE name = ?", arguments: ["binding"]) != nil
            }
        } catch {
            throw Self.translate(error, path: path)
        }
    }

    /// Nobody would know of the job of a claim that cannot be read.
    @Sendable static func inspect(_ database: Database) throws {
        for body in try String.fetchAll(database, sql: "SELECT body FROM claims WHERE open = 1") {
            guard (try? JSONDecoder().decode(GridClaim.self, from: Data(body.utf8))) == nil else { continue }
            throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "a claim in it cannot be read")
        }
    }

    /// Opens it to look at it, also beside the agent that writes it.
    init(reading path: String) throws(GridError) {
        self.path = path
        setAside = nil
        wasBound = true
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
    func close() { closeFile() }

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
            try $0.execute(
                sql: """
                    DELETE FROM meta WHERE name NOT LIKE 'state %'; DELETE FROM logs; DELETE FROM taken; DELETE FROM claims;
                    DELETE FROM payments
                    """)
        }
    }

    // MARK: claims

    /// Writes claims, each with a `revision` of its own and with what was paid for it, and that these logs are in them, in one
    /// transaction.
    /// - Parameter isNews: false: they keep their place among the recent ones.
    func save(_ claims: [GridClaim], logs: [TakenLog] = [], isNews: Bool = true) async throws(GridError) {
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
            try Self.take(logs, database)
            if isNews { try Self.noteTransaction(claims, database) }
            try Self.noteLedger(claims.map(\.slurm.sequence).max() ?? 0, database)
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

    func hadContent() async throws -> Bool { wasBound }
}

extension GridStore: DatabaseStore {
    static func failure(_ fault: DatabaseFault) -> GridError {
        switch fault.kind {
        case .damaged:
            GridError(
                .storage,
                fault.words
                    + ": restart the agent, which sets it aside and makes it again from the chain, the ledger and Slurm"
            )
        case .newer: GridError(.configuration, fault.words)
        case .closed, .full, .unusable, .failed: GridError(.storage, fault.words)
        }
    }
}
