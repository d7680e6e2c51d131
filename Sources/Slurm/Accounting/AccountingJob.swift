// SPDX-License-Identifier: GPL-3.0-or-later

/// One run of a job as slurmdbd keeps it. A requeued job has one for each run; (id, submitTime) tells them apart.
///
/// Times are Unix seconds, nil when they have not come.
public struct AccountingJob: Sendable, Hashable, Codable {
    public var id: UInt32
    public var arrayJobID: UInt32?
    public var arrayTaskID: UInt32?
    public var hetJobID: UInt32?
    public var hetJobOffset: UInt32?
    /// slurmdbd's own key of the row.
    public var databaseIndex: UInt64
    public var cluster: String?
    public var name: String
    public var userID: UInt32
    public var groupID: UInt32
    public var userName: String?
    public var account: String?
    public var partition: String?
    public var wckey: String?
    public var state: JobState
    public var exit: ExitStatus
    public var derivedExit: ExitStatus
    public var submitTime: Int64?
    public var eligibleTime: Int64?
    public var startTime: Int64?
    public var endTime: Int64?
    /// Seconds from start to end, less suspensions.
    public var elapsed: UInt32
    /// Seconds.
    public var suspended: UInt32
    /// Minutes; nil: none or not known.
    public var timeLimit: UInt32?
    /// nil before Slurm 23.11.
    public var restartCount: Int64?
    public var nodes: String?
    public var requestedTRES: String?
    /// By TRES number (`1=4,2=100,4=1`), as slurmdbd stores them.
    public var allocatedTRES: String?
    public var adminComment: String?
    public var comment: String?
    public var systemComment: String?
    public var workDirectory: String?

    /// slurmdbd has the job's submission, too. slurmctld tells of an end at once, of the submission of a job that never
    /// ran within 5 s (22.05.8), and never if it is killed before. Until then slurmdbd has name, user number and partition
    /// of its own ("allocation", root, none), and no array or component; user name and account come with the end.
    public var isWhole: Bool { partition != nil }

    /// A run of that job; of any part of it when its whole is meant.
    public func belongs(to job: JobID) -> Bool {
        switch job.part {
        case .whole: id == job.number || arrayJobID == job.number || hetJobID == job.number
        case .arrayTask(let task): arrayJobID == job.number && arrayTaskID == task
        case .hetComponent(let offset): hetJobID == job.number && hetJobOffset == offset
        }
    }
}

/// slurmdbd's answer to a question about jobs.
public struct AccountingAnswer: Sendable {
    public var jobs: [AccountingJob]
    /// slurmdbd shows this process all jobs. When false, what is missing may only be hidden (PrivateData).
    public var isAuthoritative: Bool
}
