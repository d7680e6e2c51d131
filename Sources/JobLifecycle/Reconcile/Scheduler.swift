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

    /// The runs that ended within these Unix seconds (both inclusive), oldest first; no other run of their jobs.
    func accounting(endedIn window: ClosedRange<Int64>) async throws(SchedulerError) -> [JobObservation]

    /// All runs of the job that has this token in its admin comment, submitted at or after this time (Unix seconds), oldest
    /// first.
    func accounting(tagged tag: String, since time: Int64) async throws(SchedulerError) -> [JobObservation]

    /// Submits a job that stays held, with `tag` as a token of its admin comment, and a second mark that job_submit plugins
    /// leave alone.
    /// - Returns: its number.
    /// - Throws: an error with `mayHaveHappened` when the job may exist, or yet come about.
    func submitHeld(_ request: [UInt8], tag: String) async throws(SchedulerError) -> UInt32

    /// Lets a held job start. One that has ended, or was released before, is no error.
    /// - Parameter adminComment: to be set by the same change; nil: it stays.
    func release(_ jobID: UInt32, adminComment: String?) async throws(SchedulerError)

    /// Ends a job. One that has ended is no error.
    /// - Throws: `refused` for what Slurm will not do, however often it is asked.
    func cancel(_ jobID: UInt32) async throws(SchedulerError)

    /// Sets a job's time limit, minutes. One that has ended is no error.
    /// - Throws: `refused` for what Slurm will not do, however often it is asked.
    func setTimeLimit(_ jobID: UInt32, minutes: UInt64) async throws(SchedulerError)

    /// Puts the tag into the job's admin comment, beside what is there.
    func setTag(_ tag: String, of jobID: UInt32, beside adminComment: String?) async throws(SchedulerError)

    /// Throws while a call of ours still hangs whose caller has given up: it may take effect when the hang is over.
    func settle() async throws(SchedulerError)

    /// The jobs in slurmctld's whole list that were submitted for this request under this tag, by the tag or by the
    /// second mark.
    func jobs(of request: [UInt8], tag: String) async throws(SchedulerError) -> [JobObservation]

    /// What of slurmctld's own clock and settings matters for a submission without an answer.
    func timing() async throws(SchedulerError) -> SchedulerTiming
}

extension Scheduler {
    /// The mark of a release goes with it; where a job_submit plugin does not allow that it goes without.
    /// - Parameters:
    ///   - tag: the order's; nil: its job bears none, and gets no mark either.
    ///   - seen: slurmctld's record of the job; nil: it has none that is open.
    func release(_ jobID: UInt32, tag: String?, _ seen: JobObservation?) async throws(SchedulerError) {
        guard let tag, let seen else { return try await release(jobID, adminComment: nil) }
        do throws(SchedulerError) {
            try await release(jobID, adminComment: OrderTag.released(tag, seen.details.adminComment))
        } catch {
            guard error.code == .refused else { throw error }
            try await release(jobID, adminComment: nil)
        }
    }
}

/// slurmctld's list at one moment, as far as it differs from the last.
public struct JobList: Sendable {
    /// For the next question, once this has been taken in.
    public var memory: JobListMemory
    /// Numbers that were in the last one.
    public var gone: [UInt32]
    /// At most so long slurmctld was busy with it.
    public var cost: Duration
    /// How many differ.
    public let count: Int
    private let make: @Sendable (Range<Int>) -> [JobObservation]

    /// - Parameter make: gives a part of those that differ, within `0..<count`; those of jobs that run come first.
    public init(
        memory: JobListMemory, gone: [UInt32], count: Int, cost: Duration = .zero,
        make: @escaping @Sendable (Range<Int>) -> [JobObservation]
    ) {
        self.memory = memory
        self.gone = gone
        self.count = count
        self.cost = cost
        self.make = make
    }

    /// All that differ: of a long list many times what slurmctld sent.
    var changed: [JobObservation] { make(0..<count) }

    /// So many of those that differ; made when it is called.
    func part(from start: Int, size: Int) -> [JobObservation] { make(start..<min(start + size, count)) }

    /// Of a scheduler that gives all its jobs each time.
    public init(stamp: Int64, jobs: [JobObservation], since memory: JobListMemory, cost: Duration = .zero) {
        var known = memory
        known.begin()
        let changed = jobs.filter { job in
            let leader = job.details.hetJobID ?? 0
            guard known.isAskedFor(job.jobID, array: job.key.number, leader: leader) else { return false }
            var timeless = job
            timeless.time = 0
            let digest = UInt64(bitPattern: Int64(timeless.hashValue))
            return known.differs(job.jobID, submitTime: job.submitTime, digest: digest)
        }
        let gone = known.end(stamp: stamp)
        func runs(_ job: JobObservation) -> Bool { job.state.base == .running || job.state.base == .suspended }
        let inOrder = changed.filter(runs) + changed.filter { !runs($0) }
        self.init(memory: known, gone: gone, count: inOrder.count, cost: cost) { Array(inOrder[$0]) }
    }
}

/// How long slurmctld waits, remembers, and has been running.
public struct SchedulerTiming: Sendable, Hashable, Codable {
    /// Seconds after which it, and we, give up an answer (MessageTimeout).
    public var messageTimeout: Int64
    /// Seconds for which it remembers a job that has ended (MinJobAge); 0: for good.
    public var minimumJobAge: Int64
    /// Seconds since it was started; nil: not known.
    public var runningFor: Int64?

    public init(messageTimeout: Int64 = 10, minimumJobAge: Int64 = 300, runningFor: Int64? = nil) {
        self.messageTimeout = messageTimeout
        self.minimumJobAge = minimumJobAge
        self.runningFor = runningFor
    }
}

public struct SchedulerError: Error, Sendable, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        /// No answer: try again later.
        case unavailable
        /// The scheduler, or our own check before it, said no to a request. It has not happened.
        case refused
        /// There is no slurmdbd.
        case noAccounting
    }

    public var code: Code
    public var message: String
    /// Of a change: it was sent, or may have been, so that it may have taken effect or yet do so.
    public var mayHaveHappened: Bool

    public init(_ code: Code, _ message: String, mayHaveHappened: Bool = false) {
        self.code = code
        self.message = message
        self.mayHaveHappened = mayHaveHappened
    }

    public var description: String { message }
}
