// SPDX-License-Identifier: GPL-3.0-or-later

internal import JobLifecycle

/// How a job ended in Slurm, and what the chain is told of it: the table in `docs/deepsquare.md`.
struct Ending: Sendable, Hashable, Codable {
    /// nil: Slurm has forgotten the job, and slurmdbd knows no end of it.
    var state: SchedulerState.Base?
    /// Wait status.
    var exitStatus: UInt32?
    /// When it became known here, Unix seconds.
    var knownAt: Int64

    var status: ChainJobStatus {
        switch state {
        case .completed: .finished
        case .timeout: .outOfCredits
        case .cancelled: .cancelled
        case .failed, .nodeFail, .outOfMemory, .preempted, .deadline, .bootFail, .revoked: .failed
        // No end at all, or none that Slurm has a word for.
        case nil, .pending, .running, .suspended: .panicked
        }
    }

    /// What the customer reads; empty for a job that did what it was to do.
    var words: String {
        switch state {
        case .completed: ""
        case .timeout: "the job reached its time limit"
        case .cancelled: "the job was cancelled"
        case .nodeFail: "a node of the job failed"
        case .outOfMemory: "the job ran out of memory"
        case .preempted: "the job was preempted by the cluster"
        case .deadline: "the job could not end before its deadline"
        case .bootFail: "the job's nodes did not boot"
        case .revoked: "another cluster of the federation has the job"
        case .failed: failure
        case nil, .pending, .running, .suspended: "the cluster lost the job: neither Slurm nor its accounting knows it"
        }
    }

    private var failure: String {
        guard let exitStatus else { return "the job failed" }
        return exitStatus & 0x7f == 0
            ? "the job failed with exit code \(exitStatus >> 8 & 0xff)" : "signal \(exitStatus & 0x7f) ended the job"
    }

    /// For a timeline: `COMPLETED`; `FAILED, exit code 3`; `FAILED, signal 9`.
    var shown: String {
        let word = state?.rawValue ?? "unknown"
        guard let exitStatus, exitStatus != 0 else { return word }
        return exitStatus & 0x7f == 0
            ? "\(word), exit code \(exitStatus >> 8 & 0xff)" : "\(word), signal \(exitStatus & 0x7f)"
    }

    func exitCode(_ form: GridSettings.ExitCodeForm) -> Int64 {
        let status = exitStatus ?? 0
        switch form {
        case .waitStatus: return Int64(status)
        case .code: return status & 0x7f == 0 ? Int64(status >> 8 & 0xff) : 128 + Int64(status & 0x7f)
        }
    }

    /// The contract keeps what it is given and the customer pays for it in gas of ours: at most this many bytes.
    static let errorLimit = 256

    /// Cut at a character's border.
    static func bounded(_ text: String) -> String {
        if text.utf8.count <= errorLimit { return text }
        var kept = Substring(text)
        while kept.utf8.count > errorLimit - 3 { kept = kept.dropLast() }
        return kept + "…"
    }
}
