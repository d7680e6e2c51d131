// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import JobLifecycle
internal import Slurm

/// Makes the libslurm binding fit what the core needs of a scheduler.
struct SlurmScheduler: Scheduler {
    let controller: SlurmController
    let accounting: SlurmAccounting

    func jobs(changedSince memory: JobListMemory) async throws(SchedulerError) -> JobList? {
        let since = memory.stamp.map { Date(timeIntervalSince1970: Double($0)) }
        let reader = ListReader(memory: memory, asked: Date.microsecondsNow)
        let answer = try await word { () async throws(SlurmError) in
            try await controller.readJobs(changedSince: since, into: reader)
        }
        guard let answer else { return nil }
        var read = answer.reader
        let gone = read.memory.end(stamp: Int64(answer.updateTime.timeIntervalSince1970))
        return JobList(memory: read.memory, changed: read.changed, gone: gone, cost: answer.took)
    }

    /// Of the whole list, only what differs is made an observation.
    private struct ListReader: JobListReader {
        var memory: JobListMemory
        var changed: [JobObservation] = []
        let asked: Int64

        init(memory: JobListMemory, asked: Int64) {
            self.memory = memory
            self.asked = asked
            self.memory.begin()
        }

        mutating func wants(_ mark: JobMark) -> Bool {
            memory.differs(mark.id, submitTime: mark.submitTime, digest: mark.digest)
        }

        mutating func take(_ job: Job) {
            if let observation = JobObservation(job, asked: asked) { changed.append(observation) }
        }
    }

    func look(at jobID: UInt32) async throws(SchedulerError) -> [JobObservation] {
        let asked = Date.microsecondsNow
        let jobs = try await word { () async throws(SlurmError) -> [Job] in
            do throws(SlurmError) {
                return try await controller.jobs(of: jobID)
            } catch {
                if error.code == .notFound { return [] }
                throw error
            }
        }
        return jobs.compactMap { JobObservation($0, asked: asked) }
    }

    func accounting(of jobIDs: [UInt32]) async throws(SchedulerError) -> [JobObservation] {
        try await ask { () async throws(SlurmError) in try await accounting.jobs(jobIDs) }
    }

    func accounting(endedSince time: Int64) async throws(SchedulerError) -> [JobObservation] {
        try await ask { () async throws(SlurmError) in try await accounting.jobs(endedSince: max(0, time)) }
    }

    func accounting(tagged tag: String, since time: Int64) async throws(SchedulerError) -> [JobObservation] {
        try await ask { () async throws(SlurmError) in try await accounting.jobs(submittedSince: max(0, time)) }
            .filter { $0.details.adminComment?.split(separator: ",").contains(Substring(tag)) == true }
    }

    func submitHeld(_ request: [UInt8], tag: String) async throws(SchedulerError) -> UInt32 {
        var wanted: JobRequest
        do {
            wanted = try JSONDecoder().decode(JobRequest.self, from: Data(request))
        } catch {
            throw SchedulerError(.refused, "the request is no job request: \(error)")
        }
        wanted.hold = true
        wanted.adminComment = [wanted.adminComment, tag].compactMap { $0 }.joined(separator: ",")
        let held = wanted
        do throws(SlurmError) {
            return try await controller.submit(held, readBack: false).jobID
        } catch {
            throw SchedulerError(submission: error)
        }
    }

    func release(_ jobID: UInt32) async throws(SchedulerError) {
        try await word { () async throws(SlurmError) in
            do throws(SlurmError) {
                try await controller.release(JobID(jobID))
            } catch {
                switch error.code {
                case .alreadyEnded, .notFound, .wrongState: return
                default: throw error
                }
            }
        }
    }

    func settle() async throws(SchedulerError) {
        try await word { () async throws(SlurmError) in try await controller.settled(timeout: .seconds(30)) }
    }

    func jobs(tagged tag: String) async throws(SchedulerError) -> [UInt32] {
        try await word { () async throws(SlurmError) in try await controller.findJobs(tag: tag).map(\.id) }
    }

    func minimumJobAge() async throws(SchedulerError) -> Int64 {
        Int64(try await word { () async throws(SlurmError) in try await controller.cluster().minimumJobAge })
    }

    private func ask(
        _ question: () async throws(SlurmError) -> AccountingAnswer
    ) async throws(SchedulerError) -> [JobObservation] {
        let asked = Date.microsecondsNow
        let hasAccounting = try await word { () async throws(SlurmError) in try await controller.cluster().hasAccounting
        }
        guard hasAccounting else { throw SchedulerError(.noAccounting, "this cluster has no slurmdbd") }
        let answer: AccountingAnswer
        do throws(SlurmError) {
            answer = try await question()
        } catch {
            throw SchedulerError(.unavailable, error.description)
        }
        guard answer.isAuthoritative else {
            throw SchedulerError(.unavailable, "slurmdbd may hide jobs from this user: run as SlurmUser")
        }
        return JobObservation.accounting(answer.jobs, asked: asked)
    }

    private func word<Answer: Sendable>(
        _ body: () async throws(SlurmError) -> Answer
    ) async throws(SchedulerError) -> Answer {
        do throws(SlurmError) {
            return try await body()
        } catch {
            throw SchedulerError(.unavailable, error.description)
        }
    }
}

extension SchedulerError {
    /// A submission that failed: only what provably has not happened, and never will for this request, is a refusal.
    init(submission error: SlurmError) {
        if error.mayHaveHappened {
            self.init(.unavailable, error.description)
            return
        }
        switch error.code {
        case .unavailable, .timedOut, .cancelled, .authentication, .helperFailed, .configuration:
            self.init(.unavailable, error.description)
        default:
            self.init(.refused, error.description)
        }
    }
}

extension Date {
    static var microsecondsNow: Int64 { Int64(Date().timeIntervalSince1970 * 1_000_000) }
}
