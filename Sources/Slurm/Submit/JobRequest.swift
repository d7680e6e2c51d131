// SPDX-License-Identifier: GPL-3.0-or-later

public import FoundationEssentials

/// A batch job to submit. What is nil is left to the partition's and the cluster's defaults.
///
/// `#SBATCH` lines in the script are *not* read: slurmctld does not read them either, sbatch does. Resources come from
/// this value only.
public struct JobRequest: Sendable, Hashable, Codable {
    // MARK: whose and what

    /// The Unix user the job runs as and is charged to. Must exist on this host.
    public var userID: UInt32
    /// nil: the user's primary group. Any other must be one of the user's groups.
    public var groupID: UInt32?
    /// The script itself; begins with `#!`, at most slurmctld's `max_script_size` (4 MiB by default).
    public var script: String
    /// Arguments to the script, after its name.
    public var arguments: [String] = []
    public var name: String
    public var comment: String?
    /// Only operators can change it later. Set at submission, so a job can be found again by what is in here.
    public var adminComment: String?
    /// In place of the submitting process's session number, which Slurm shows as `AllocNode:Sid` and nothing changes later.
    public var session: UInt32?

    // MARK: environment

    /// Variables beside those that ``JobEnvironment`` always sets. Names that begin with `SLURM_` are refused unless
    /// ``SubmitPolicy/allowedSlurmVariables`` names them.
    public var environment: [String: String] = [:]
    public var environmentMode: EnvironmentMode = .login
    public var umask: UInt16 = 0o022
    /// Absolute; nil: the user's home folder.
    public var workDirectory: String?
    /// nil: `slurm-%j.out` in the work directory.
    public var standardOutput: String?
    public var standardError: String?
    public var standardInput: String = "/dev/null"

    // MARK: where

    public var partition: String?
    public var account: String?
    public var qos: String?
    public var wckey: String?
    public var mcsLabel: String?
    public var reservation: String?
    /// Features, as `--constraint` takes them.
    public var constraint: String?
    /// Nodes that the job must have, in bracket notation.
    public var nodeList: String?
    public var excludedNodes: String?
    public var licenses: String?
    public var exclusive: Exclusive?
    /// How much its priority is lowered; nil: not at all. As `sbatch --nice`, at most 2,147,483,645.
    public var nice: UInt32?
    static let maximumNice: UInt32 = 2_147_483_645

    // MARK: how much

    public var minimumNodes: UInt32?
    public var maximumNodes: UInt32?
    public var tasks: UInt32?
    public var tasksPerNode: UInt32?
    public var cpusPerTask: UInt32?
    public var minimumCPUsPerNode: UInt32?
    /// 0 asks for all memory of each node.
    public var memory: Job.Memory?
    public var gpusPerJob: GPUs?
    public var gpusPerNode: GPUs?
    public var gpusPerTask: GPUs?
    /// Generic resources per node beside GPUs.
    public var gresPerNode: [GRES] = []
    public var timeLimit: TimeLimit?
    /// As `--array` takes it: `0-9`, `1,5,7`, `1-100%10`.
    public var array: String?

    // MARK: when

    /// Submit with priority 0; the job stays until it is released.
    public var hold = false
    public var beginTime: Date?
    /// As `--dependency` takes it.
    public var dependency: String?
    /// Let Slurm requeue the job after a node failure or preemption.
    public var requeue = false
    public var mail: Mail?

    public init(userID: UInt32, script: String, name: String = "job") {
        self.userID = userID
        self.script = script
        self.name = name
    }

    /// How the job's environment comes about.
    public enum EnvironmentMode: Sendable, Hashable, Codable {
        /// slurmd makes the user's login environment on the node (`su -`), then adds ours. As `sbatch --export=NONE`.
        case login
        /// Ours alone, with these resource limits: names as in `SLURM_RLIMIT_<name>` (NOFILE, CORE, STACK, …).
        case minimal(limits: [String: UInt64])
    }

    public enum Exclusive: Sendable, Hashable, Codable {
        /// Whole nodes.
        case nodes
        /// Nodes shared only with jobs of the same user.
        case user
        /// Nodes shared only with jobs of the same MCS label.
        case mcs
        /// CPUs may be shared too.
        case oversubscribe
    }

    public struct GPUs: Sendable, Hashable, Codable {
        /// 0 asks for none.
        public var count: UInt32
        public var type: String?
        /// More of other types: `a100:2,v100:1`.
        public var others: [GPUs]?

        public init(_ count: UInt32, type: String? = nil, others: [GPUs]? = nil) {
            self.count = count
            self.type = type
            self.others = others
        }

        var all: [GPUs] { [GPUs(count, type: type)] + (others ?? []).flatMap(\.all) }
    }

    public struct Mail: Sendable, Hashable, Codable {
        public enum Event: String, Sendable, Hashable, CaseIterable, Codable {
            case begin, end, fail, requeue, stageOut, timeLimit, timeLimit90, timeLimit80, timeLimit50, arrayTasks
            case invalidDependency
        }

        public var events: Set<Event>
        /// nil: the job's user.
        public var recipient: String?

        public init(_ events: Set<Event>, recipient: String? = nil) {
            self.events = events
            self.recipient = recipient
        }
    }
}

/// What this agent refuses to submit, whatever slurmctld would let through.
public struct SubmitPolicy: Sendable {
    /// Jobs of uid 0 or gid 0. Default false.
    public var allowRoot = false
    /// Users below this uid are refused. Default 1.
    public var minimumUserID: UInt32 = 1
    /// Names of `SLURM_…` variables that a request may set. Default none.
    public var allowedSlurmVariables: Set<String> = []

    public init() {}
}

/// What became of a submission.
public struct Submission: Sendable {
    public var jobID: UInt32
    /// What a job_submit plugin tells the user, if it does.
    public var userMessage: String?
    /// The job as slurmctld took it, which a job_submit plugin may have changed. nil when it was not asked for or
    /// reading it back failed: the job is submitted all the same.
    public var job: Job?
}
