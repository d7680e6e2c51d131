// SPDX-License-Identifier: GPL-3.0-or-later

internal import GRDB
internal import Support

extension Ledger {
    /// What came of a question about a hinted job.
    struct HintAnswer: Sendable {
        enum Content: Sendable {
            /// slurmctld's records of the number, empty when it knows none; when it was asked, Unix microseconds.
            case records([JobObservation], asked: Int64)
            /// slurmdbd's rows; nil: there is no slurmdbd.
            case accounting(UnclearJob, rows: [JobObservation]?)
            /// slurmdbd does not answer, and the job has started.
            case start(UnclearJob)
            /// slurmctld did not answer; how long to wait.
            case failed(String, Duration)

            /// The answer, or its lack, is slurmctld's.
            var isOfController: Bool {
                switch self {
                case .records, .failed: true
                case .accounting, .start: false
                }
            }
        }

        var job: HintedJob
        var content: Content
    }

    struct HintOutcome: Sendable {
        /// slurmdbd has to be asked about these.
        var unclear: [UnclearJob] = []
        /// Nobody knows them; their hints are parked.
        var unknown: [UInt32] = []
    }

    /// Takes in what was learned, and settles the hints with it: one transaction. An answer that cannot be taken in spoils
    /// no other; its hints wait.
    func apply(_ answers: [HintAnswer], _ settings: HintFollower.Settings) async throws(LedgerError) -> HintOutcome {
        spokenOf.add(answers.map(\.job.jobID))
        let lane = answers.contains { $0.job.mayHaveStarted } ? LedgerWriter.Lane.urgent : .prompt
        return try await transact(lane) { transaction in
            var outcome = HintOutcome()
            for answer in answers {
                let before = (transaction, outcome)
                do {
                    try transaction.database.inSavepoint {
                        try transaction.apply(answer, settings, &outcome)
                        return .commit
                    }
                } catch {
                    // A full disk undoes everything, and what came after would be on its own.
                    guard transaction.database.isInsideTransaction,
                        Self.translate(error, path: self.path).code != .full
                    else { throw error }
                    (transaction, outcome) = before
                    try transaction.postpone(answer.job.hints, by: .seconds(60), note: "\(error)")
                }
            }
            return outcome
        }
    }
}

extension LedgerTransaction {
    /// While slurmdbd is asked; longer than any question takes. A hint given meanwhile makes the job due at once.
    private static let accountingLease = Duration.seconds(120)

    fileprivate mutating func apply(
        _ answer: Ledger.HintAnswer, _ settings: HintFollower.Settings, _ outcome: inout Ledger.HintOutcome
    ) throws {
        let job = answer.job
        switch answer.content {
        case .failed(let why, let delay):
            try postpone(job.hints, by: delay, note: why)
        case .records(let records, let asked):
            let open = try Ledger.openRuns(of: job.jobID, database)
            let uncovered = open.contains { $0.isUnexplained(by: records) }
            let lacksEarlier = try lacksEarlierRun(records)
            let hasVanished = job.hints.contains { $0.reason == .vanished }
            guard records.isEmpty || uncovered || lacksEarlier || hasVanished else {
                return try take(records, force: false, job)
            }
            let ended = open.filter { $0.phase == .closing && $0.knowsEnd && $0.asOf < asked }
            let started = records.contains { $0.state.base == .running || $0.state.base == .suspended }
            outcome.unclear.append(
                UnclearJob(
                    job: job, records: records, endedBefore: Set(ended.map(\.id)),
                    isStart: started && lacksEarlier && !uncovered && !hasVanished))
            try postpone(
                job.hints, by: Self.accountingLease, note: "slurmdbd is asked for what slurmctld does not know")
        case .start(let unclear):
            // What slurmdbd knows of the runs before is told when it comes.
            for record in unclear.records {
                if try fold(record, force: true) { news.append(.observation(record)) }
            }
        case .accounting(let unclear, let rows):
            try apply(rows, unclear, settings, &outcome)
        }
    }

    private mutating func apply(
        _ rows: [JobObservation]?, _ unclear: UnclearJob, _ settings: HintFollower.Settings,
        _ outcome: inout Ledger.HintOutcome
    ) throws {
        let records = unclear.records
        let ended = JobObservation.ends(rows ?? [], after: records)
        // Oldest first; both have been asked, so a run of which neither knows the end ends with the one after it.
        for row in ended where try fold(row, force: true) { news.append(.observation(row)) }
        guard records.isEmpty else {
            // A later run is there, so nothing more will come of the one before.
            try take(records, force: true, unclear.job)
            return try askAgain(unclear.job, hasAccounting: rows != nil)
        }
        let open = try Ledger.openRuns(of: unclear.job.jobID, database)
        try conclude(open, unclear, rows, settings, &outcome)
    }

    private mutating func take(_ records: [JobObservation], force: Bool, _ job: HintedJob) throws {
        for record in records where try fold(record, force: force) { news.append(.observation(record)) }
        guard try Ledger.openRuns(of: job.jobID, database).contains(where: { $0.phase == .closing }) else {
            return try remove(job.hints)
        }
        for hint in job.hints {
            try postpone(
                [hint], by: RetryPolicy.hints.delay(attempt: hint.tries), isTry: true,
                note: "Slurm has not said yet whether the job goes on")
        }
    }

    /// slurmctld knows no such job, and slurmdbd (if there is one) no end of these runs.
    private mutating func conclude(
        _ open: [Ledger.OpenRun], _ unclear: UnclearJob, _ rows: [JobObservation]?,
        _ settings: HintFollower.Settings, _ outcome: inout Ledger.HintOutcome
    ) throws {
        let hints = unclear.job.hints
        if !open.isEmpty {
            // Of an end that was heard of only after slurmctld was asked, slurmctld has the last word.
            if open.contains(where: { $0.phase == .closing && $0.knowsEnd && !unclear.endedBefore.contains($0.id) }) {
                return try postpone(
                    hints, by: .zero, note: "slurmctld is asked once more, as the job's end is known now")
            }
            let reason =
                rows == nil
                ? "slurmctld has forgotten the job, and there is no slurmdbd to ask"
                : "slurmctld has forgotten the job, and slurmdbd knows no end of it"
            let left = try countMissing(open, interval: settings.vanishInterval, reason: reason)
            if left.isEmpty {
                try remove(hints)
                return try askAgain(unclear.job, hasAccounting: rows != nil)
            }
            return try postpone(
                hints, by: settings.vanishInterval, isTry: true, note: "waits for a second answer: \(reason)")
        }
        if rows?.isEmpty == false {
            try remove(hints)
            return try askAgain(unclear.job, hasAccounting: true)
        }
        for hint in hints {
            switch hint.reason {
            case .vanished:
                try remove([hint])
                try askAgain(unclear.job, hasAccounting: rows != nil)
            case .settle, .missing, .superseded:
                try remove([hint])
            case .record, .start, .epilog:
                if hint.tries + 1 < settings.tries, rows != nil {
                    // slurmdbd learns of a job some seconds late.
                    try postpone(
                        [hint], by: RetryPolicy.hints.delay(attempt: hint.tries), isTry: true,
                        note: "neither slurmctld nor slurmdbd knows the job yet")
                } else {
                    outcome.unknown.append(hint.jobID)
                    try database.cachedStatement(
                        sql: "UPDATE hints SET parked = 1, note = ? WHERE job_id = ? AND reason = ? AND time <= ?"
                    ).execute(arguments: [
                        "neither slurmctld nor slurmdbd knows the job", hint.jobID, hint.reason.rawValue, hint.time,
                    ])
                }
            }
        }
    }

    // MARK: vanished runs

    /// slurmdbd is asked about a vanished run for some eight days: slurmctld keeps what it could not tell slurmdbd.
    private static let vanishedTries = 40

    /// slurmdbd may learn the end of a run of this number yet that was told as vanished.
    private func askAgain(_ job: HintedJob, hasAccounting: Bool) throws {
        let tries = job.hints.first { $0.reason == .vanished }.map { $0.tries + 1 } ?? 0
        guard hasAccounting, tries < Self.vanishedTries, try hasVanished(job.jobID) else { return }
        let next = now + Int64(RetryPolicy.vanished.delay(attempt: tries) / .microseconds(1))
        try database.cachedStatement(
            sql: """
                INSERT INTO hints (job_id, reason, time, tries, next_at, note) VALUES (?, 'vanished', ?, ?, ?, ?)
                ON CONFLICT DO NOTHING
                """
        ).execute(arguments: [job.jobID, now, tries, next, "slurmdbd may learn its end yet"])
    }

    func hasVanished(_ jobID: UInt32) throws -> Bool {
        let statement = try database.cachedStatement(
            sql: """
                SELECT 1 FROM runs WHERE number = ?1 AND job_id = ?1 AND phase = 'vanished'
                UNION ALL SELECT 1 FROM runs WHERE job_id = ?1 AND job_id <> number AND phase = 'vanished' LIMIT 1
                """)
        return try Int.fetchOne(statement, arguments: [jobID]) != nil
    }

    // MARK: hints

    /// One that was given again meanwhile stays.
    private func remove(_ hints: [Ledger.PendingHint]) throws {
        for hint in hints {
            try database.cachedStatement(sql: "DELETE FROM hints WHERE job_id = ? AND reason = ? AND time <= ?")
                .execute(arguments: [hint.jobID, hint.reason.rawValue, hint.time])
        }
    }

    /// - Parameter isTry: somebody has answered, and the answer was not enough.
    fileprivate func postpone(
        _ hints: [Ledger.PendingHint], by delay: Duration, isTry: Bool = false, note: String
    ) throws {
        for hint in hints {
            try database.cachedStatement(
                sql: """
                    UPDATE hints SET tries = tries + ?, next_at = ?, note = ? WHERE job_id = ? AND reason = ?
                        AND time <= ?
                    """
            ).execute(arguments: [
                isTry ? 1 : 0, now + Int64(delay / .microseconds(1)), note, hint.jobID, hint.reason.rawValue, hint.time,
            ])
        }
    }

    // MARK: runs

    /// Whether one of these has restarted, and no run of it before is known.
    private func lacksEarlierRun(_ seen: [JobObservation]) throws -> Bool {
        try seen.contains { one in
            guard one.restarts ?? 0 > 0 else { return false }
            let statement = try database.cachedStatement(
                sql: "SELECT 1 FROM runs WHERE number = ? AND part = ? AND submit_time < ? LIMIT 1")
            return try Int.fetchOne(
                statement, arguments: [one.key.number, one.key.storedPart, one.submitTime]) == nil
        }
    }

    /// Counts an authoritative answer that knows nothing of these open runs. A second one, at least `interval` after the
    /// first, makes them vanish; a closing run whose end is known ends with it (one that only went back into the queue has no
    /// end).
    /// - Returns: the runs that are still open.
    mutating func countMissing(
        _ open: [Ledger.OpenRun], interval: Duration, reason: String
    ) throws -> [Ledger.OpenRun] {
        var left: [Ledger.OpenRun] = []
        for candidate in open {
            guard var run = try runs("id = ?", [candidate.id]).first, run.record.phase.isOpen else { continue }
            let row = try Row.fetchOne(
                database, sql: "SELECT missing_since, missing_answers FROM runs WHERE id = ?", arguments: [run.id])
            let since: Int64? = row?[0]
            if run.record.phase == .closing, run.record.knowsEnd, run.record.state?.isEnd == true {
                run.record.phase = .ended
            } else if let since, trustedNow - since >= Int64(interval / .microseconds(1)) {
                run.record.phase = .vanished
            } else {
                try database.execute(
                    sql: """
                        UPDATE runs SET missing_since = coalesce(missing_since, ?), missing_answers = missing_answers + 1
                        WHERE id = ?
                        """,
                    arguments: [trustedNow, run.id])
                left.append(candidate)
                continue
            }
            try update(run)
            var job = try job(run.job)
            if run.record.phase == .ended {
                try append(.ended, &job, run: run.record, source: nil)
            } else {
                try append(.vanished, &job, run: run.record, source: nil, message: reason)
            }
        }
        return left
    }
}

extension JobObservation {
    func isOf(_ run: Ledger.OpenRun) -> Bool {
        key == run.key && submitTime == run.submitTime
    }
}
