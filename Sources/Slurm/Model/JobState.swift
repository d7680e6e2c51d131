// SPDX-License-Identifier: GPL-3.0-or-later

internal import CSlurm

/// The state of a job: one base state and any number of flags (`enum job_states` of slurm.h).
public struct JobState: Sendable, Hashable, Codable, CustomStringConvertible {
    /// What the job is doing or how it ended. The raw values are Slurm's.
    public enum Base: UInt32, Sendable, Hashable, CaseIterable, Codable, CustomStringConvertible {
        case pending = 0
        case running = 1
        case suspended = 2
        case completed = 3
        case cancelled = 4
        case failed = 5
        case timeout = 6
        case nodeFail = 7
        case preempted = 8
        case bootFail = 9
        case deadline = 10
        case outOfMemory = 11

        /// As squeue prints it.
        public var description: String {
            switch self {
            case .pending: "PENDING"
            case .running: "RUNNING"
            case .suspended: "SUSPENDED"
            case .completed: "COMPLETED"
            case .cancelled: "CANCELLED"
            case .failed: "FAILED"
            case .timeout: "TIMEOUT"
            case .nodeFail: "NODE_FAIL"
            case .preempted: "PREEMPTED"
            case .bootFail: "BOOT_FAIL"
            case .deadline: "DEADLINE"
            case .outOfMemory: "OUT_OF_MEMORY"
            }
        }
    }

    /// What else is going on (the upper 24 bits of `job_state`).
    public struct Flags: OptionSet, Sendable, Hashable, Codable {
        public let rawValue: UInt32

        public init(rawValue: UInt32) {
            self.rawValue = rawValue
        }

        public static let launchFailed = Flags(rawValue: cs_JOB_LAUNCH_FAILED)
        public static let requeue = Flags(rawValue: cs_JOB_REQUEUE)
        public static let requeueHold = Flags(rawValue: cs_JOB_REQUEUE_HOLD)
        public static let specialExit = Flags(rawValue: cs_JOB_SPECIAL_EXIT)
        public static let resizing = Flags(rawValue: cs_JOB_RESIZING)
        public static let configuring = Flags(rawValue: cs_JOB_CONFIGURING)
        public static let completing = Flags(rawValue: cs_JOB_COMPLETING)
        public static let stopped = Flags(rawValue: cs_JOB_STOPPED)
        public static let reconfigFail = Flags(rawValue: cs_JOB_RECONFIG_FAIL)
        public static let powerUpNode = Flags(rawValue: cs_JOB_POWER_UP_NODE)
        public static let revoked = Flags(rawValue: cs_JOB_REVOKED)
        public static let requeueFederation = Flags(rawValue: cs_JOB_REQUEUE_FED)
        public static let reservationDeletedHold = Flags(rawValue: cs_JOB_RESV_DEL_HOLD)
        public static let signaling = Flags(rawValue: cs_JOB_SIGNALING)
        public static let stageOut = Flags(rawValue: cs_JOB_STAGE_OUT)

        static let names: [(Flags, String)] = [
            (.launchFailed, "LAUNCH_FAILED"), (.requeue, "REQUEUED"), (.requeueHold, "REQUEUE_HOLD"),
            (.specialExit, "SPECIAL_EXIT"), (.resizing, "RESIZING"), (.configuring, "CONFIGURING"),
            (.completing, "COMPLETING"), (.stopped, "STOPPED"), (.reconfigFail, "RECONFIG_FAIL"),
            (.powerUpNode, "POWER_UP_NODE"), (.revoked, "REVOKED"), (.requeueFederation, "REQUEUE_FED"),
            (.reservationDeletedHold, "RESV_DEL_HOLD"), (.signaling, "SIGNALING"), (.stageOut, "STAGE_OUT"),
        ]
    }

    /// The number as Slurm gave it.
    public var rawValue: UInt32

    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    public init(_ base: Base, _ flags: Flags = []) {
        rawValue = base.rawValue | flags.rawValue
    }

    /// nil for a base state that this release of the agent does not know.
    public var base: Base? { Base(rawValue: rawValue & cs_JOB_STATE_BASE) }

    public var flags: Flags { Flags(rawValue: rawValue & ~cs_JOB_STATE_BASE) }

    /// True once the job will never run again under this submission: an ended base state with no requeue under way.
    /// COMPLETING counts as ended (state, exit code and end time are settled); RESIZING does not. A job that another
    /// cluster of the federation has is over here when its state is an ended one: it is how it ended there.
    public var hasEnded: Bool {
        guard (rawValue & cs_JOB_STATE_BASE) >= Base.completed.rawValue else { return false }
        return flags.isDisjoint(with: [.requeue, .requeueHold, .specialExit, .resizing])
    }

    /// The base state, then each flag after a `+`: "COMPLETED+COMPLETING".
    public var description: String {
        var text = base?.description ?? "STATE_\(rawValue & cs_JOB_STATE_BASE)"
        for (flag, name) in Flags.names where flags.contains(flag) {
            text += "+" + name
        }
        return text
    }

    public init(from decoder: any Decoder) throws {
        rawValue = try decoder.singleValueContainer().decode(UInt32.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(rawValue)
    }
}
