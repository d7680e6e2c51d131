// SPDX-License-Identifier: GPL-3.0-or-later

public import JobLifecycle

/// A job as slurmctld's list has it.
public struct ListedJob: Sendable, Hashable {
    /// Those of Slurm's flags that squeue's `-t` knows and that matter here.
    public struct Flags: OptionSet, Sendable, Hashable {
        public let rawValue: UInt16

        public init(rawValue: UInt16) {
            self.rawValue = rawValue
        }

        /// RH, RS, SI, ST, CG, SO: squeue counts them among what runs.
        public static let requeueHold = Flags(rawValue: 1)
        public static let resizing = Flags(rawValue: 2)
        public static let signaling = Flags(rawValue: 4)
        public static let stopped = Flags(rawValue: 8)
        public static let completing = Flags(rawValue: 16)
        public static let stageOut = Flags(rawValue: 32)
        /// CF, RD, RF: among what waits.
        public static let configuring = Flags(rawValue: 64)
        public static let reservationDeletedHold = Flags(rawValue: 128)
        public static let requeueFederation = Flags(rawValue: 256)
        /// SE and whatever else: in neither list.
        public static let other = Flags(rawValue: 512)

        static let running: Flags = [.requeueHold, .resizing, .signaling, .stopped, .completing, .stageOut]
        static let queued: Flags = [.configuring, .reservationDeletedHold, .requeueFederation]
    }

    public var id: UInt32
    /// With the prefix.
    public var name: String
    public var userID: UInt32
    public var partition: String
    public var priority: UInt32
    public var state: SchedulerState.Base
    public var flags: Flags
    /// One name an element; empty while there are none.
    public var nodes: [String]
    /// Seconds that it has run.
    public var elapsed: Int64
    public var isArray = false
    /// Held by its user, or by an administrator.
    public var isHeld = false
    public var isHeldByAdministrator = false

    public init(
        id: UInt32, name: String, userID: UInt32, partition: String, priority: UInt32, state: SchedulerState.Base,
        flags: Flags = [], nodes: [String] = [], elapsed: Int64 = 0
    ) {
        self.id = id
        self.name = name
        self.userID = userID
        self.partition = partition
        self.priority = priority
        self.state = state
        self.flags = flags
        self.nodes = nodes
        self.elapsed = elapsed
    }

    /// A base state counts when it is the whole state, a flag when it is set.
    var isRunning: Bool {
        flags.isEmpty ? state == .running || state == .suspended : !flags.isDisjoint(with: .running)
    }

    var isQueued: Bool { flags.isEmpty ? state == .pending : !flags.isDisjoint(with: .queued) }
}

/// `/running` and `/queued`.
enum QueueLists {
    static func running(_ jobs: [ListedJob]) -> JSONText { list(jobs.filter(\.isRunning)) }
    static func queued(_ jobs: [ListedJob]) -> JSONText { list(jobs.filter(\.isQueued)) }

    private static func list(_ jobs: [ListedJob]) -> JSONText {
        JSONText(
            jobs.filter { $0.name.hasPrefix(JobPlan.prefix) }.sorted(by: isBefore).map { job in
                JSONText([JSONText(String(job.name.dropFirst(JobPlan.prefix.count))), JSONText("\(job.id)")])
            })
    }

    /// squeue's default order.
    private static func isBefore(_ one: ListedJob, _ other: ListedJob) -> Bool {
        if one.partition != other.partition {
            return one.partition.utf8.lexicographicallyPrecedes(other.partition.utf8)
        }
        let (first, second) = (one.state.slurmNumber, other.state.slurmNumber)
        if first != second { return first < second }
        if one.priority != other.priority { return one.priority > other.priority }
        return one.id < other.id
    }
}

extension SchedulerState.Base {
    /// By which squeue sorts.
    fileprivate var slurmNumber: Int { Self.allCases.firstIndex(of: self) ?? .max }
}
