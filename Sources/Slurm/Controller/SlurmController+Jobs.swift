// SPDX-License-Identifier: GPL-3.0-or-later

internal import CSlurm
internal import FoundationEssentials
internal import Glibc

extension SlurmController {
    /// All jobs that slurmctld knows now. The answer is at least as new as the call.
    ///
    /// One reader serves everybody: callers that arrive while an answer is on its way share the next one, and when
    /// nothing has changed (an idle poll costs 0.5 ms at any queue length) the same snapshot is handed out again.
    public func jobs() async throws(SlurmError) -> JobSnapshot {
        try await feed.next { [self] known async throws(SlurmError) in
            try await call("slurm_load_jobs") { () throws(SlurmError) in
                try Self.loadJobs(changedSince: known?.updateTime) ?? known ?? Self.emptySnapshot
            }
        }
    }

    /// One job by its number.
    /// - Throws: `notFound` on slurmctld's own word.
    public func job(_ id: UInt32) async throws(SlurmError) -> Job {
        let records = try await load(id)
        return try Self.single(id, records).job
    }

    /// One job and what it holds on its nodes. The placement is nil for a job that holds none.
    /// - Parameter nodes: all that it was given, where that is known: of a job that ends slurmctld names only those that are not
    ///   clean yet.
    public func jobWithPlacement(
        _ id: UInt32, nodes: [String] = []
    ) async throws(SlurmError) -> (job: Job, placement: Placement?) {
        let records = try await load(id, nodes: nodes)
        return try Self.single(id, records)
    }

    /// Every record of an array, a heterogeneous job or a single job; `id` may be any of its numbers that slurmctld
    /// answers to.
    public func jobs(of id: UInt32) async throws(SlurmError) -> [Job] {
        try await load(id).map(\.job)
    }

    /// Slurm's own number of a job: array tasks and components have numbers of their own, tasks that wait the array's.
    /// - Throws: `notFound`.
    public func number(of id: JobID) async throws(SlurmError) -> UInt32 {
        if id.part == .whole { return id.number }
        let records = try await jobs(of: id.number)
        if let job = records.first(where: { $0.displayID == id }) { return job.id }
        if case .arrayTask(let task) = id.part,
            let job = records.first(where: { $0.array?.jobID == id.number && $0.array?.stands(for: task) == true })
        {
            return job.id
        }
        throw SlurmError(.notFound, "slurmctld knows no job \(id)")
    }

    /// The script of a batch job that slurmctld still knows.
    public func batchScript(_ id: UInt32) async throws(SlurmError) -> String {
        try await call("slurm_job_batch_script") { () throws(SlurmError) in
            var length = 0
            var script: UnsafeMutablePointer<CChar>?
            try SlurmCall.check("slurm_job_batch_script") {
                script = cs_job_batch_script(id, &length)
                return script == nil ? -1 : 0
            }
            guard let script else { throw SlurmError(.unexpected, "empty answer", call: "slurm_job_batch_script") }
            defer { free(script) }
            let bytes = UnsafeRawBufferPointer(start: script, count: length)
            // slurmctld keeps the terminating NUL as part of the text.
            return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    // MARK: loading

    /// SHOW_DETAIL for placement; a list that is asked for again and again does without
    /// (SlurmController+List.swift). SHOW_LOCAL: on a federated cluster only what is here; without it libslurm asks for
    /// the federation first, one more call each time.
    private static let showFlags = cs_SHOW_ALL | cs_SHOW_DETAIL | cs_SHOW_LOCAL

    private struct Record: Sendable {
        var job: Job
        var placement: Placement?
    }

    private func load(_ id: UInt32, nodes: [String] = []) async throws(SlurmError) -> [Record] {
        guard id > 0, id < JobID.reserved else { throw .invalid("job id", "\(id) is no job id") }
        return try await call("slurm_load_job") { () throws(SlurmError) in
            var answer: UnsafeMutablePointer<job_info_msg_t>?
            try SlurmCall.check("slurm_load_job") { cs_load_job(&answer, id, Self.showFlags) }
            guard let answer else { throw SlurmError(.unexpected, "empty answer", call: "slurm_load_job") }
            defer { slurm_free_job_info_msg(answer) }
            var decoder = JobDecoder()
            return (0..<Int(answer.pointee.record_count)).map { index in
                let record = UnsafePointer(answer.pointee.job_array + index)
                let job = decoder.decode(record)
                return Record(job: job, placement: Placement(record, job: job, nodes: nodes))
            }
        }
    }

    /// An array answers with all its tasks; the caller asked for one number.
    private static func single(_ id: UInt32, _ records: [Record]) throws(SlurmError) -> (
        job: Job, placement: Placement?
    ) {
        guard let record = records.first(where: { $0.job.id == id }) ?? records.first else {
            throw SlurmError(.notFound, "slurmctld knows no job \(id)", number: SlurmErrno.invalidJobID)
        }
        return (record.job, record.placement)
    }

    private static var emptySnapshot: JobSnapshot {
        JobSnapshot(updateTime: Date(timeIntervalSince1970: 0), jobs: [])
    }

    /// Returns nil when nothing has changed since.
    private static func loadJobs(changedSince time: Date?) throws(SlurmError) -> JobSnapshot? {
        var decoder = JobDecoder()
        var jobs: [Job] = []
        let answer = try readList(changedSince: time, flags: showFlags) { record, count in
            if jobs.isEmpty { jobs.reserveCapacity(count) }
            jobs.append(decoder.decode(record))
        }
        return answer.map { JobSnapshot(updateTime: $0.updateTime, jobs: jobs) }
    }
}

extension Job {
    /// Whether the tag stands in the admin comment, whatever others have put before and after it: a comma, a blank, a
    /// semicolon.
    public func hasTag(_ tag: String) -> Bool {
        adminComment.map { Self.isWord(tag, of: $0) } ?? false
    }

    static func isWord(_ tag: String, of comment: String) -> Bool {
        guard !tag.isEmpty else { return false }
        if comment == tag { return true }
        let text = Array(comment.utf8)
        let wanted = Array(tag.utf8)
        guard text.count >= wanted.count else { return false }
        return (0...text.count - wanted.count).contains { place in
            text[place...].starts(with: wanted) && (place == 0 || !Self.isOfWord(text[place - 1]))
                && (place + wanted.count == text.count || !Self.isOfWord(text[place + wanted.count]))
        }
    }

    private static func isOfWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: ":"), 0x80...:
            true
        default: false
        }
    }
}
