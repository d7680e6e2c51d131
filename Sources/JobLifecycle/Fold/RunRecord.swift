// SPDX-License-Identifier: GPL-3.0-or-later

/// One run of a job, as far as it is known.
public struct RunRecord: Sendable, Hashable {
    public enum Phase: String, Sendable, Hashable, Codable, CaseIterable {
        case pending, running, suspended
        /// Over, but whether the job is over with it Slurm has still to say.
        case closing
        case ended, requeued, vanished
        /// The record of an array's pending rest, all of whose tasks have been split off.
        case dispersed
        /// It followed a run that was put back, and slurmctld was killed before it saved that: it never was. One that is known
        /// to have ended all the same was told as `requeued`.
        case undone

        public var isOpen: Bool {
            switch self {
            case .pending, .running, .suspended, .closing: true
            case .ended, .requeued, .vanished, .dispersed, .undone: false
            }
        }
    }

    public var key: JobKey
    public var jobID: UInt32
    public var submitTime: Int64
    public var restarts: UInt32?
    public var phase: Phase
    /// nil for a run that was put back into the queue while it ran: Slurm has no word for how it ended. Of a pending run also
    /// `running`, when it has nodes that are not ready yet, and `revoked`, when another cluster has the job.
    public var state: SchedulerState.Base?
    /// Of a run whose nodes are being started: when it was given them.
    public var startTime: Int64?
    public var endTime: Int64?
    public var elapsed: Int64?
    public var exitStatus: UInt32?
    public var details: JobDetails
    /// When what is here was so, Unix microseconds: by slurmctld or its plugin. What slurmdbd says is older than its answer.
    public var asOf: Int64
    /// Consumers were told that it ran.
    public var toldRunning: Bool

    /// When and how it ended is on record; a run that is known to be over may lack it.
    var knowsEnd: Bool { endTime != nil }

    /// All that was heard of its end is that the job was put back.
    var vanishedInQueue: Bool { phase == .vanished && knowsEnd && state?.isEnd != true }

    /// Whether `other` may be of the same job: Slurm uses numbers again, and after a crash it may do so soon.
    func mayBelongTogether(with other: JobObservation) -> Bool {
        // A run whose owner nobody told never ran (JobObservation.isOnlyEnd): nothing came before or after it.
        guard let user = details.userID, user == other.details.userID else { return false }
        return details.name == nil || other.details.name == nil || details.name == other.details.name
    }
}
