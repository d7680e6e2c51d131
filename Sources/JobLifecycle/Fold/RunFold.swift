// SPDX-License-Identifier: GPL-3.0-or-later

/// What Slurm may do with a job whose run ended, as far as the cluster's configuration tells.
public struct RequeuePolicy: Sendable, Hashable {
    /// slurm.conf sets RequeueExit or RequeueExitHold: a job that ends with such a code goes back to the queue once its
    /// nodes are clean.
    public var exitCodesRequeue: Bool

    public init(exitCodesRequeue: Bool = false) {
        self.exitCodesRequeue = exitCodesRequeue
    }

    /// Whether an end in this state, as this source tells it, may be followed by a requeue.
    func mayRequeue(_ state: SchedulerState, _ source: JobObservation.Source) -> Bool {
        switch state.base {
        case .nodeFail, .preempted, .bootFail:
            // slurmctld logs the end and puts the job back within one lock: whoever asks it sees the outcome, the
            // record of its plugin does not.
            source == .plugin
        case .failed, .outOfMemory:
            // Decided when the last node is clean.
            exitCodesRequeue && (source == .plugin || state.isCompleting)
        default:
            false
        }
    }
}

/// The one rule by which an observation changes what is known of its run. No I/O.
struct RunFold {
    var policy: RequeuePolicy

    struct Outcome: Equatable {
        var run: RunRecord
        /// In this order; empty when nothing is new to a consumer.
        var transitions: [JobTransition.Kind] = []
        /// slurmctld must be asked whether the job goes on.
        var needsLook = false
    }

    /// - Parameter run: what is known of the very run that `seen` speaks of; nil when it is new.
    /// - Returns: nil when `seen` says nothing new, or what cannot be of a run.
    func fold(_ run: RunRecord?, _ seen: JobObservation) -> Outcome? {
        if seen.state.isRevoked { return nil }
        guard let known = run else { return first(seen) }
        guard known.phase.isOpen else { return nil }
        var outcome = Outcome(run: known)
        outcome.run.details.update(from: seen.details)
        if !seen.state.isResizing {
            switch seen.state.base {
            case .pending: foldPending(seen, &outcome)
            case .running, .suspended: foldActive(seen, &outcome)
            default: foldEnd(seen, &outcome)
            }
        }
        if seen.time > outcome.run.asOf { outcome.run.asOf = seen.time }
        // A later look at the same is no news worth a write.
        var unchanged = outcome.run
        unchanged.asOf = known.asOf
        return unchanged == known && outcome.transitions.isEmpty && !outcome.needsLook ? nil : outcome
    }

    private func first(_ seen: JobObservation) -> Outcome {
        var run = RunRecord(
            key: seen.key, jobID: seen.jobID, submitTime: seen.submitTime, restarts: seen.restarts, phase: .pending,
            state: .pending, details: seen.details, asOf: seen.time, toldRunning: false)
        if seen.state.isResizing {
            // A job that changes its size runs.
            run.phase = .running
            run.state = .running
            run.startTime = seen.startTime
            run.toldRunning = true
            return Outcome(run: run, transitions: [.running])
        }
        var outcome = Outcome(run: run)
        switch seen.state.base {
        case .pending:
            if seen.state.isCompleting || seen.state.isRequeueing {
                close(seen, &outcome)
            } else {
                outcome.transitions = [.pending]
            }
        case .running, .suspended: foldActive(seen, &outcome)
        default: foldEnd(seen, &outcome)
        }
        return outcome
    }

    private func foldPending(_ seen: JobObservation, _ outcome: inout Outcome) {
        let counted = seen.restarts.map { $0 > outcome.run.restarts ?? $0 } ?? false
        if seen.state.isCompleting || seen.state.isRequeueing || counted {
            // Requeued: until its nodes are clean the job keeps the old submit time (slurm.md G).
            if outcome.run.phase != .closing || seen.endTime != nil { close(seen, &outcome) }
        }
        // Otherwise it is what we know, or a look from before the run began.
    }

    private func foldActive(_ seen: JobObservation, _ outcome: inout Outcome) {
        guard outcome.run.phase != .closing else { return }
        outcome.run.startTime = seen.startTime ?? outcome.run.startTime
        outcome.run.restarts = seen.restarts ?? outcome.run.restarts
        if !outcome.run.toldRunning {
            outcome.transitions.append(.running)
            outcome.run.toldRunning = true
            outcome.run.phase = .running
            outcome.run.state = .running
        }
        let phase: RunRecord.Phase = seen.state.base == .suspended ? .suspended : .running
        // Answers may overtake each other; the question that was asked later counts.
        if phase != outcome.run.phase, seen.time >= outcome.run.asOf {
            outcome.run.phase = phase
            outcome.run.state = seen.state.base
            outcome.transitions.append(phase == .suspended ? .suspended : .resumed)
        }
    }

    private func foldEnd(_ seen: JobObservation, _ outcome: inout Outcome) {
        if outcome.run.phase == .closing, seen.source == .plugin { return }
        if seen.state.isRequeueing {
            close(seen, &outcome)
        } else if policy.mayRequeue(seen.state, seen.source) {
            let alreadyAsked = outcome.run.phase == .closing
            close(seen, &outcome)
            outcome.needsLook = !alreadyAsked
        } else {
            takeEnd(seen, &outcome)
            outcome.run.phase = .ended
            outcome.transitions.append(.ended)
        }
    }

    private func close(_ seen: JobObservation, _ outcome: inout Outcome) {
        takeEnd(seen, &outcome)
        outcome.run.phase = .closing
    }

    private func takeEnd(_ seen: JobObservation, _ outcome: inout Outcome) {
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
        // A start that nobody told of is told before the end is. A job cancelled in the queue has no nodes.
        if !outcome.run.toldRunning, seen.startTime != nil, seen.details.nodes != nil {
            outcome.run.toldRunning = true
            outcome.transitions.append(.running)
        }
    }
}
