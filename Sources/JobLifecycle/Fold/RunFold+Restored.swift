// SPDX-License-Identifier: GPL-3.0-or-later

/// slurmctld was killed before it saved that it had put a job back: it has the run before again, and the one after never was.
extension RunFold {
    /// What was told after a run that was put back.
    struct Sequel {
        /// The later runs of the job, in order; those that never were are left out.
        var runs: [RunRecord]
        /// When it was written here that the run was put back, Unix microseconds. An answer that was asked for before that
        /// may be from before it.
        var writtenAt: Int64

        /// The run that the job is in, by what is known.
        var current: RunRecord? { runs.last }
    }

    /// - Parameter known: a run that was put back.
    /// - Returns: the run as it is after what `seen` says; nil when it does not say that the run goes on, or went on.
    func restored(_ known: RunRecord, by seen: JobObservation, _ sequel: Sequel) -> Outcome? {
        guard let current = sequel.current, !seen.state.isRevoked, !seen.state.isResizing,
            known.details.userID == nil || known.details.userID == seen.details.userID
        else { return nil }
        let isSo =
            switch seen.source {
            // It may have been on its way since before the run was put back.
            case .plugin: false
            case .controller: current.phase.isOpen && has(known, again: seen, sequel)
            // A run that ended after the next one of its job came was not put back for that one.
            case .accounting: seen.tellsEnd && seen.endTime.map { $0 > current.submitTime } ?? false
            }
        guard isSo else { return nil }
        var run = known
        (run.state, run.endTime, run.elapsed, run.exitStatus) = (nil, nil, nil, nil)
        run.phase = known.toldRunning && seen.state.base != .pending && !seen.state.isConfiguring ? .running : .pending
        run.state = run.phase == .running ? .running : .pending
        if run.phase == .pending { run.startTime = nil }
        run.asOf = max(known.asOf, current.asOf)
        if current.phase == .vanished { return foundOut(run, seen) }
        guard current.phase.isOpen else { return nil }
        guard var outcome = fold(run, seen) else {
            if seen.source != .accounting { run.asOf = seen.time }
            return Outcome(run: run, transitions: [.restored])
        }
        // slurmdbd's word is not enough.
        if seen.source == .accounting, outcome.run.phase.isOpen, outcome.run.phase != .closing { return nil }
        outcome.transitions.insert(.restored, at: 0)
        return outcome
    }

    /// slurmctld itself has the run, asked after all that is known to have come later. A run whose nodes are still being cleaned
    /// keeps its submit time after it was put back.
    private func has(_ known: RunRecord, again seen: JobObservation, _ sequel: Sequel) -> Bool {
        let isLater = sequel.runs.allSatisfy { $0.asOf < seen.time } && max(known.asOf, sequel.writtenAt) < seen.time
        let isPutBack =
            seen.state.isRequeueing || (seen.state.base == .pending && seen.state.isCompleting)
            || seen.restarts ?? 0 > known.restarts ?? 0
        return isLater && !isPutBack
    }

    /// The job was told as vanished in a run that never was. That cannot be untold.
    private func foundOut(_ run: RunRecord, _ seen: JobObservation) -> Outcome? {
        guard !seen.state.isRequeueing, policy.isLastWord(seen), let outcome = fold(run, seen) else { return nil }
        guard outcome.run.phase == .ended else { return nil }
        var corrected = outcome
        corrected.transitions = outcome.transitions.map { $0 == .ended ? .corrected : $0 }
        return corrected
    }

    /// What is said of a run that never was, for all that was known: that it is there after all, or how it ended.
    func again(_ known: RunRecord, by seen: JobObservation) -> Outcome? {
        guard !known.knowsEnd else { return nil }
        switch seen.source {
        case .plugin:
            return nil
        case .controller:
            guard seen.time > known.asOf, !seen.state.isRevoked else { return nil }
            var run = known
            run.phase = .pending
            return fold(run, seen) ?? Outcome(run: run)
        case .accounting:
            guard seen.tellsEnd, seen.endTime != nil, !seen.state.isRevoked else { return nil }
            var run = known
            run.phase = .pending
            var end = seen
            end.isForgotten = true
            guard var outcome = fold(run, end), outcome.run.knowsEnd else { return nil }
            // slurmctld went back to the run before: the job went on.
            outcome.run.phase = .undone
            outcome.transitions = outcome.transitions.filter { $0 == .running } + [.requeued]
            outcome.needsLook = false
            return outcome
        }
    }
}
