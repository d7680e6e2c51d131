// SPDX-License-Identifier: GPL-3.0-or-later

internal import Support

/// The one rule by which an observation changes what is known of its run. No I/O.
struct RunFold {
    var policy: RequeuePolicy

    struct Outcome: Equatable {
        var run: RunRecord
        /// In this order; empty when nothing is new to a consumer.
        var transitions: [JobTransition.Kind] = []
        /// slurmctld must be asked whether the job goes on.
        var needsLook = false

        /// Whether more than the time has changed.
        func isNews(after known: RunRecord) -> Bool {
            var unchanged = run
            unchanged.asOf = known.asOf
            return unchanged != known || !transitions.isEmpty
        }
    }

    /// - Parameter run: what is known of the very run that `seen` speaks of; nil when it is new.
    /// - Returns: nil when `seen` says nothing new.
    func fold(_ run: RunRecord?, _ seen: JobObservation) -> Outcome? {
        guard let known = run else { return first(seen) }
        guard known.phase.isOpen || isTakenBack(known, by: seen) else { return corrected(known, by: seen) }
        var outcome = Outcome(run: known)
        if known.phase == .dispersed { outcome.run.phase = .pending }
        outcome.run.details.update(from: Self.details(seen, of: known), isNewer: seen.time >= known.asOf)
        apply(seen, &outcome)
        // slurmdbd is told late: when it was asked says nothing of when that was so.
        if seen.source != .accounting, seen.time > known.asOf { outcome.run.asOf = seen.time }
        if outcome.isNews(after: known) || outcome.needsLook { return outcome }
        // A later look at the same is no news worth a write, but where an overtaken answer would say otherwise.
        return outcome.run.asOf != known.asOf && order(counts: known) ? outcome : nil
    }

    /// Of a job that ends slurmctld names only the nodes that are not clean yet: where it ran is known from before.
    private static func details(_ seen: JobObservation, of known: RunRecord) -> JobDetails {
        var details = seen.details
        let isOver = seen.state.base.isEnd || seen.state.isRequeueing
        if seen.source == .controller, isOver, known.details.nodes != nil { details.nodes = nil }
        return details
    }

    /// Whether what slurmctld says of such a run goes forth and back, so that the order of its answers counts.
    private func order(counts run: RunRecord) -> Bool {
        switch run.phase {
        case .running, .suspended: true
        case .pending: run.state != .pending
        case .closing, .ended, .requeued, .vanished, .dispersed, .undone: false
        }
    }

    /// A slurmctld that was killed has forgotten that the last task of an array was split off: the array's record is there
    /// again. slurmdbd's row of that number is of the task.
    private func isTakenBack(_ run: RunRecord, by seen: JobObservation) -> Bool {
        run.phase == .dispersed && seen.source != .accounting && seen.time > run.asOf
            && (seen.state.base == .pending || seen.state.base.isEnd)
    }

    /// The end of a run that was given up is known after all. What was told of it cannot be untold: this is told beside it.
    private func corrected(_ known: RunRecord, by seen: JobObservation) -> Outcome? {
        guard known.phase == .vanished, seen.tellsEnd, seen.endTime != nil else { return nil }
        // That it was put back is no end of the job, and nothing new of a run that was known to be.
        guard seen.state.isRequeueing ? !known.knowsEnd : policy.isLastWord(seen) else { return nil }
        var outcome = Outcome(run: known)
        outcome.run.details.update(from: Self.details(seen, of: known), isNewer: seen.time >= known.asOf)
        takeEnd(seen, &outcome)
        outcome.run.phase = seen.state.isRequeueing ? .requeued : .ended
        outcome.transitions.append(.corrected)
        return outcome
    }

    private func first(_ seen: JobObservation) -> Outcome {
        let asOf =
            seen.source == .accounting
            ? min(seen.time, seen.submitTime.saturatingMultiply(1_000_000)) : seen.time
        let run = RunRecord(
            key: seen.key, jobID: seen.jobID, submitTime: seen.submitTime, restarts: seen.restarts, phase: .pending,
            state: .pending, details: seen.details, asOf: asOf, toldRunning: false)
        var outcome = Outcome(run: run)
        apply(seen, &outcome)
        if outcome.run.phase == .pending { outcome.transitions = [.pending] }
        return outcome
    }

    private func apply(_ seen: JobObservation, _ outcome: inout Outcome) {
        if seen.state.isResizing {
            // A job that changes its size runs.
            if outcome.run.phase == .pending { tellRunning(seen, &outcome) }
            return
        }
        switch seen.state.base {
        case .pending: foldPending(seen, &outcome)
        case .running, .suspended: foldActive(seen, &outcome)
        default: foldEnd(seen, &outcome)
        }
    }

    private func foldPending(_ seen: JobObservation, _ outcome: inout Outcome) {
        if seen.state.isRevoked, seen.source == .accounting {
            // slurmdbd's word for a job that another cluster has, waiting there or over.
            foldEnd(seen, &outcome)
            return
        }
        let counted = seen.restarts.map { $0 > outcome.run.restarts ?? $0 } ?? false
        if seen.state.isCompleting || seen.state.isRequeueing || counted {
            // Requeued: until its nodes are clean the job keeps the old submit time (slurm.md G).
            if outcome.run.phase != .closing || seen.endTime != nil { close(seen, &outcome) }
            return
        }
        // Otherwise it is what we know, or a look from before the run began.
        guard outcome.run.phase == .pending, seen.source != .accounting, seen.time >= outcome.run.asOf else { return }
        outcome.run.state = seen.state.isRevoked ? .revoked : .pending
        outcome.run.startTime = nil
    }

    private func foldActive(_ seen: JobObservation, _ outcome: inout Outcome) {
        guard outcome.run.phase != .closing else { return }
        guard seen.source == .controller else {
            // slurmdbd and the plugin are told of an allocation before slurmctld knows whether its nodes are ready.
            outcome.needsLook = !outcome.run.toldRunning
            return
        }
        let isNewer = seen.time >= outcome.run.asOf
        if seen.state.isConfiguring {
            guard outcome.run.phase == .pending, isNewer else { return }
            outcome.run.state = .running
            outcome.run.startTime = seen.state.isPoweringUp ? seen.startTime : nil
            return
        }
        if isNewer || !outcome.run.toldRunning { outcome.run.startTime = seen.startTime ?? outcome.run.startTime }
        if isNewer || outcome.run.restarts == nil { outcome.run.restarts = seen.restarts ?? outcome.run.restarts }
        if !outcome.run.toldRunning { tellRunning(seen, &outcome) }
        let phase: RunRecord.Phase = seen.state.base == .suspended ? .suspended : .running
        // Answers may overtake each other; the question that was asked later counts.
        if phase != outcome.run.phase, isNewer {
            outcome.run.phase = phase
            outcome.run.state = seen.state.base
            outcome.transitions.append(phase == .suspended ? .suspended : .resumed)
        }
    }

    private func tellRunning(_ seen: JobObservation, _ outcome: inout Outcome) {
        outcome.run.phase = .running
        outcome.run.state = .running
        outcome.run.startTime = seen.startTime ?? outcome.run.startTime
        outcome.run.toldRunning = true
        outcome.transitions.append(.running)
    }

    private func foldEnd(_ seen: JobObservation, _ outcome: inout Outcome) {
        let wasClosing = outcome.run.phase == .closing
        if !seen.isForgotten {
            if wasClosing, seen.source != .controller {
                // Whether it goes on has been asked, and only slurmctld knows.
                if !outcome.run.knowsEnd { takeEnd(seen, &outcome) }
                return
            }
            if seen.source == .accounting, outlives(outcome.run, seen) {
                outcome.needsLook = true
                return
            }
        }
        if policy.isLastWord(seen) {
            takeEnd(seen, &outcome)
            outcome.run.phase = .ended
            outcome.transitions.append(.ended)
        } else if seen.state.isRevoked, !seen.state.isRequeueing {
            // slurmdbd cannot tell a job that waits on another cluster from one that ended there.
            outcome.needsLook = true
        } else {
            close(seen, &outcome)
            outcome.needsLook = !wasClosing && !seen.state.isRequeueing
        }
    }

    /// slurmctld or its plugin told of the run as open when, by slurmdbd, it was over: a slurmctld that was killed has taken
    /// it back, or the row is of another record with its number. A second may lie between two clocks' seconds.
    private func outlives(_ run: RunRecord, _ row: JobObservation) -> Bool {
        guard run.phase != .closing, let end = row.endTime else { return false }
        return run.asOf > end.saturatingAdd(1).saturatingMultiply(1_000_000)
    }

    private func close(_ seen: JobObservation, _ outcome: inout Outcome) {
        takeEnd(seen, &outcome)
        outcome.run.phase = .closing
    }

    private func takeEnd(_ seen: JobObservation, _ outcome: inout Outcome) {
        // Of a job that another cluster had, times and exit code are of what happened there.
        if seen.state.isRevoked {
            outcome.run.state = .revoked
            outcome.run.endTime = seen.endTime ?? outcome.run.endTime
            return
        }
        // A start that nobody told of is told before the end is.
        let ran = seen.startTime != nil && seen.wasPlaced && !endedConfiguring(outcome.run, seen)
        outcome.run.restarts = outcome.run.restarts ?? seen.restarts
        outcome.run.startTime = seen.startTime ?? outcome.run.startTime
        outcome.run.endTime = seen.endTime ?? outcome.run.endTime
        outcome.run.elapsed = seen.elapsed ?? outcome.run.elapsed
        outcome.run.exitStatus = seen.exitStatus ?? outcome.run.exitStatus
        if seen.state.base.isEnd {
            outcome.run.state = seen.state.base
        } else if outcome.run.state?.isEnd != true {
            outcome.run.state = nil
        }
        if !outcome.run.toldRunning, ran {
            outcome.run.toldRunning = true
            outcome.transitions.append(.running)
        }
    }

    /// Its nodes were being started when it was last seen, and slurmctld has not set the start time again since, as it does
    /// when they are up.
    private func endedConfiguring(_ run: RunRecord, _ seen: JobObservation) -> Bool {
        run.phase == .pending && run.state == .running && run.startTime != nil && run.startTime == seen.startTime
    }
}
