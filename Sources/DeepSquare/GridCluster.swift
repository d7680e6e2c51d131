// SPDX-License-Identifier: GPL-3.0-or-later

public import JobLifecycle

/// What the gateway asks of the cluster besides what the core does. The agent makes its libslurm binding fit.
public protocol GridCluster: Sendable {
    /// nil: there is no such user.
    /// - Throws: `unavailable`; no answer is not "no such user".
    func account(login: String) async throws(GridError) -> GridAccount?

    /// Who no job of the grid runs as, whatever is configured: the agent's own user, and SlurmUser. A job as one of them reads the
    /// key.
    func systemUsers() async throws(GridError) -> Set<UInt32>

    /// The job in the encoding that the scheduler takes.
    func request(_ job: GridJobRequest) throws(GridError) -> [UInt8]

    /// Why no node of the job's partition, free or not, up or down, could ever run it; nil: it may run.
    func whyImpossible(_ job: GridJobRequest) async throws(GridError) -> String?

    /// Why a job that waits will wait for ever: Slurm takes held jobs in that it would refuse otherwise.
    func whyStuck(_ jobID: UInt32) async throws(GridError) -> String?

    /// Whether Slurm would run the job, with everything that it asks of one (limits, associations, job_submit plugins). Nothing
    /// is submitted.
    func rehearse(_ job: GridJobRequest) async throws(GridError) -> GridRehearsal

    /// Whether slurmctld answers now.
    func isUp() async -> Bool

    /// Ends a job that the ledger does not have. One that has ended already is no error.
    func cancel(_ jobID: UInt32) async throws(GridError)

    /// The longest time limit, minutes, of the partition that a job is in; nil: none. What the agent sets as SlurmUser passes it.
    func longestTime(of jobID: UInt32) async throws(GridError) -> UInt64?

    /// Every job of this name that slurmctld knows, whoever's it is, with the time limit in minutes.
    func jobs(named name: String) async throws(GridError) -> [JobObservation]

    /// Every run of a job of this name that slurmdbd knows, whoever's it is, submitted at or after a time (Unix seconds), oldest
    /// first; nil: the cluster has no slurmdbd.
    func accounting(named name: String, since time: Int64) async throws(GridError) -> [JobObservation]?

    /// How long slurmctld remembers a job that has ended, seconds.
    func endedJobMemory() async throws(GridError) -> Int64

    /// All nodes of a partition, whatever their state.
    func hardware(partition: String) async throws(GridError) -> Hardware
}

/// A Unix user.
public struct GridAccount: Sendable, Hashable {
    public var login: String
    public var userID: UInt32

    public init(login: String, userID: UInt32) {
        self.login = login
        self.userID = userID
    }
}

/// What Slurm says of a job that it was only asked about.
public enum GridRehearsal: Sendable, Hashable {
    /// When it would start, Unix seconds, and on which nodes, as far as Slurm says.
    case runs(start: Int64?, nodes: String?)
    case refused(String)
}

/// A job as the grid wants it.
public struct GridJobRequest: Sendable, Hashable {
    public var name: String
    public var userID: UInt32
    public var script: String
    public var partition: String
    public var tasks: UInt32
    public var cpusPerTask: UInt32
    /// MB.
    public var memoryPerCPU: UInt64
    /// Of the whole job.
    public var gpus: UInt32
    /// Minutes.
    public var timeLimit: UInt32
    /// Path on the node.
    public var output: String
    /// nil: the user's default.
    public var account: String?
    public var qos: String?
    /// For people. The user can change it: nothing is decided by it.
    public var comment: String?

    public init(
        name: String, userID: UInt32, script: String, partition: String, tasks: UInt32, cpusPerTask: UInt32,
        memoryPerCPU: UInt64, gpus: UInt32, timeLimit: UInt32, output: String, account: String? = nil,
        qos: String? = nil, comment: String? = nil
    ) {
        self.name = name
        self.userID = userID
        self.script = script
        self.partition = partition
        self.tasks = tasks
        self.cpusPerTask = cpusPerTask
        self.memoryPerCPU = memoryPerCPU
        self.gpus = gpus
        self.timeLimit = timeLimit
        self.output = output
        self.account = account
        self.qos = qos
        self.comment = comment
    }

    /// The umask of the submission: slurmd makes the output's file with it, of mode 0600. No other umask looks like it, so the
    /// script knows whether the user's own profile has set one since.
    public static let outputMask: UInt16 = 0o067

    /// What the script is wrapped in, so that jobs find what today's users know: a login shell that begins well, and their umask.
    static func wrap(_ body: String) -> String {
        "#!/bin/bash -l\n[ \"$(umask)\" != 0067 ] || umask 0022\ntrue\n" + body
    }
}
