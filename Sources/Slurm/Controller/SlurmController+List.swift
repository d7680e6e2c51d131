// SPDX-License-Identifier: GPL-3.0-or-later

internal import CSlurm
public import FoundationEssentials
internal import Glibc

/// A record of slurmctld's list before it is read: which run it is of, and a number that tells whether it differs.
public struct JobMark: Sendable, Hashable {
    public var id: UInt32
    /// The array's number, of its tasks and its pending rest; else 0.
    public var arrayID: UInt32 = 0
    /// The leader's number, of the components of a heterogeneous job; else 0.
    public var hetJobID: UInt32 = 0
    /// Unix seconds; 0 for a record without one.
    public var submitTime: Int64
    /// Changes with the job's names, owner, state, times, nodes, TRES and admin comment. Of one process; tells nothing to another.
    public var digest: UInt64

    public init(id: UInt32, submitTime: Int64, digest: UInt64) {
        self.id = id
        self.submitTime = submitTime
        self.digest = digest
    }
}

/// Goes through slurmctld's list. Of 100,000 records mostly a few are of interest: only those become values.
public protocol JobListReader: Sendable {
    /// Asked of every record, in slurmctld's order.
    mutating func wants(_ mark: JobMark) -> Bool
}

/// The records of a list that a reader wanted, those of jobs that run first; each is made a value when it is asked for.
///
/// Of a long list slurmctld's whole answer stays in memory until this goes: some 700 bytes a job, where all values would take
/// several times as much.
public final class ListedJobs: @unchecked Sendable {
    // Only read once it is made.
    private let answer: UnsafeMutablePointer<job_info_msg_t>
    private let places: [Int32]

    fileprivate init(_ answer: UnsafeMutablePointer<job_info_msg_t>, _ places: [Int32]) {
        self.answer = answer
        self.places = places
    }

    deinit { SlurmController.free(answer) }

    public var count: Int { places.count }

    /// A part of them, within `0..<count`.
    public func jobs(_ part: Range<Int>) -> [Job] {
        var decoder = JobDecoder()
        return places[part].map { decoder.decode(answer.pointee.job_array + Int($0)) }
    }
}

extension SlurmController {
    public struct ListAnswer<Reader: Sendable>: Sendable {
        public var reader: Reader
        public var jobs: ListedJobs
        /// slurmctld's own time of the last change; for the next question.
        public var updateTime: Date
        /// How long the call took: at most so long slurmctld was busy with it.
        public var took: Duration
    }

    /// Shows `reader` every job that slurmctld knows, on a thread of the pool; nil when none has changed since `time`. Nothing is
    /// kept between calls. What only SHOW_DETAIL brings (``Job/gresPerNode``) is not in them: slurmctld would pack it for
    /// each job under its lock.
    public func readJobs<Reader: JobListReader>(
        changedSince time: Date?, into reader: Reader
    ) async throws(SlurmError) -> ListAnswer<Reader>? {
        try await call("slurm_load_jobs") { () throws(SlurmError) in
            var reader = reader
            guard let answer = try Self.loadList(changedSince: time, flags: Self.listFlags) else { return nil }
            var (active, others): ([Int32], [Int32]) = ([], [])
            for index in 0..<Int32(clamping: answer.message.pointee.record_count) {
                let record = answer.message.pointee.job_array + Int(index)
                var mark = JobMark(
                    id: record.pointee.job_id, submitTime: Int64(record.pointee.submit_time),
                    digest: cs_job_digest(record, Self.digestSeed))
                mark.arrayID = record.pointee.array_job_id
                mark.hetJobID = record.pointee.het_job_id
                guard reader.wants(mark) else { continue }
                let base = JobState(rawValue: record.pointee.job_state).base
                if base == .running || base == .suspended { active.append(index) } else { others.append(index) }
            }
            return ListAnswer(
                reader: reader, jobs: ListedJobs(answer.message, active + others), updateTime: answer.updateTime,
                took: answer.took)
        }
    }

    /// Jobs with exactly this name. As ``readJobs(changedSince:into:)`` gives them.
    public func findJobs(name: String) async throws(SlurmError) -> [Job] {
        try await findJobs { record in record.pointee.name.map { strcmp($0, name) == 0 } ?? name.isEmpty }
    }

    /// Jobs whose admin comment holds `tag` as one of its comma-separated tokens. As ``readJobs(changedSince:into:)`` gives them.
    public func findJobs(tag: String) async throws(SlurmError) -> [Job] {
        try await findJobs { record in record.pointee.admin_comment.map { strstr($0, tag) != nil } ?? false }
            .filter { $0.hasTag(tag) }
    }

    /// Jobs whose comment begins so. As ``readJobs(changedSince:into:)`` gives them.
    public func findJobs(commentPrefix prefix: String) async throws(SlurmError) -> [Job] {
        try await findJobs { record in
            record.pointee.comment.map { strncmp($0, prefix, prefix.utf8.count) == 0 } ?? false
        }
    }

    /// Jobs whose name begins so. As ``readJobs(changedSince:into:)`` gives them.
    public func findJobs(namePrefix prefix: String) async throws(SlurmError) -> [Job] {
        try await findJobs { record in
            record.pointee.name.map { strncmp($0, prefix, prefix.utf8.count) == 0 } ?? false
        }
    }

    private func findJobs(
        _ isWanted: @escaping @Sendable (UnsafePointer<slurm_job_info_t>) -> Bool
    ) async throws(SlurmError) -> [Job] {
        try await call("slurm_load_jobs") { () throws(SlurmError) in
            var decoder = JobDecoder()
            var jobs: [Job] = []
            _ = try Self.readList(changedSince: nil, flags: Self.listFlags) { record, _ in
                if isWanted(record) { jobs.append(decoder.decode(record)) }
            }
            return jobs
        }
    }

    private static let listFlags = cs_SHOW_ALL | cs_SHOW_LOCAL

    /// Nobody who names a job can know which digest it gets.
    private static let digestSeed = UInt64.random(in: .min ... .max)

    /// Loads the list and calls `body` with each record and how many there are; the records are gone when this returns. nil when
    /// nothing has changed since.
    static func readList(
        changedSince time: Date?, flags: UInt16, _ body: (UnsafePointer<slurm_job_info_t>, Int) -> Void
    ) throws(SlurmError) -> (updateTime: Date, took: Duration)? {
        guard let answer = try loadList(changedSince: time, flags: flags) else { return nil }
        let count = Int(answer.message.pointee.record_count)
        for index in 0..<count { body(answer.message.pointee.job_array + index, count) }
        free(answer.message)
        return (answer.updateTime, answer.took)
    }

    /// - Returns: what the caller must give to `free`; nil when nothing has changed since.
    private static func loadList(
        changedSince time: Date?, flags: UInt16
    ) throws(SlurmError) -> (message: UnsafeMutablePointer<job_info_msg_t>, updateTime: Date, took: Duration)? {
        var answer: UnsafeMutablePointer<job_info_msg_t>?
        let since = time.map { time_t($0.timeIntervalSince1970) } ?? 0
        let start = ContinuousClock.now
        let outcome = SlurmCall.observe { slurm_load_jobs(since, &answer, flags) }
        let took = start.duration(to: .now)
        if outcome.result != 0 {
            if outcome.number == SlurmErrno.noChange, time != nil { return nil }
            throw SlurmCall.failure("slurm_load_jobs", changes: false, number: outcome.number)
        }
        guard let answer else { throw SlurmError(.unexpected, "empty answer", call: "slurm_load_jobs") }
        return (answer, Date(timeIntervalSince1970: Double(answer.pointee.last_update)), took)
    }

    fileprivate static func free(_ message: UnsafeMutablePointer<job_info_msg_t>) {
        let count = message.pointee.record_count
        slurm_free_job_info_msg(message)
        // glibc keeps what a large answer took; without this it stays with the process for good.
        if count >= trimThreshold { cs_release_memory() }
    }

    private static let trimThreshold = 2_000
}
