// SPDX-License-Identifier: GPL-3.0-or-later

internal import JobLifecycle
internal import Support

/// What Slurm says of a claim.
extension GridClaim {
    mutating func take(_ transition: JobTransition, now: Int64) {
        guard transition.sequence > slurm.sequence else { return }
        slurm.sequence = transition.sequence
        slurm.isOrdered = true
        if transition.kind == .submitted, let former = slurm.jobID, transition.jobID != former {
            // Slurm lost the job, and has a new one: what was done to the former says nothing of it.
            slurm.isCancelled = false
            if slurm.limit != nil { slurm.limit = 0 }
        }
        slurm.jobID = transition.jobID ?? slurm.jobID
        let told = transition.recordedAt / 1_000_000
        switch transition.kind {
        case .pending, .suspended, .resumed:
            break
        // What was told first is what the chain was told.
        case .corrected:
            break
        case .submitted:
            note(.submitted, at: told, transition.jobID.map(String.init))
        case .running:
            slurm.hasStarted = true
            note(.started, at: transition.startTime ?? told)
        case .requeued:
            slurm.seconds = slurm.seconds.saturatingAdd(seconds(of: transition))
            slurm.isCancelled = false
            note(.requeued, at: transition.endTime ?? told)
        case .restored:
            // What the run had used up until then is in what its own end tells.
            slurm.seconds = max(0, slurm.seconds.saturatingSubtract(seconds(of: transition)))
            slurm.isCancelled = false
            note(.restored, at: told)
        case .ended:
            if slurm.ending == nil { slurm.seconds = slurm.seconds.saturatingAdd(seconds(of: transition)) }
            finish(transition.state, transition.exitStatus, at: transition.endTime ?? told, now: now)
        case .vanished:
            finish(nil, nil, at: told, now: now)
        case .refused:
            slurm.isOver = true
            let why = transition.message ?? "the cluster took no such job"
            note(.refusedBySlurm, at: told, Ending.bounded(why))
            switch verdict {
            case .accepted, .undecided: refuse(transition.refusal, why)
            case .refused, .failed: break
            }
        }
    }

    /// The ledger does not have it any more, or less of it than it had: what Slurm says is taken in from its beginning.
    mutating func forgetSlurm() {
        var fresh = SlurmPart()
        fresh.former = slurm.jobID ?? slurm.former
        slurm = fresh
    }

    /// Its end is known, or it becomes no job.
    var needsNothingOfSlurm: Bool {
        switch verdict {
        case .accepted: slurm.ending != nil
        case .refused, .failed: !slurm.isLive
        case .undecided: false
        }
    }

    private func seconds(of transition: JobTransition) -> Int64 {
        if let elapsed = transition.elapsed { return max(0, elapsed) }
        guard let start = transition.startTime, let end = transition.endTime else { return 0 }
        return max(0, end.saturatingSubtract(start))
    }

    /// On the chain it runs, and neither Slurm nor its accounting knows it.
    mutating func lost(now: Int64) {
        verdict = .accepted
        finish(nil, nil, at: now, now: now)
    }

    private mutating func finish(
        _ state: SchedulerState.Base?, _ exitStatus: UInt32?, at time: Int64, now: Int64
    ) {
        guard slurm.ending == nil else { return }
        slurm.isOver = true
        let ending = Ending(state: state, exitStatus: exitStatus, knownAt: now)
        slurm.ending = ending
        if state == nil { note(.lost, at: time) } else { note(.ended, at: time, ending.shown) }
    }
}
