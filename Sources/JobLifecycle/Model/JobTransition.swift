// SPDX-License-Identifier: GPL-3.0-or-later

/// One step in a job's life, numbered in the order in which the ledger learned of it. What gateways and `journal` get.
///
/// Its JSON form (snake case) is documented in `docs/ledger.md` and only grows.
public struct JobTransition: Sendable, Hashable, Codable {
    public enum Kind: String, Sendable, Hashable, Codable, CaseIterable {
        /// A request of ours was refused before it became a Slurm job. Final.
        case refused
        /// Slurm has the job, held; its number is known.
        case submitted
        /// In the queue.
        case pending
        case running
        case suspended
        case resumed
        /// This run is over, the job is not: Slurm put it back into the queue.
        case requeued
        /// The run is over and so is the job.
        case ended
        /// slurmctld was killed before it saved that it had put the job back, and has this run again: its `requeued` does not
        /// count, nor what was told of later runs. `endTime` and `elapsed` are those of that `requeued`; the state is the run's.
        case restored
        /// Slurm has forgotten the job: not in slurmctld, and no end in slurmdbd, in two answers apart. Final.
        case vanished
        /// slurmdbd learned the end of a run after it had been told as vanished: how it ended, and when. Never final, and
        /// nobody hears of it who was told the end of the job.
        case corrected
    }

    /// Why a request never became a job.
    public enum Refusal: String, Sendable, Hashable, Codable {
        /// Slurm, or our own check before it, said no.
        case scheduler
        /// What became of its submission can no longer be known.
        case doubt
        /// The gateway took it back in time.
        case withdrawn
    }

    /// Of the ledger; grows, may have holes.
    public var sequence: Int64
    public var kind: Kind
    /// Nothing more will come of this job; at most one transition of a job says so.
    public var isFinal: Bool
    /// When the ledger wrote it, Unix microseconds.
    public var recordedAt: Int64
    /// Who said it.
    public var source: JobObservation.Source?
    /// The ledger's own number of the job, never used again.
    public var ledgerJob: Int64
    /// `7`, `7_3`, `7_[]`; nil for a request that never became a job.
    public var job: String?
    /// Slurm's own number.
    public var jobID: UInt32?
    public var submitTime: Int64?
    public var restarts: UInt32?
    /// Slurm's word; nil when it is not known.
    public var state: SchedulerState.Base?
    public var startTime: Int64?
    public var endTime: Int64?
    /// Seconds, without suspensions.
    public var elapsed: Int64?
    /// Wait status.
    public var exitStatus: UInt32?
    public var details: JobDetails
    public var gateway: String?
    public var externalID: String?
    public var claim: Int64?
    /// Why, for a refusal or a vanished job.
    public var message: String?
    public var refusal: Refusal?

    /// What the process returned; nil unless it exited.
    public var exitCode: UInt32? {
        exitStatus.flatMap { $0 & 0x7f == 0 ? ($0 >> 8) & 0xff : nil }
    }

    /// The signal that ended it.
    public var exitSignal: UInt32? {
        exitStatus.flatMap { $0 & 0x7f == 0 ? nil : $0 & 0x7f }
    }

    enum CodingKeys: String, CodingKey {
        case sequence, kind
        case isFinal = "final"
        case recordedAt = "recorded_at_us"
        case source
        case ledgerJob = "ledger_job"
        case job
        case jobID = "job_id"
        case submitTime = "submit_time"
        case restarts, state
        case startTime = "start_time"
        case endTime = "end_time"
        case elapsed
        case exitStatus = "exit_status"
        case details, gateway
        case externalID = "external_id"
        case claim, message, refusal
    }
}
