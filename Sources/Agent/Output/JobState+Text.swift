// SPDX-License-Identifier: GPL-3.0-or-later

internal import JobLifecycle
internal import Slurm

extension JobState {
    /// For people: as squeue prints it, and of a job that another cluster of the federation has what it is there.
    var text: String {
        guard isRevoked else { return description }
        return hasEnded ? "REVOKED (\(base.map(\.description) ?? "over") on another cluster)" : "REVOKED"
    }

    /// Another cluster of the federation has the job.
    var isRevoked: Bool { flags.contains(.revoked) }

    /// It has ended, and slurmctld will not put it back by itself once its nodes are clean.
    func isOver(_ policy: RequeuePolicy) -> Bool {
        guard hasEnded else { return false }
        guard flags.contains(.completing), let base = SchedulerState(self)?.base else { return true }
        return !policy.mayTakeBack(base)
    }
}
