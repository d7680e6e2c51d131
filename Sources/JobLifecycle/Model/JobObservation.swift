// SPDX-License-Identifier: GPL-3.0-or-later

/// What one source said of one run of a job at one moment: enough to know which run is meant.
///
/// A report that knows less (a job number and that something happened) is a ``JobHint``.
public struct JobObservation: Sendable, Hashable {
    public enum Source: String, Sendable, Hashable, Codable {
        /// The job completion plugin inside slurmctld.
        case plugin
        /// slurmctld's answer to a question.
        case controller
        /// slurmdbd's answer to a question.
        case accounting
    }

    public var source: Source
    /// When it was so, Unix microseconds: for an answer, when the question was asked.
    public var time: Int64
    public var key: JobKey
    /// Slurm's own number of the record.
    public var jobID: UInt32
    /// Unix seconds. With the key it names the run: slurmctld sets it again at each requeue.
    public var submitTime: Int64
    /// How often the job was requeued; nil where the source does not say (slurmdbd before 23.11).
    public var restarts: UInt32?
    public var state: SchedulerState
    /// Unix seconds, nil while there is none. For a pending job always nil: slurmctld's guess is no fact.
    public var startTime: Int64?
    /// Unix seconds, only for a run that is over.
    public var endTime: Int64?
    /// Seconds the run took, suspensions left out; only for a run that is over.
    public var elapsed: Int64?
    /// The wait status that Slurm keeps as exit code; only for a run that is over.
    public var exitStatus: UInt32?
    public var details: JobDetails
    /// The second mark of a submission (``OrderTag/session(of:)``), if slurmctld's record may have one. Anybody's job can.
    public var session: UInt32?
    /// It was given nodes, and the source does not name all of them: slurmctld, of a job some of whose nodes are clean already.
    public var hasUnnamedNodes = false
    /// It waits, and is not to start before somebody releases it.
    public var isHeld = false
    /// It is held, and not by its user.
    public var isHeldByAdministrator = false
    /// slurmctld was asked once this had been heard of, and has the run no more: nothing can take the end back.
    public var isForgotten = false

    /// It speaks of a run that is over. What slurmdbd says of a job that went to another cluster has no state but that.
    public var tellsEnd: Bool {
        state.base.isEnd || state.isRequeueing || (state.isRevoked && source == .accounting)
    }

    /// It was given nodes. A job that is cancelled in the queue has a start time, and none.
    var wasPlaced: Bool { details.nodes != nil || hasUnnamedNodes }

    /// slurmdbd has the end of a job that never ran, and not its submission: `jobID` and `submitTime` name it, and its key
    /// may be that of an array.
    var isOnlyEnd: Bool { source == .accounting && details.userID == nil }

    public init(
        source: Source, time: Int64, key: JobKey, jobID: UInt32, submitTime: Int64, restarts: UInt32? = nil,
        state: SchedulerState, startTime: Int64? = nil, endTime: Int64? = nil, elapsed: Int64? = nil,
        exitStatus: UInt32? = nil, details: JobDetails = JobDetails()
    ) {
        self.source = source
        self.time = time
        self.key = key
        self.jobID = jobID
        self.submitTime = submitTime
        self.restarts = restarts
        self.state = state
        self.startTime = startTime
        self.endTime = endTime
        self.elapsed = elapsed
        self.exitStatus = exitStatus
        self.details = details
    }
}

/// A job's state in the scheduler's words.
public struct SchedulerState: Sendable, Hashable {
    public enum Base: String, Sendable, Hashable, Codable, CaseIterable {
        case pending = "PENDING"
        case running = "RUNNING"
        case suspended = "SUSPENDED"
        case completed = "COMPLETED"
        case cancelled = "CANCELLED"
        case failed = "FAILED"
        case timeout = "TIMEOUT"
        case nodeFail = "NODE_FAIL"
        case preempted = "PREEMPTED"
        case bootFail = "BOOT_FAIL"
        case deadline = "DEADLINE"
        case outOfMemory = "OUT_OF_MEMORY"
        /// Of a federation: another cluster has the job. Slurm's flag; no source gives it as the base of a state.
        case revoked = "REVOKED"

        public var isEnd: Bool {
            switch self {
            case .pending, .running, .suspended: false
            default: true
            }
        }
    }

    public var base: Base
    /// The nodes are still being cleaned.
    public var isCompleting: Bool
    /// This run is over, but the job goes back to the queue.
    public var isRequeueing: Bool
    /// A record made because the job changed its size; it says nothing of an end.
    public var isResizing: Bool
    /// Another cluster of the federation has the job; what this says of an end beside is that cluster's.
    public var isRevoked: Bool
    /// Nodes are allocated, and are still being made ready: nothing runs yet.
    public var isConfiguring: Bool
    /// They are being started, and slurmctld will set the start time again when they are up.
    public var isPoweringUp: Bool

    public init(
        _ base: Base, isCompleting: Bool = false, isRequeueing: Bool = false, isResizing: Bool = false,
        isRevoked: Bool = false, isConfiguring: Bool = false, isPoweringUp: Bool = false
    ) {
        self.base = base
        self.isCompleting = isCompleting
        self.isRequeueing = isRequeueing
        self.isResizing = isResizing
        self.isRevoked = isRevoked
        self.isConfiguring = isConfiguring
        self.isPoweringUp = isPoweringUp
    }
}

/// What a job is, beside its state. nil: the source does not say.
public struct JobDetails: Sendable, Hashable, Codable {
    public var name: String?
    public var userID: UInt32?
    public var userName: String?
    public var account: String?
    public var partition: String?
    public var nodes: String?
    public var tres: String?
    /// Minutes.
    public var timeLimit: UInt32?
    public var adminComment: String?
    /// Of the record for an array's pending rest: `5-50`.
    public var arrayTasks: String?
    /// The leader's number and the place among the components.
    public var hetJobID: UInt32?
    public var hetJobOffset: UInt32?

    public init() {}

    enum CodingKeys: String, CodingKey {
        case name
        case userID = "user_id"
        case userName = "user"
        case account, partition, nodes, tres
        case timeLimit = "time_limit_min"
        case adminComment = "admin_comment"
        case arrayTasks = "array_tasks"
        case hetJobID = "het_job_id"
        case hetJobOffset = "het_job_offset"
    }

    /// Takes over what `other` knows, unless that is from before; what it does not say stays.
    mutating func update(from other: JobDetails, isNewer: Bool) {
        guard isNewer else {
            var older = other
            older.update(from: self, isNewer: true)
            self = older
            return
        }
        name = other.name ?? name
        userID = other.userID ?? userID
        userName = other.userName ?? userName
        account = other.account ?? account
        partition = other.partition ?? partition
        nodes = other.nodes ?? nodes
        tres = other.tres ?? tres
        timeLimit = other.timeLimit ?? timeLimit
        adminComment = other.adminComment ?? adminComment
        arrayTasks = other.arrayTasks ?? arrayTasks
        hetJobID = other.hetJobID ?? hetJobID
        hetJobOffset = other.hetJobOffset ?? hetJobOffset
    }
}

/// "Something happened to this job": too little to know which run is meant. It makes the agent look, never more.
public struct JobHint: Sendable, Hashable {
    public enum Reason: String, Sendable, Hashable, Codable {
        /// A lean record of the job completion plugin.
        case record
        /// A job begins, by that plugin or a prolog.
        case start
        /// A job's processes are gone from a node.
        case epilog
        /// A run ended in a way after which Slurm may put the job back into the queue.
        case settle
        /// A later run was seen although the end of the one before is not known.
        case superseded
        /// An open run is not in slurmctld's list, or slurmdbd has an end that the ledger lacks.
        case missing
        /// A run was told as vanished: slurmdbd may learn its end yet.
        case vanished
    }

    public var jobID: UInt32
    public var reason: Reason
    /// Unix microseconds.
    public var time: Int64

    public init(jobID: UInt32, reason: Reason, time: Int64) {
        self.jobID = jobID
        self.reason = reason
        self.time = time
    }
}
