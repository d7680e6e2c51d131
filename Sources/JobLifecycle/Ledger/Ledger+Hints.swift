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
        /// When what is known of it was so, Unix microseconds.
        var asOf: Int64
    }

    struct DueHints: Sendable {
        var hints: [PendingHint] = []
        /// There are no more.
        var isComplete = true
        /// When the next one will be due, Unix microseconds.
        var next: Int64?
    }

    static let mayBeStart = "reason IN ('start', 'superseded')"
    static let isOther = "reason NOT IN ('start', 'superseded')"

    /// By the partial indexes, each in the order of its rows: a backlog costs no more than what is taken of it.
    static func dueQuery(_ index: String, _ lane: String) -> String {
        """
        SELECT job_id, reason, time, tries FROM hints INDEXED BY \(index)
        WHERE parked = 0 AND \(lane) AND next_at <= ? ORDER BY next_at, time LIMIT ?
        """
    }

    static func nextQuery(_ index: String, _ lane: String) -> String {
        """
        SELECT next_at FROM hints INDEXED BY \(index) WHERE parked = 0 AND \(lane) AND next_at > ?
        ORDER BY next_at LIMIT 1
        """
    }

    /// Hints that are due: at most so many about jobs that may have started, and so many others.
    func dueHints(starts: Int, others: Int) async throws(LedgerError) -> DueHints {
        let now = microseconds
        return try await read { database in
            var due = DueHints()
            for (index, lane, limit) in [
                ("hints_due_starts", Self.mayBeStart, starts), ("hints_due_others", Self.isOther, others),
            ] {
                var count = 0
                if limit > 0 {
                    let statement = try database.cachedStatement(sql: Self.dueQuery(index, lane))
                    for row in try Row.fetchAll(statement, arguments: [now, limit]) {
                        count += 1
                        guard let reason = JobHint.Reason(rawValue: row[1]) else { continue }
                        due.hints.append(PendingHint(jobID: row[0], reason: reason, time: row[2], tries: row[3]))
                    }
                }
                if count == limit { due.isComplete = false }
                let statement = try database.cachedStatement(sql: Self.nextQuery(index, lane))
                if let next = try Int64.fetchOne(statement, arguments: [now]) {
                    due.next = min(next, due.next ?? next)
                }
            }
            return due
        }
    }

    /// At the start: what waits for somebody's answer is asked again.
    func makeHintsDue() async throws(LedgerError) {
        try await transact { transaction in
            for (index, lane) in [("hints_due_starts", Self.mayBeStart), ("hints_due_others", Self.isOther)] {
                try transaction.database.execute(
                    sql:
                        "UPDATE hints INDEXED BY \(index) SET next_at = 0 WHERE parked = 0 AND \(lane) AND next_at > ?",
                    arguments: [transaction.now])
            }
        }
    }

    func openRuns() async throws(LedgerError) -> [OpenRun] {
        // Row by row: copies of all rows would be many times what is made of them.
        try await read { database in
            var runs: [OpenRun] = []
            let rows = try Row.fetchCursor(database.cachedStatement(sql: Self.openRuns))
            while let row = try rows.next() { Self.openRun(row).map { runs.append($0) } }
            return runs
        }
    }

    static let openRuns = """
        SELECT id, number, part, job_id, submit_time, phase, end_time IS NOT NULL, as_of FROM runs
        WHERE phase IN ('pending', 'running', 'suspended', 'closing')
        """

    static func openRun(_ row: Row) -> OpenRun? {
        RunRecord.Phase(rawValue: row[5]).map {
            OpenRun(
                id: row[0], key: JobKey(number: row[1], storedPart: row[2]), jobID: row[3], submitTime: row[4],
                phase: $0, knowsEnd: row[6], asOf: row[7])
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

    /// Hints at the jobs of those runs, all of them over, whose end the ledger lacks.
    func addUnseenEnds(_ ended: [JobObservation]) async throws(LedgerError) {
        try await transact(.background) { transaction in
            for run in ended where try !transaction.knowsEnd(of: run) {
                // Asked about even while slurmctld has another job of this number.
                let reason: JobHint.Reason = try transaction.hasVanished(run.jobID) ? .vanished : .missing
                try transaction.database.cachedStatement(
                    sql: """
                        INSERT INTO hints (job_id, reason, time) VALUES (?, ?, ?)
                        ON CONFLICT DO UPDATE SET next_at = 0 WHERE reason = 'vanished'
                        """
                ).execute(arguments: [run.jobID, reason.rawValue, transaction.now])
                transaction.news.append(.hint(JobHint(jobID: run.jobID, reason: reason, time: transaction.now)))
            }
        }
    }

    /// The open runs of these numbers.
    func openRuns(of jobIDs: [UInt32]) async throws(LedgerError) -> [OpenRun] {
        try await read { database in try jobIDs.flatMap { try Self.openRuns(of: $0, database) } }
    }

    static func openRuns(of jobID: UInt32, _ database: Database) throws -> [OpenRun] {
        let statement = try database.cachedStatement(sql: openRuns + " AND job_id = ?")
        return try Row.fetchAll(statement, arguments: [jobID]).compactMap(openRun)
    }

    // MARK: cursors

    /// How far somebody has come; nil: nowhere yet.
    public func cursor(_ name: String) async throws(LedgerError) -> Int64? {
        try await read { try Int64.fetchOne($0, sql: "SELECT value FROM meta WHERE name = ?", arguments: [name]) }
    }

    public func setCursor(_ name: String, _ value: Int64) async throws(LedgerError) {
        try await transact { transaction in
            try transaction.database.execute(
                sql: "INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
                arguments: [name, String(value)])
        }
    }
}

extension Ledger.Intake {
    /// A start waits for no other commit than the one under way.
    var lane: LedgerWriter.Lane {
        let isUrgent =
            hints.contains { $0.reason.mayBeStart }
            || observations.contains { $0.source == .plugin && $0.state.base == .running }
        return isUrgent ? .urgent : .prompt
    }
}

extension LedgerTransaction {
    /// Whether the run's end is in the ledger. An array's rest that was split up has no end, unless slurmctld takes it back. A
    /// row that slurmdbd began when the job changed its size is part of the run.
    fileprivate func knowsEnd(of run: JobObservation) throws -> Bool {
        let statement = try database.cachedStatement(
            sql: """
                SELECT 1 FROM runs WHERE number = ? AND part = ?
                    AND phase NOT IN ('pending', 'running', 'suspended', 'closing', 'dispersed', 'vanished')
                    AND (phase <> 'undone' OR end_time IS NOT NULL)
                    AND (submit_time = ? OR (submit_time < ? AND start_time <= ? AND end_time > ?)) LIMIT 1
                """)
        let keys = run.isOnlyEnd ? [run.key, JobKey(run.jobID, .rest)] : [run.key]
        return try keys.contains { key in
            let submitted = run.submitTime
            return try Int.fetchOne(
                statement,
                arguments: [key.number, key.storedPart, submitted, submitted, submitted, submitted]) != nil
        }
    }
}
