// SPDX-License-Identifier: GPL-3.0-or-later

/// What the core needs of Slurm. The agent makes its libslurm binding fit; tests use a fake.
///
/// An answer is the scheduler's own word; whatever is not one (no connection, no time, no right to see) is an error and
/// never an empty answer.
public protocol Scheduler: Sendable {
    /// What differs in slurmctld's list of all jobs from the one that is remembered; nil when nothing has changed since.
    func jobs(changedSince memory: JobListMemory) async throws(SchedulerError) -> JobList?

    /// Every record of one job number, an array's tasks included. Empty: slurmctld says that it knows none.
    func look(at jobID: UInt32) async throws(SchedulerError) -> [JobObservation]

    /// All runs that slurmdbd has of these job numbers, oldest first. Numbers without one are left out: slurmdbd says
    /// that it has none.
    /// - Throws: `noAccounting` on a cluster without slurmdbd.
    func accounting(of jobIDs: [UInt32]) async throws(SchedulerError) -> [JobObservation]

    /// All runs that ended at or after this time (Unix seconds), oldest first.
    func accounting(endedSince time: Int64) async throws(SchedulerError) -> [JobObservation]

    /// All runs of the job that has this token in its admin comment, submitted at or after this time (Unix seconds), oldest
    /// first.
    func accounting(tagged tag: String, since time: Int64) async throws(SchedulerError) -> [JobObservation]

    /// Submits a job that stays held, with `tag` as a token of its admin comment.
    /// - Returns: its number.
    func submitHeld(_ request: [UInt8], tag: String) async throws(SchedulerError) -> UInt32

    /// Lets a held job start. One that has ended, or was let go before, is no error.
    func release(_ jobID: UInt32) async throws(SchedulerError)

    /// Waits until no call whose answer was lost can take effect any more.
    func settle() async throws(SchedulerError)

    /// The jobs in slurmctld's whole list whose admin comment has this token.
    func jobs(tagged tag: String) async throws(SchedulerError) -> [UInt32]

    /// How long slurmctld remembers a job that has ended, seconds.
    func minimumJobAge() async throws(SchedulerError) -> Int64
}

/// slurmctld's list at one moment, as far as it differs from the last.
public struct JobList: Sendable {
    /// For the next question, once this has been taken in.
    public var memory: JobListMemory
    public var changed: [JobObservation]
    /// Numbers that were in the last one.
    public var gone: [UInt32]
    /// At most so long slurmctld was busy with it.
    public var cost: Duration

    public init(memory: JobListMemory, changed: [JobObservation], gone: [UInt32], cost: Duration = .zero) {
        self.memory = memory
        self.changed = changed
        self.gone = gone
        self.cost = cost
    }

    /// Of a scheduler that gives all its jobs each time.
    public init(stamp: Int64, jobs: [JobObservation], since memory: JobListMemory, cost: Duration = .zero) {
        self.init(memory: memory, changed: [], gone: [], cost: cost)
        self.memory.begin()
        changed = jobs.filter { job in
            var timeless = job
            timeless.time = 0
            let digest = UInt64(bitPattern: Int64(timeless.hashValue))
            return self.memory.differs(job.jobID, submitTime: job.submitTime, digest: digest)
        }
        gone = self.memory.end(stamp: stamp)
    }
}

public struct SchedulerError: Error, Sendable, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        /// No answer: try again later. What was asked for may have happened.
        case unavailable
        /// The scheduler, or our own check before it, said no to a request. It has not happened.
        case refused
        /// There is no slurmdbd.
        case noAccounting
    }

    public var code: Code
    public var message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
