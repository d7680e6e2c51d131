// SPDX-License-Identifier: GPL-3.0-or-later

public import JobLifecycle

/// What the gateway asks of the cluster besides what the core does. The agent makes its libslurm binding fit.
public protocol GridCluster: Sendable {
    /// nil: there is no such user.
    /// - Throws: `unavailable`; no answer is not "no such user".
    func account(login: String) async throws(GridError) -> GridAccount?

    /// The job in the encoding that the scheduler takes.
    func request(_ job: GridJobRequest) throws(GridError) -> [UInt8]

    /// Whether slurmctld answers now.
    func isUp() async -> Bool

    /// Ends a job. One that has ended already is no error.
    func cancel(_ jobID: UInt32) async throws(GridError)

    /// Sets a job's time limit, minutes. One that has ended already is no error.
    func setTimeLimit(_ jobID: UInt32, minutes: UInt64) async throws(GridError)

    /// Every job of this name that slurmctld knows, with the time limit in minutes.
    func jobs(named name: String) async throws(GridError) -> [JobObservation]

    /// Every run of a job of this name that slurmdbd knows, submitted at or after a time (Unix seconds), oldest first; nil:
    /// the cluster has no slurmdbd.
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

    /// What the script is wrapped in, so that jobs find what today's users know: a login shell that begins well.
    static func wrap(_ body: String) -> String {
        "#!/bin/bash -l\ntrue\n" + body
    }
}
