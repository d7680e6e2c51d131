// SPDX-License-Identifier: GPL-3.0-or-later

internal import GRDB

/// A Slurm job with an order's tag or second mark that is not the order's own.
struct SurplusJob: Sendable, Hashable {
    enum Phase: String, Sendable, Hashable {
        /// To be ended, or told of, if it is one.
        case found
        /// It ran when it was last looked at, and that was told.
        case running
        /// We ended it before it ran.
        case cancelled
        case over
    }

    var jobID: UInt32
    /// Unix seconds.
    var submitTime: Int64
    /// The order whose tag or mark it has.
    var ledgerJob: Int64
    var phase: Phase
    /// It is known to have run.
    var hasStarted: Bool
    var tries: Int
}

extension Ledger {
    func noteSurplus(_ jobs: [JobObservation], of ledgerJob: Int64) async throws(LedgerError) {
        guard !jobs.isEmpty else { return }
        try await transact { transaction in
            for job in jobs { try transaction.noteSurplus(job, of: ledgerJob) }
        }
    }

    /// Surplus jobs that have to be looked at now.
    func dueSurplus(limit: Int) async throws(LedgerError) -> [SurplusJob] {
        let now = microseconds
        return try await read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT job_id, submit_time, ledger_job, phase, started, tries FROM surplus
                    WHERE phase IN ('found', 'running') AND next_at <= ? ORDER BY next_at LIMIT ?
                    """,
                arguments: [now, limit]
            ).map { row in
                SurplusJob(
                    jobID: row[0], submitTime: row[1], ledgerJob: row[2],
                    phase: SurplusJob.Phase(rawValue: row[3]) ?? .found, hasStarted: row[4], tries: row[5])
            }
        }
    }

    func nextSurplusTime() async throws(LedgerError) -> Int64? {
        try await read {
            try Int64.fetchOne($0, sql: "SELECT min(next_at) FROM surplus WHERE phase IN ('found', 'running')")
        }
    }

    /// - Parameter next: when to look again, Unix microseconds; nil: never.
    func note(_ surplus: SurplusJob, is phase: SurplusJob.Phase, lookAt next: Int64? = nil) async throws(LedgerError) {
        try await transact { transaction in
            try transaction.database.execute(
                sql: """
                    UPDATE surplus SET phase = ?, started = max(started, ?), tries = tries + 1, next_at = ?
                    WHERE job_id = ? AND submit_time = ?
                    """,
                arguments: [phase.rawValue, surplus.hasStarted, next ?? 0, surplus.jobID, surplus.submitTime])
        }
    }

    /// It is nobody's that we know of.
    func forget(_ surplus: SurplusJob) async throws(LedgerError) {
        try await transact { transaction in
            try transaction.database.execute(
                sql: "DELETE FROM surplus WHERE job_id = ? AND submit_time = ?",
                arguments: [surplus.jobID, surplus.submitTime])
        }
    }

    /// The order with this number in the ledger.
    func order(ledgerJob: Int64) async throws(LedgerError) -> OrderRecord? {
        try await read { database in
            try Row.fetchOne(
                database, sql: "SELECT \(Self.orderColumns) FROM jobs WHERE id = ?", arguments: [ledgerJob]
            ).flatMap(Self.order)
        }
    }

    /// The longest time that a submission is known to have taken, microseconds.
    func longestSubmission() async throws(LedgerError) -> Int64 {
        try await read { database in
            try LedgerTransaction(
                database: database, interests: [], policy: RequeuePolicy(), now: 0, trustedNow: 0
            ).longestSubmission()
        }
    }
}
