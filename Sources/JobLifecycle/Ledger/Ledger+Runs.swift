// SPDX-License-Identifier: GPL-3.0-or-later

internal import GRDB

extension Ledger {
    /// Runs that consumers were told of as running and that are not over, as that transition with what is known now. Its
    /// sequence is 0: it is in no outbox. From memory: it costs neither slurmctld nor the disk anything.
    ///
    /// A ledger that was opened to be looked at has none.
    public var runningRuns: [JobTransition] {
        let now = microseconds
        return running.all.map { Self.transition(of: $0, at: now) }
    }

    /// All runs of a record, by Slurm's own number of it, with their phase as the kind of transition that told of it last.
    public func runs(ofJob jobID: UInt32) async throws(LedgerError) -> [JobTransition] {
        // Of arrays the number is the array's.
        let plain = try await runs("WHERE number = ? AND job_id = ?", [jobID, jobID])
        return plain + (try await runs("WHERE job_id = ? AND job_id <> number", [jobID]))
    }

    private func runs(
        _ condition: String, _ arguments: StatementArguments
    ) async throws(LedgerError) -> [JobTransition] {
        let now = microseconds
        return try await read { database in
            let statement = try database.cachedStatement(
                sql: "SELECT \(LedgerTransaction.runColumns) FROM runs \(condition)")
            return try Row.fetchAll(statement, arguments: arguments).map {
                Self.transition(of: try LedgerTransaction.run($0), at: now)
            }
        }
    }

    private static func transition(of row: LedgerTransaction.RunRow, at time: Int64) -> JobTransition {
        let run = row.record
        return JobTransition(
            sequence: 0, kind: JobTransition.Kind(run), isFinal: false, recordedAt: time, source: nil,
            ledgerJob: row.job, job: run.key.description, jobID: run.jobID, submitTime: run.submitTime,
            restarts: run.restarts, state: run.state, startTime: run.startTime, endTime: run.endTime,
            elapsed: run.elapsed, exitStatus: run.exitStatus, details: run.details, gateway: nil, externalID: nil,
            claim: nil, message: nil, refusal: nil)
    }
}

extension JobTransition.Kind {
    fileprivate init(_ run: RunRecord) {
        switch run.phase {
        case .pending, .dispersed: self = run.toldRunning ? .running : .pending
        case .running, .suspended, .closing: self = .running
        case .ended: self = .ended
        case .requeued, .undone: self = .requeued
        case .vanished: self = .vanished
        }
    }
}
