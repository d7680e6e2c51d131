// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import Glibc
package import JobLifecycle
package import Slurm

/// Makes the libslurm binding fit what the core needs of a scheduler.
package struct SlurmScheduler: Scheduler {
    package let controller: SlurmController
    package let accounting: SlurmAccounting

    package init(controller: SlurmController, accounting: SlurmAccounting) {
        (self.controller, self.accounting) = (controller, accounting)
    }

    package func jobs(changedSince memory: JobListMemory) async throws(SchedulerError) -> JobList? {
        let since = memory.stamp.map { Date(timeIntervalSince1970: Double($0)) }
        let asked = Date.microsecondsNow
        let answer = try await word { () async throws(SlurmError) in
            try await controller.readJobs(changedSince: since, into: ListReader(memory: memory))
        }
        guard let answer else { return nil }
        var memory = answer.reader.memory
        let gone = memory.end(stamp: Int64(answer.updateTime.timeIntervalSince1970))
        return JobList(memory: memory, gone: gone, count: answer.jobs.count, cost: answer.took) {
            [jobs = answer.jobs] part in
            jobs.jobs(part).compactMap { JobObservation($0, asked: asked) }
        }
    }

    private struct ListReader: JobListReader {
        var memory: JobListMemory

        init(memory: JobListMemory) {
            self.memory = memory
            self.memory.begin()
        }

        mutating func wants(_ mark: JobMark) -> Bool {
            memory.isAskedFor(mark.id, array: mark.arrayID, leader: mark.hetJobID)
                && memory.differs(mark.id, submitTime: mark.submitTime, digest: mark.digest)
        }
    }

    package func look(at jobID: UInt32) async throws(SchedulerError) -> [JobObservation] {
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

    package func accounting(of jobIDs: [UInt32]) async throws(SchedulerError) -> [JobObservation] {
        try await ask { () async throws(SlurmError) in try await accounting.jobs(jobIDs) }
    }

    package func accounting(endedIn window: ClosedRange<Int64>) async throws(SchedulerError) -> [JobObservation] {
        try await ask { () async throws(SlurmError) in try await accounting.jobs(endedIn: window) }
    }

    package func accounting(tagged tag: String, since time: Int64) async throws(SchedulerError) -> [JobObservation] {
        try await ask { () async throws(SlurmError) in try await accounting.jobs(submittedSince: max(0, time)) }
            .filter { OrderTag.all(in: $0.details.adminComment).contains(tag) }
    }

    package func submitHeld(_ request: [UInt8], tag: String) async throws(SchedulerError) -> UInt32 {
        var wanted = try Self.request(request)
        wanted.hold = true
        wanted.adminComment = [wanted.adminComment, tag].compactMap { $0 }.joined(separator: ",")
        wanted.session = OrderTag.session(of: tag)
        let held = wanted
        // What was taken by an agent that knew less waits in the ledger.
        let systemUsers = try await systemUsers()
        if let why = SystemUsers.refusal(of: held.userID, systemUsers) { throw SchedulerError(.refused, why) }
        do throws(SlurmError) {
            return try await controller.submit(held, readBack: false).jobID
        } catch {
            throw SchedulerError(submission: error)
        }
    }

    private func systemUsers() async throws(SchedulerError) -> Set<UInt32> {
        try await word { () async throws(SlurmError) in try await SystemUsers.all(controller) }
    }

    /// What cannot be read is not refused: the request was accepted, and may be read by another release.
    package static func request(_ stored: [UInt8]) throws(SchedulerError) -> JobRequest {
        do throws(JobSpec.Unreadable) {
            return JobRequest(try JobSpec(stored: stored))
        } catch {
            throw SchedulerError(.unavailable, error.description)
        }
    }

    package func release(_ jobID: UInt32, adminComment: String?) async throws(SchedulerError) {
        let needless: Set<SlurmError.Code> = [.alreadyEnded, .notFound, .wrongState]
        guard let adminComment else {
            return try await change(needless) { () async throws(SlurmError) in
                try await controller.release(JobID(jobID))
            }
        }
        // It goes without the comment where Slurm, or what the comment holds already, says no to that.
        try await command(needless) { () async throws(SlurmError) in
            try await controller.release(JobID(jobID), adminComment: adminComment)
        }
    }

    package func cancel(_ jobID: UInt32) async throws(SchedulerError) {
        try await command { () async throws(SlurmError) in try await controller.cancel(JobID(jobID)) }
    }

    package func setTimeLimit(_ jobID: UInt32, minutes: UInt64) async throws(SchedulerError) {
        let limit = TimeLimit.minutes(UInt32(min(minutes, UInt64(TimeLimit.maximumMinutes))))
        try await command { () async throws(SlurmError) in try await controller.setTimeLimit(JobID(jobID), limit) }
    }

    /// A change that one may say no to, and that is needless in some cases.
    private func command(
        _ needless: Set<SlurmError.Code> = [.alreadyEnded, .notFound], _ body: () async throws(SlurmError) -> Void
    ) async throws(SchedulerError) {
        do throws(SlurmError) {
            try await body()
        } catch {
            if needless.contains(error.code) { return }
            throw SchedulerError(command: error)
        }
    }

    package func setTag(_ tag: String, of jobID: UInt32, beside adminComment: String?) async throws(SchedulerError) {
        let text = [adminComment, tag].compactMap { $0 }.joined(separator: ",")
        try await change([.alreadyEnded, .notFound]) { () async throws(SlurmError) in
            try await controller.setAdminComment(JobID(jobID), text)
        }
    }

    /// A change that is needless in some cases.
    private func change(
        _ needless: Set<SlurmError.Code>, _ body: () async throws(SlurmError) -> Void
    ) async throws(SchedulerError) {
        try await word { () async throws(SlurmError) in
            do throws(SlurmError) {
                try await body()
            } catch {
                if needless.contains(error.code) { return }
                throw error
            }
        }
    }

    package func settle() async throws(SchedulerError) {
        try await word { () async throws(SlurmError) in try await controller.settled(timeout: .zero) }
    }

    package func jobs(of request: [UInt8], tag: String) async throws(SchedulerError) -> [JobObservation] {
        let userID = try? Self.request(request).userID
        let session = OrderTag.session(of: tag)
        let asked = Date.microsecondsNow
        // Any user can submit with any session number: only the order's user is believed. Only operators can set the tag.
        return try await word { () async throws(SlurmError) in try await controller.jobs().jobs }
            .filter { job in
                OrderTag.all(in: job.adminComment).contains(tag) || job.session == session && job.userID == userID
            }
            .compactMap { JobObservation($0, asked: asked) }
    }

    package func timing() async throws(SchedulerError) -> SchedulerTiming {
        let cluster = try await word { () async throws(SlurmError) in try await controller.cluster(maximumAge: .zero) }
        return SchedulerTiming(
            messageTimeout: Int64(cluster.messageTimeout), minimumJobAge: Int64(cluster.minimumJobAge),
            runningFor: cluster.runningFor)
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
    package init(submission error: SlurmError) {
        if error.mayHaveHappened || Self.mayHaveBeenSent(error) {
            self.init(.unavailable, error.description, mayHaveHappened: true)
            return
        }
        switch error.code {
        case .unavailable, .timedOut, .cancelled, .authentication, .helperFailed, .configuration:
            self.init(.unavailable, error.description)
        default:
            // The customer reads it: nothing of what an administrator should do.
            self.init(.refused, error.reason)
        }
    }

    /// A change of a job that failed. What the job's state forbids now it may allow soon.
    package init(command error: SlurmError) {
        switch error.code {
        case .permissionDenied, .rejected, .association, .limit, .impossible, .federation, .invalidRequest:
            self.init(
                error.mayHaveHappened ? .unavailable : .refused, error.description,
                mayHaveHappened: error.mayHaveHappened)
        default:
            self.init(.unavailable, error.description, mayHaveHappened: error.mayHaveHappened)
        }
    }

    /// The submission itself failed in a way that is no answer of slurmctld's: an answer that could not be verified or
    /// understood, or a connection that broke.
    private static func mayHaveBeenSent(_ error: SlurmError) -> Bool {
        guard error.call == "slurm_submit_batch_job" else { return false }
        switch error.code {
        case .authentication, .configuration: return true
        case .unexpected: return error.number == 0 || brokenConnections.contains(error.number)
        default: return false
        }
    }

    private static let brokenConnections: Set<Int32> = [
        EINTR, EIO, EBADF, EAGAIN, ENOMEM, EPIPE, ENETDOWN, ENETUNREACH, ECONNABORTED, ECONNRESET, ENOTCONN, ETIMEDOUT,
        EHOSTUNREACH, EMFILE, ENFILE, ENOBUFS,
    ]
}

extension Date {
    package static var microsecondsNow: Int64 { Int64(Date().timeIntervalSince1970 * 1_000_000) }
}
