// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import GRDB

extension Ledger {
    /// What one batch of a plugin's frames, or one answer of Slurm's, brings.
    public struct Intake: Sendable {
        public var observations: [JobObservation] = []
        public var hints: [JobHint] = []
        /// The plugin processes that speak, each with the highest sequence in this batch.
        public var marks: [Mark] = []
        public var refused: [RefusedFrame] = []
        /// From slurmctld's list of all jobs; what others say of a job makes its record there worth another look.
        var isOfList = false

        public init(observations: [JobObservation] = [], hints: [JobHint] = []) {
            self.observations = observations
            self.hints = hints
        }
    }

    public struct Mark: Sendable, Hashable {
        public var bootID: [UInt8]
        public var sequence: UInt64
        /// What that process says it had to drop so far.
        public var dropped: UInt64

        public init(bootID: [UInt8], sequence: UInt64, dropped: UInt64) {
            self.bootID = bootID
            self.sequence = sequence
            self.dropped = dropped
        }
    }

    /// A frame that could not be read, kept as it came for a release that can.
    public struct RefusedFrame: Sendable, Hashable {
        public var peer: String
        public var reason: String
        public var bytes: [UInt8]

        public init(peer: String, reason: String, bytes: [UInt8]) {
            self.peer = peer
            self.reason = reason
            self.bytes = bytes
        }
    }

    /// Kept at most; later ones are only counted by who refused them.
    static let refusedFramesLimit = 10_000

    /// The last frame of each plugin process that has been committed.
    public func marks() async throws(LedgerError) -> [[UInt8]: UInt64] {
        try await read { database in
            var marks: [[UInt8]: UInt64] = [:]
            for row in try Row.fetchAll(database, sql: "SELECT boot_id, sequence FROM marks") {
                let boot: Data = row[0]
                marks[Array(boot)] = UInt64(clamping: row[1] as Int64)
            }
            return marks
        }
    }

    /// The only way by which a job's state changes. Returns once all of it is on the disk.
    ///
    /// - Parameter force: an open run whose end nobody knows is given up when a later one is seen; for after Slurm was
    ///   asked. Without it the later one waits as a hint.
    /// - Returns: what it brought.
    @discardableResult
    public func fold(_ intake: Intake, force: Bool = false) async throws(LedgerError) -> [JobTransition] {
        if !intake.isOfList { spokenOf.add(intake.observations.map(\.jobID)) }
        earlyHints.add(intake.hints)
        return try await transact(intake.lane) { transaction in
            for observation in intake.observations {
                if try transaction.fold(observation, force: force) {
                    transaction.news.append(.observation(observation))
                }
            }
            for hint in intake.hints {
                try transaction.addHint(hint)
                transaction.news.append(.hint(hint))
            }
            for mark in intake.marks { try transaction.note(mark) }
            for frame in intake.refused { try transaction.keep(frame) }
            return transaction.news.compactMap { if case .transition(let transition) = $0 { transition } else { nil } }
        }
    }
}

extension LedgerTransaction {
    /// - Returns: whether it changed anything.
    mutating func fold(_ seen: JobObservation, force: Bool) throws -> Bool {
        let key = seen.key
        let known = try known(seen)
        let rule = RunFold(policy: policy)
        try noteMarked(seen)
        try noteHeldAgain(seen)
        if case .task = key.part, seen.jobID == key.number, seen.source != .accounting {
            try disperse(array: key.number, by: seen)
        }
        if let known, let isTold = try restore(known, seen, force: force) { return isTold }
        if var run = known {
            try noteEndLost(run, seen)
            guard let outcome = rule.fold(run.record, seen) else { return try stillThere(run, seen) }
            if outcome.isNews(after: run.record) {
                var job = try job(run.job)
                run.record = outcome.run
                try update(run)
                try finish(outcome, &job, seen)
                return true
            }
            if outcome.needsLook { try addHint(JobHint(jobID: seen.jobID, reason: .settle, time: now)) }
            try noteTime(outcome.run.asOf, of: run)
            return try stillThere(run, seen)
        }
        if try isPartOfKnownRun(seen) { return false }
        guard let outcome = rule.fold(nil, seen) else { return false }
        let last = try runs(
            "number = ? AND part = ? AND phase <> 'undone' ORDER BY submit_time DESC LIMIT 1",
            [key.number, key.storedPart]
        ).first
        if let last, last.record.submitTime > seen.submitTime {
            let later = try runs(
                "number = ? AND part = ? AND submit_time > ? AND phase <> 'undone' ORDER BY submit_time LIMIT 1",
                [key.number, key.storedPart, seen.submitTime]
            ).first
            return try insertLate(outcome, seen, before: later ?? last)
        }
        guard var job = try jobOfNewRun(seen, after: last, force: force) else { return true }
        _ = try insert(outcome.run, job: job.id)
        if case .task = key.part, seen.jobID == key.number { try disperse(array: key.number, by: seen) }
        try finish(outcome, &job, seen)
        return true
    }

    /// What is known of the very run that `seen` speaks of.
    private func known(_ seen: JobObservation) throws -> RunRow? {
        for key in seen.isOnlyEnd ? [seen.key, JobKey(seen.jobID, .rest)] : [seen.key] {
            let found = try runs(
                "number = ? AND part = ? AND submit_time = ?", [key.number, key.storedPart, seen.submitTime])
            if let run = found.first { return run }
        }
        return nil
    }

    /// slurmdbd gives a job that changed its size a new row, whose submit time lies within the run. A requeued run's does
    /// not lie before the end of the one before.
    private func isPartOfKnownRun(_ seen: JobObservation) throws -> Bool {
        guard seen.source == .accounting else { return false }
        return try runs(
            "number = ? AND part = ? AND start_time <= ? AND submit_time < ? AND end_time > ? LIMIT 1",
            [seen.key.number, seen.key.storedPart, seen.submitTime, seen.submitTime, seen.submitTime]
        ).first != nil
    }

    private func noteTime(_ asOf: Int64, of run: RunRow) throws {
        guard asOf != run.record.asOf else { return }
        try database.cachedStatement(sql: "UPDATE runs SET as_of = ? WHERE id = ?").execute(arguments: [asOf, run.id])
    }

    /// A run in doubt that turns up again is in doubt no more.
    private func stillThere(_ run: RunRow, _ seen: JobObservation) throws -> Bool {
        if seen.source == .controller, run.record.phase.isOpen {
            try database.cachedStatement(
                sql: """
                    UPDATE runs SET missing_since = NULL, missing_answers = 0 WHERE id = ? AND missing_since IS NOT NULL
                    """
            ).execute(arguments: [run.id])
        }
        return false
    }

    mutating func finish(_ outcome: RunFold.Outcome, _ job: inout JobRow, _ seen: JobObservation) throws {
        for kind in outcome.transitions { try append(kind, &job, run: outcome.run, source: seen.source) }
        if outcome.needsLook { try addHint(JobHint(jobID: seen.jobID, reason: .settle, time: now)) }
        // One record for a pending array ends every task in it.
        if outcome.run.key.part == .rest, outcome.transitions.contains(.ended),
            let tasks = outcome.run.details.arrayTasks
        {
            try endTasks(ArrayTasks(tasks), of: outcome.run, seen)
        }
    }

    /// A run that is told of only after a later one of its key: it is over, and what came after it has been told.
    private mutating func insertLate(_ outcome: RunFold.Outcome, _ seen: JobObservation, before later: RunRow) throws
        -> Bool
    {
        // An answer from before the later run was there says nothing of an end.
        guard !outcome.run.phase.isOpen || outcome.run.phase == .closing else { return false }
        let wasPutBack =
            seen.state.isRequeueing || later.record.restarts ?? 0 > 0 || policy.mayTakeBack(seen.state.base)
        let isSameJob = later.record.mayBelongTogether(with: seen) && wasPutBack
        var run = outcome.run
        run.phase = isSameJob ? .requeued : .ended
        guard var job = isSameJob ? try job(later.job) : try owner(of: seen) else { return false }
        _ = try insert(run, job: job.id)
        if run.toldRunning { try append(.running, &job, run: run, source: seen.source) }
        try append(isSameJob ? .requeued : .ended, &job, run: run, source: seen.source)
        return true
    }

    /// The job that a run not seen before belongs to; nil when that cannot be said yet.
    /// - Parameter previous: the last run of the same key.
    private mutating func jobOfNewRun(
        _ seen: JobObservation, after previous: RunRow?, force: Bool
    ) throws -> JobRow? {
        // It was put back before, and what the plugin says of that is still on its way: slurmdbd is asked first, so that the
        // job's runs are told in their order.
        if previous == nil, seen.source == .controller, seen.restarts ?? 0 > 0, !force {
            try addHint(JobHint(jobID: seen.jobID, reason: .superseded, time: now))
            return nil
        }
        var predecessor: JobRow?
        if let previous, previous.record.submitTime < seen.submitTime {
            let belongs = previous.record.mayBelongTogether(with: seen)
            let wasOpen = previous.record.phase.isOpen
            if wasOpen, !(try supersede(previous, by: seen, belongs: belongs, force: force)) { return nil }
            let goesOn =
                wasOpen || previous.record.phase == .requeued || seen.restarts ?? 0 > 0
                || previous.record.vanishedInQueue
            if belongs, goesOn { predecessor = try job(previous.job) }
        }
        return try owner(of: seen, else: predecessor)
    }

    /// Ends an open run because a later one of the same key is there.
    /// - Returns: false when its end is not known and Slurm has still to be asked.
    mutating func supersede(
        _ previous: RunRow, by seen: JobObservation, belongs: Bool, force: Bool
    ) throws -> Bool {
        var run = previous
        // One more restart means that it ran in between, if only for a moment: slurmdbd knows from when to when. None at all means
        // that nothing came before: a slurmctld that was killed has given the number away again, and slurmdbd knows what
        // became of the first.
        let neverRan =
            belongs && run.record.phase == .pending && seen.restarts != 0
            && seen.restarts ?? 0 <= run.record.restarts ?? 0
        guard force || run.record.knowsEnd || neverRan else {
            try addHint(JobHint(jobID: seen.jobID, reason: .superseded, time: now))
            return false
        }
        var job = try job(run.job)
        if belongs {
            run.record.phase = .requeued
            if run.record.state?.isEnd != true { run.record.state = nil }
            // slurmctld gives a job a new submit time when it puts it back: if nobody has the end, that is it.
            if run.record.endTime == nil, run.record.toldRunning, let start = run.record.startTime,
                seen.submitTime >= start
            {
                run.record.endTime = seen.submitTime
                run.record.elapsed = run.record.elapsed ?? seen.submitTime - start
            }
            try update(run)
            try append(.requeued, &job, run: run.record, source: seen.source)
        } else if run.record.knowsEnd, run.record.state?.isEnd == true {
            run.record.phase = .ended
            try update(run)
            try append(.ended, &job, run: run.record, source: seen.source)
        } else {
            run.record.phase = .vanished
            try update(run)
            try append(
                .vanished, &job, run: run.record, source: seen.source,
                message: "Slurm forgot it: its number belongs to another job now")
            try addHint(JobHint(jobID: run.record.jobID, reason: .vanished, time: now))
        }
        return true
    }

    func note(_ mark: Ledger.Mark) throws {
        try database.cachedStatement(
            sql: """
                INSERT INTO marks VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET
                    sequence = max(sequence, excluded.sequence), dropped = max(dropped, excluded.dropped),
                    heard_at = excluded.heard_at
                """
        ).execute(arguments: [
            Data(mark.bootID), Int64(clamping: mark.sequence), Int64(clamping: mark.dropped), now,
        ])
    }

    func keep(_ frame: Ledger.RefusedFrame) throws {
        let count =
            try Int.fetchOne(
                database, sql: "SELECT value FROM counters WHERE name = 'refused_frames' AND gateway = ''") ?? 0
        guard count < Ledger.refusedFramesLimit else { return }
        try database.execute(
            sql: "INSERT INTO refused_frames (at, peer, reason, bytes) VALUES (?, ?, ?, ?)",
            arguments: [now, frame.peer, frame.reason, Data(frame.bytes)])
    }
}
