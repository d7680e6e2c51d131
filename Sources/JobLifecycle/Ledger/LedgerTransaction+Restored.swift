// SPDX-License-Identifier: GPL-3.0-or-later

internal import GRDB

/// A requeue that a killed slurmctld has lost.
extension LedgerTransaction {
    static let restoredMessage = "slurmctld was killed before it saved that it had put the job back: this run goes on"

    /// - Returns: nil when `seen` is to be taken in as always, otherwise whether it changed anything.
    mutating func restore(_ known: RunRow, _ seen: JobObservation, force: Bool) throws -> Bool? {
        switch known.record.phase {
        case .requeued: try restoreRun(known, seen)
        case .undone: try revive(known, seen, force: force)
        case .pending, .running, .suspended, .closing, .ended, .vanished, .dispersed: nil
        }
    }

    private mutating func restoreRun(_ known: RunRow, _ seen: JobObservation) throws -> Bool? {
        guard seen.source != .plugin else { return nil }
        let later = try runs(
            "number = ? AND part = ? AND submit_time > ? AND phase <> 'undone' ORDER BY submit_time",
            [known.record.key.number, known.record.key.storedPart, known.record.submitTime])
        // Another job's, when its number was used again.
        guard !later.isEmpty, later.allSatisfy({ $0.job == known.job }) else { return nil }
        let writtenAt = try putBackAt(known)
        let sequel = RunFold.Sequel(runs: later.map(\.record), writtenAt: writtenAt)
        guard let outcome = RunFold(policy: policy).restored(known.record, by: seen, sequel) else { return nil }
        var job = try job(known.job)
        if outcome.transitions.first == .restored {
            var told = known.record
            told.state = outcome.run.phase == .pending ? .pending : .running
            try append(.restored, &job, run: told, source: seen.source, message: Self.restoredMessage)
        }
        for run in later { try undo(run, by: seen, &job) }
        var run = known
        run.record = outcome.run
        try update(run)
        var rest = outcome
        rest.transitions.removeAll { $0 == .restored }
        try finish(rest, &job, seen)
        return true
    }

    /// When it was written that this run was put back.
    private func putBackAt(_ run: RunRow) throws -> Int64 {
        let statement = try database.cachedStatement(
            sql: "SELECT max(recorded_at) FROM transitions WHERE job = ? AND kind IN ('requeued', 'corrected')")
        return try Int64.fetchOne(statement, arguments: [run.job]) ?? 0
    }

    /// A run that slurmctld went back behind. Of one that is known to have ended, its time counts.
    private mutating func undo(_ later: RunRow, by seen: JobObservation, _ job: inout JobRow) throws {
        var run = later
        if seen.source != .accounting { run.record.asOf = max(run.record.asOf, seen.time) }
        let hasEnded = run.record.phase == .closing && run.record.knowsEnd
        run.record.phase = .undone
        try update(run)
        if hasEnded { try append(.requeued, &job, run: run.record, source: seen.source) }
    }

    /// A run that was taken for one that never was.
    private mutating func revive(_ known: RunRow, _ seen: JobObservation, force: Bool) throws -> Bool? {
        guard let outcome = RunFold(policy: policy).again(known.record, by: seen) else { return false }
        if outcome.run.phase.isOpen {
            let before = try runs(
                "number = ? AND part = ? AND submit_time < ? AND phase <> 'undone' ORDER BY submit_time DESC LIMIT 1",
                [known.record.key.number, known.record.key.storedPart, known.record.submitTime])
            // slurmctld put the job back again, within the same second as the first time.
            if let before = before.first, before.record.phase.isOpen,
                !(try supersede(before, by: seen, belongs: before.job == known.job, force: force))
            {
                return true
            }
        }
        var run = known
        run.record = outcome.run
        try update(run)
        var job = try job(run.job)
        try finish(outcome, &job, seen)
        return true
    }
}
