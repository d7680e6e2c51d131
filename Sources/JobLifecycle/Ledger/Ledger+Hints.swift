// SPDX-License-Identifier: GPL-3.0-or-later

internal import GRDB

extension Ledger {
    /// A hint that waits to be followed.
    struct PendingHint: Sendable, Hashable {
        var jobID: UInt32
        var reason: JobHint.Reason
        var time: Int64
        var tries: Int
    }

    struct OpenRun: Sendable, Hashable {
        var id: Int64
        var key: JobKey
        var jobID: UInt32
        var submitTime: Int64
        var phase: RunRecord.Phase
        /// It is over and its end is on record; only whether the job goes on is open.
        var knowsEnd: Bool
    }

    func dueHints(limit: Int) async throws(LedgerError) -> [PendingHint] {
        let now = microseconds
        return try await read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT job_id, reason, time, tries FROM hints WHERE parked = 0 AND next_at <= ?
                    ORDER BY next_at, time LIMIT ?
                    """,
                arguments: [now, limit]
            ).compactMap { row in
                JobHint.Reason(rawValue: row[1]).map {
                    PendingHint(jobID: row[0], reason: $0, time: row[2], tries: row[3])
                }
            }
        }
    }

    /// When the next hint is due, Unix microseconds.
    func nextHintTime() async throws(LedgerError) -> Int64? {
        try await read { try Int64.fetchOne($0, sql: "SELECT min(next_at) FROM hints WHERE parked = 0") }
    }

    func openRuns(of jobIDs: [UInt32]) async throws(LedgerError) -> [OpenRun] {
        try await read { database in
            try jobIDs.flatMap { id in
                let statement = try database.cachedStatement(sql: Self.openRuns + " AND job_id = ?")
                return try Row.fetchAll(statement, arguments: [id]).compactMap(Self.openRun)
            }
        }
    }

    /// Whether one of these has restarted, and no run of it before is known.
    func lacksEarlierRun(_ seen: [JobObservation]) async throws(LedgerError) -> Bool {
        let restarted = seen.filter { $0.restarts ?? 0 > 0 }
        if restarted.isEmpty { return false }
        return try await read { database in
            try restarted.contains { one in
                try Int.fetchOne(
                    database, sql: "SELECT 1 FROM runs WHERE number = ? AND part = ? AND submit_time < ? LIMIT 1",
                    arguments: [one.key.number, one.key.storedPart, one.submitTime]) == nil
            }
        }
    }

    func openRuns() async throws(LedgerError) -> [OpenRun] {
        try await read { try Row.fetchAll($0, sql: Self.openRuns).compactMap(Self.openRun) }
    }

    private static let openRuns = """
        SELECT id, number, part, job_id, submit_time, phase, end_time IS NOT NULL FROM runs
        WHERE phase IN ('pending', 'running', 'suspended', 'closing')
        """

    private static func openRun(_ row: Row) -> OpenRun? {
        RunRecord.Phase(rawValue: row[5]).map {
            OpenRun(
                id: row[0], key: JobKey(number: row[1], storedPart: row[2]), jobID: row[3], submitTime: row[4],
                phase: $0, knowsEnd: row[6])
        }
    }

    /// Hints at open runs that slurmctld's list lacks. One that waits for its second answer already goes on waiting.
    func addMissing(_ jobIDs: [UInt32]) async throws(LedgerError) {
        try await transact { transaction in
            for id in Set(jobIDs) {
                try transaction.database.cachedStatement(
                    sql: "INSERT INTO hints (job_id, reason, time) VALUES (?, 'missing', ?) ON CONFLICT DO NOTHING"
                ).execute(arguments: [id, transaction.now])
                transaction.news.append(.hint(JobHint(jobID: id, reason: .missing, time: transaction.now)))
            }
        }
    }

    /// What following hints came to.
    struct HintOutcome: Sendable {
        /// Followed to their end.
        var done: [PendingHint] = []
        /// To be followed again then (Unix microseconds).
        var later: [(hint: PendingHint, at: Int64, note: String)] = []
        /// Slurm does not know; kept to be seen.
        var parked: [(hint: PendingHint, note: String)] = []
    }

    func settle(_ outcome: HintOutcome) async throws(LedgerError) {
        try await transact { transaction in
            let database = transaction.database
            for hint in outcome.done {
                // One that was given again meanwhile stays.
                try database.cachedStatement(sql: "DELETE FROM hints WHERE job_id = ? AND reason = ? AND time <= ?")
                    .execute(arguments: [hint.jobID, hint.reason.rawValue, hint.time])
            }
            for (hint, at, note) in outcome.later {
                try database.cachedStatement(
                    sql: """
                        UPDATE hints SET tries = tries + 1, next_at = ?, note = ? WHERE job_id = ? AND reason = ?
                            AND time <= ?
                        """
                ).execute(arguments: [at, note, hint.jobID, hint.reason.rawValue, hint.time])
            }
            for (hint, note) in outcome.parked {
                try database.cachedStatement(
                    sql: "UPDATE hints SET parked = 1, note = ? WHERE job_id = ? AND reason = ? AND time <= ?"
                ).execute(arguments: [note, hint.jobID, hint.reason.rawValue, hint.time])
            }
        }
    }

    /// Counts an authoritative answer that knows nothing of these open runs. A second one, at least `interval`
    /// microseconds after the first, makes them vanish; a closing run whose end is known ends with it (one that only went
    /// back into the queue has no end).
    /// - Returns: the runs that are still open.
    func countMissing(_ runs: [OpenRun], interval: Int64, reason: String) async throws(LedgerError) -> [OpenRun] {
        try await transact { transaction in
            var open: [OpenRun] = []
            for candidate in runs {
                guard var run = try transaction.runs("id = ?", [candidate.id]).first, run.record.phase.isOpen else {
                    continue
                }
                let row = try Row.fetchOne(
                    transaction.database, sql: "SELECT missing_since, missing_answers FROM runs WHERE id = ?",
                    arguments: [run.id])
                let since: Int64? = row?[0]
                if run.record.phase == .closing, run.record.knowsEnd, run.record.state?.isEnd == true {
                    run.record.phase = .ended
                } else if let since, transaction.now - since >= interval {
                    run.record.phase = .vanished
                } else {
                    try transaction.database.execute(
                        sql: """
                            UPDATE runs SET missing_since = coalesce(missing_since, ?), missing_answers = missing_answers + 1
                            WHERE id = ?
                            """,
                        arguments: [transaction.now, run.id])
                    open.append(candidate)
                    continue
                }
                try transaction.update(run)
                var job = try transaction.job(run.job)
                if run.record.phase == .ended {
                    try transaction.append(.ended, &job, run: run.record, source: nil)
                } else {
                    try transaction.append(.vanished, &job, run: run.record, source: nil, message: reason)
                }
            }
            return open
        }
    }

    // MARK: cursors

    func cursor(_ name: String) async throws(LedgerError) -> Int64? {
        try await read { try Int64.fetchOne($0, sql: "SELECT value FROM meta WHERE name = ?", arguments: [name]) }
    }

    func setCursor(_ name: String, _ value: Int64) async throws(LedgerError) {
        try await transact { transaction in
            try transaction.database.execute(
                sql: "INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
                arguments: [name, String(value)])
        }
    }
}
