// SPDX-License-Identifier: GPL-3.0-or-later

public import FoundationEssentials

/// A job as slurmctld knows it.
///
/// nil always means "Slurm does not say" (NO_VAL, 0 for a time, an empty text), never zero. Times have a resolution of
/// one second.
public struct Job: Sendable, Hashable {
    // MARK: identity

    /// Slurm's own number of the job. Array tasks and components of a heterogeneous job each have one; numbers are
    /// used again after a while.
    public var id: UInt32
    public var array: ArrayTask?
    public var heterogeneous: HeterogeneousComponent?
    /// A cluster-wide unique id (Slurm 26.05 on), as a number; nil where there is none.
    public var sluid: UInt64?
    public var name: String
    public var userID: UInt32
    public var groupID: UInt32
    /// As slurmctld resolved it; nil when it did not.
    public var userName: String?
    public var account: String?
    public var partition: String?
    public var qos: String?
    public var wckey: String?
    public var mcsLabel: String?
    public var cluster: String?

    // MARK: state

    public var state: JobState
    public var reason: JobReason
    public var reasonDetail: String?
    public var exit: ExitStatus
    /// The highest exit status of all steps.
    public var derivedExit: ExitStatus
    /// How often the job was requeued. Moves before `submitTime` does.
    public var restartCount: UInt32
    /// Slurm may requeue the job by itself.
    public var requeue: Bool
    /// 0 means held.
    public var priority: UInt32
    public var nice: Int64
    public var dependency: String?
    public var reservation: String?

    // MARK: times

    public var submitTime: Date?
    public var eligibleTime: Date?
    /// Actual, or expected for a pending job.
    public var startTime: Date?
    /// Actual, or expected for a running job.
    public var endTime: Date?
    public var deadline: Date?
    /// When the job was last suspended or resumed.
    public var suspendTime: Date?
    /// Seconds the job ran before its last suspension.
    public var runTimeBeforeSuspension: UInt64
    public var resizeTime: Date?
    public var preemptTime: Date?
    public var lastSchedulerLook: Date?
    /// nil: the partition's default.
    public var timeLimit: TimeLimit?
    public var timeMinimum: TimeLimit?

    // MARK: resources

    public var requested: Resources
    /// Empty until the job has resources.
    public var allocatedTRES: TRES?
    /// Allocated nodes in bracket notation, nil while there are none.
    ///
    /// Of a job that ends slurmctld names only those that are not clean yet: see ``namesAllNodes``.
    public var nodes: String?
    public var nodeCount: UInt32
    public var cpuCount: UInt32
    public var batchHost: String?
    /// Where slurmctld means to start a pending job.
    public var scheduledNodes: String?
    /// GRES per allocated node as Slurm prints them, in the order of `nodes`; empty once the job has ended.
    public var gresPerNode: [String]

    // MARK: texts and files

    public var comment: String?
    public var adminComment: String?
    public var systemComment: String?
    public var workDirectory: String?
    public var command: String?
    /// Paths as given, which may hold `%j` and the like; nil means Slurm's default.
    public var standardOutput: String?
    public var standardError: String?
    public var standardInput: String?
    /// The host that submitted the job.
    public var submitHost: String?
    /// The session number that came with it.
    public var session: UInt32?
    public var isBatch: Bool

    public var isHeld: Bool { state.base == .pending && priority == 0 }
    /// Held, and not by its user.
    public var isHeldByAdministrator: Bool { isHeld && reason == .heldByAdministrator }

    /// The name a user would give this job: array tasks and components by their number in the whole.
    public var displayID: JobID {
        if let array, let task = array.taskID { return JobID(array.jobID, .arrayTask(task)) }
        if let heterogeneous { return JobID(heterogeneous.leaderID, .hetComponent(heterogeneous.offset)) }
        return JobID(id)
    }

    /// Where an array task stands.
    public struct ArrayTask: Sendable, Hashable {
        public var jobID: UInt32
        /// nil for the record that stands for all tasks still pending.
        public var taskID: UInt32?
        /// The pending tasks of that record: `1-50%5`.
        public var pendingTasks: String?
        public var maximumRunning: UInt32?

        /// This record is the pending task's, too. slurmctld cuts long lists off with "...": what may come after is believed to.
        func stands(for task: UInt32) -> Bool {
            guard taskID == nil, let pendingTasks else { return false }
            var last: UInt32 = 0
            for part in pendingTasks.prefix(while: { $0 != "%" }).split(separator: ",") {
                if part == "..." { return task > last }
                // "1-9:2" has a step.
                let range = part.split(separator: ":")
                let ends = (range.first ?? "").split(separator: "-").compactMap { UInt32($0) }
                guard let first = ends.first, let end = ends.last, ends.count <= 2 else { return false }
                let step = range.count > 1 ? UInt32(range[1]) ?? 1 : 1
                if task >= first, task <= end, (task - first) % max(step, 1) == 0 { return true }
                last = end
            }
            return false
        }
    }

    /// Where a component of a heterogeneous job stands.
    public struct HeterogeneousComponent: Sendable, Hashable {
        public var leaderID: UInt32
        public var offset: UInt32
        public var componentIDs: String?
    }

    /// What was asked for.
    public struct Resources: Sendable, Hashable {
        public var tres: TRES?
        public var tresPerJob: String?
        public var tresPerNode: String?
        public var tresPerSocket: String?
        public var tresPerTask: String?
        public var memory: Memory?
        public var minimumNodes: UInt32
        public var maximumNodes: UInt32?
        public var tasks: UInt32?
        public var tasksPerNode: UInt32?
        public var cpusPerTask: UInt32?
        public var minimumCPUsPerNode: UInt32?
        public var nodes: String?
        public var excludedNodes: String?
        public var features: String?
        public var licenses: String?
        public var exclusive: ExclusiveMode
    }

    /// Memory as it was asked for, in MB. 0 per node asks for all of a node's memory.
    public enum Memory: Sendable, Hashable, Codable {
        case perNode(UInt64)
        case perCPU(UInt64)
    }

    /// With whom the job shares its nodes.
    public enum ExclusiveMode: Sendable, Hashable {
        /// With nobody.
        case exclusive
        /// With jobs of the same user.
        case user
        /// With jobs of the same MCS label.
        case mcs
        /// CPUs may be shared with other jobs.
        case oversubscribe
        /// Nodes may be shared, CPUs not: the usual case.
        case shared
    }
}

extension Job {
    /// Whether ``nodes`` has all that the job was given, by what it was allocated. Where slurmctld does not count them a job
    /// that is COMPLETING does not.
    public var namesAllNodes: Bool {
        Self.namesAll(nodes, of: allocatedTRES?.nodes, isCompleting: state.flags.contains(.completing))
    }

    static func namesAll(_ list: String?, of count: UInt64?, isCompleting: Bool) -> Bool {
        guard isCompleting else { return true }
        guard let list, let count, let names = Hostlist.expand(list) else { return false }
        return UInt64(names.count) >= count
    }
}
