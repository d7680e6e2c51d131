// SPDX-License-Identifier: GPL-3.0-or-later

internal import GRDB
internal import Persistence

extension CockpitStore {
    /// One job at one backend.
    struct Lane: Sendable {
        var runs: [(run: CockpitRun, row: BackendRow, nextAt: Int64)]
        var isClosed: Bool
    }

    static let dueQuery = """
        SELECT DISTINCT lane FROM rows INDEXED BY rows_due
        WHERE backend = ? AND open = 1 AND next_at <= ? ORDER BY next_at, lane LIMIT ?
        """

    /// Jobs with something to do now. - Parameter now: Unix ms.
    func dueLanes(_ backend: String, now: Int64, limit: Int) async throws(CockpitError) -> [Int64] {
        try await read {
            try Int64.fetchAll($0.cachedStatement(sql: Self.dueQuery), arguments: [backend, now, limit])
        }
    }

    /// When the next one is due, Unix ms.
    func nextDue(_ backend: String) async throws(CockpitError) -> Int64? {
        try await read {
            try Int64.fetchOne(
                $0,
                sql: "SELECT min(next_at) FROM rows INDEXED BY rows_due WHERE backend = ? AND open = 1",
                arguments: [backend])
        }
    }

    /// What waits for a time after this one is due now, Unix ms.
    /// - Parameter late: the same, of what has still to be confirmed.
    func recall(_ backend: String, after time: Int64, confirmedAfter late: Int64) async throws(CockpitError) {
        try await write {
            try $0.cachedStatement(
                sql: """
                    UPDATE rows INDEXED BY rows_due SET next_at = 0 WHERE backend = ? AND open = 1 AND next_at > ?
                    """
            ).execute(arguments: [backend, time])
            try $0.cachedStatement(
                sql: "UPDATE rows INDEXED BY rows_unconfirmed SET confirm_at = 0 WHERE backend = ? AND confirm_at > ?"
            ).execute(arguments: [backend, late])
        }
    }

    func lane(_ lane: Int64, at backend: String) async throws(CockpitError) -> Lane {
        try await read { database in
            let runs = try Row.fetchAll(
                database.cachedStatement(
                    sql: """
                        SELECT \(Self.runColumns), o.phase, o.attempts, o.reason, o.started_at, o.uncertain, o.next_at,
                            o.confirm_at, o.published
                        FROM rows o INDEXED BY rows_lane CROSS JOIN runs r ON r.id = o.run
                        WHERE o.lane = ? AND o.backend = ? ORDER BY r.start_time, r.id
                        """), arguments: [lane, backend]
            ).map {
                var row = Self.row($0)
                row.confirmAt = $0[19]
                row.published = $0[20]
                return (run: try Self.run($0), row: row, nextAt: $0[18] as Int64)
            }
            let isClosed = try Bool.fetchOne(
                database.cachedStatement(sql: "SELECT EXISTS (SELECT 1 FROM closed WHERE lane = ?)"), arguments: [lane])
            return Lane(runs: runs, isClosed: isClosed == true)
        }
    }

    private static func row(_ row: Row) -> BackendRow {
        BackendRow(
            phase: BackendRow.Phase(rawValue: row[13]) ?? .none, attempts: row[14], reason: row[15], startedAt: row[16],
            isUncertain: row[17])
    }

    /// What became of one run's row.
    struct RowChange: Sendable {
        var run: Int64
        var row: BackendRow
        /// Unix ms.
        var nextAt: Int64 = 0
    }

    /// - Parameter rest: also the lane's other open rows wait so long.
    func save(_ change: RowChange, at backend: String, delaying lane: Int64? = nil) async throws(CockpitError) {
        try await write { database in
            try database.cachedStatement(
                sql: """
                    UPDATE rows SET phase = ?, attempts = ?, reason = ?, started_at = ?, uncertain = ?, next_at = ?,
                        confirm_at = ?, published = ?, open = iif(? IN ('none', 'running'), open, 0)
                    WHERE backend = ? AND run = ?
                    """
            ).execute(arguments: [
                change.row.phase.rawValue, change.row.attempts, change.row.reason, change.row.startedAt,
                change.row.isUncertain, change.nextAt, change.row.confirmAt,
                change.row.published, change.row.phase.rawValue, backend, change.run,
            ])
            guard let lane else { return }
            try database.cachedStatement(
                sql: """
                    UPDATE rows INDEXED BY rows_lane SET next_at = max(next_at, ?)
                    WHERE lane = ? AND backend = ? AND open = 1
                    """
            ).execute(arguments: [change.nextAt, lane, backend])
        }
    }

    /// Nothing is to be done for it, as it was when it was read: a run that has changed meanwhile stays open.
    func settle(_ lane: Int64, at backend: String, as seen: [(run: Int64, sequence: Int64)]) async throws(CockpitError)
    {
        try await write { database in
            for (run, sequence) in seen {
                try database.cachedStatement(
                    sql: """
                        UPDATE rows SET open = 0 WHERE backend = ? AND run = ?
                            AND (SELECT sequence FROM runs WHERE id = rows.run) = ?
                        """
                ).execute(arguments: [backend, run, sequence])
            }
        }
    }

    func delay(_ lane: Int64, at backend: String, until time: Int64) async throws(CockpitError) {
        try await write {
            try $0.cachedStatement(
                sql: """
                    UPDATE rows INDEXED BY rows_lane SET next_at = max(next_at, ?)
                    WHERE lane = ? AND backend = ? AND open = 1
                    """
            ).execute(arguments: [time, lane, backend])
        }
    }

    /// Puts a run's row back to what the backend says of it.
    func reset(run: Int64, at backend: String, to phase: BackendRow.Phase, reason: String? = nil)
        async throws(CockpitError)
    {
        try await write {
            try $0.execute(
                sql: """
                    UPDATE rows SET phase = ?, open = 1, attempts = 0, next_at = 0, confirm_at = NULL, published = 0,
                        reason = ?
                    WHERE backend = ? AND run = ?
                    """, arguments: [phase.rawValue, reason, backend, run])
        }
    }

    /// Everything that waits or is parked is tried at once.
    /// - Returns: how many rows were parked.
    func retry(_ backend: String, jobID: UInt32? = nil) async throws(CockpitError) -> Int {
        try await write { database in
            let ofJob = jobID == nil ? "" : " AND run IN (SELECT id FROM runs WHERE job_id = ?)"
            var arguments: StatementArguments = [backend]
            if let jobID { arguments += [jobID] }
            try database.execute(
                sql: """
                    UPDATE rows SET phase = 'none', open = 1, attempts = 0, next_at = 0, published = 0
                    WHERE (backend, run) IN (SELECT backend, run FROM rows INDEXED BY rows_parked
                        WHERE backend = ? AND phase = 'parked')\(ofJob)
                    """, arguments: arguments)
            let count = database.changesCount
            try database.execute(
                sql: "UPDATE rows SET next_at = 0, attempts = 0 WHERE backend = ? AND open = 1 AND next_at > 0\(ofJob)",
                arguments: arguments)
            return count
        }
    }

    // MARK: what is shown

    struct Counts: Sendable, Hashable {
        var waiting = 0
        var running = 0
        var parked = 0
        var skipped = 0
    }

    /// Kept short by pruning: what is over for a week is gone.
    func counts(_ backend: String) async throws(CockpitError) -> Counts {
        try await read { database in
            var counts = Counts()
            for row in try Row.fetchAll(
                database, sql: "SELECT phase, open, count(*) FROM rows WHERE backend = ? GROUP BY phase, open",
                arguments: [backend])
            {
                let (phase, count) = (BackendRow.Phase(rawValue: row[0]), row[2] as Int)
                if row[1] as Bool { counts.waiting += count }
                switch phase {
                case .running: counts.running += count
                case .parked: counts.parked += count
                case .skipped: counts.skipped += count
                default: break
                }
            }
            return counts
        }
    }

    struct Listed: Sendable {
        var backend: String
        var run: CockpitRun
        var row: BackendRow
        var isOpen: Bool
    }

    /// The newest first.
    func list(jobID: UInt32? = nil, limit: Int) async throws(CockpitError) -> [Listed] {
        try await read { database in
            let condition = jobID == nil ? "" : "WHERE r.job_id = ?"
            var arguments: StatementArguments = []
            if let jobID { arguments += [jobID] }
            return try Row.fetchAll(
                database,
                sql: """
                    SELECT \(Self.runColumns), o.phase, o.attempts, o.reason, o.started_at, o.uncertain, o.backend, o.open
                    FROM (SELECT * FROM runs r \(condition) ORDER BY r.id DESC LIMIT \(limit)) r
                    CROSS JOIN rows o INDEXED BY rows_run ON o.run = r.id ORDER BY r.id DESC, o.backend
                    """, arguments: arguments
            ).map { Listed(backend: $0[18], run: try Self.run($0), row: Self.row($0), isOpen: $0[19]) }
        }
    }
}
