// SPDX-License-Identifier: GPL-3.0-or-later

/// What Slurm may do by itself with a job whose run ended, as far as the cluster's configuration tells.
public struct RequeuePolicy: Sendable, Hashable {
    /// slurm.conf sets RequeueExit or RequeueExitHold, or lets users ask for an expedited requeue: a job that ends with such
    /// a code goes back to the queue once its nodes are clean.
    public var exitCodesRequeue: Bool
    /// One that succeeded may, too: slurm.conf lets users have crontabs, or sets RequeueExit for 0.
    public var successRequeues: Bool

    public init(exitCodesRequeue: Bool = false, successRequeues: Bool = false) {
        self.exitCodesRequeue = exitCodesRequeue
        self.successRequeues = successRequeues
    }

    /// Whether slurmctld, having told of an end in this state, may put the job back. The sources of the rule are in
    /// docs/ledger.md, "When an end is final".
    public func mayTakeBack(_ state: SchedulerState.Base) -> Bool {
        switch state {
        case .nodeFail, .preempted, .bootFail:
            // Logged as the end of the run, and put back within the same lock, or by the next request of a node.
            true
        case .failed, .outOfMemory, .timeout, .deadline:
            // job_hold_requeue() decides by the exit code when the last node is clean; also that of a script that was
            // ended for its time and left with a code of its own.
            exitCodesRequeue || successRequeues
        case .completed:
            successRequeues
        case .cancelled, .revoked:
            // Both are asked for before anything else is.
            false
        case .pending, .running, .suspended:
            true
        }
    }

    /// Whether nothing can follow the end that this tells of. Otherwise slurmctld has to be asked.
    func isLastWord(_ seen: JobObservation) -> Bool {
        if seen.state.isRequeueing { return false }
        if seen.isForgotten { return true }
        // slurmdbd's word for it is the same whether the job waits on another cluster or ended there.
        if seen.state.isRevoked { return seen.source != .accounting }
        if seen.source == .controller, !seen.state.isCompleting { return true }
        return !mayTakeBack(seen.state.base)
    }
}
