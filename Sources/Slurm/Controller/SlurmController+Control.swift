// SPDX-License-Identifier: GPL-3.0-or-later

internal import CSlurm
internal import Glibc

extension SlurmController {
    /// Ends a job, an array task, or a whole array: SIGKILL, which is the only signal that removes a pending job.
    /// - Throws: `notFound`, or `alreadyEnded` when there is nothing left to end.
    public func cancel(_ id: JobID) async throws(SlurmError) {
        try await kill(id, signal: SIGKILL, flags: 0)
    }

    /// Ends all jobs of a user that have this name. Tries all of them before it reports the first failure; jobs that
    /// ended meanwhile are none.
    /// - Returns: the ids of the jobs ended.
    @discardableResult
    public func cancel(name: String, userID: UInt32) async throws(SlurmError) -> [UInt32] {
        var cancelled: [UInt32] = []
        var failure: SlurmError?
        for job in try await jobs().jobs where job.name == name && job.userID == userID && !job.state.hasEnded {
            do {
                try await cancel(JobID(job.id))
                cancelled.append(job.id)
            } catch  where error.code == .alreadyEnded || error.code == .notFound {
                continue
            } catch {
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
        return cancelled
    }

    /// Ends one step of a job.
    public func cancelStep(_ step: UInt32, of id: UInt32) async throws(SlurmError) {
        try await call("slurm_kill_job_step", changes: true) { () throws(SlurmError) in
            try SlurmCall.check("slurm_kill_job_step", changes: true) { cs_signal_step(id, step, UInt16(SIGKILL)) }
        }
    }

    /// Which processes of a job a signal goes to.
    public enum SignalTarget: Sendable {
        /// The steps started by srun, not the batch script. Slurm's default.
        case steps
        /// The batch script alone.
        case batchScript
        /// The batch script and all steps.
        case everything
    }

    /// Sends a signal to a running job.
    /// - Throws: `wrongState` for a pending job, unless the signal is SIGKILL.
    public func signal(_ id: JobID, _ signal: Int32, to target: SignalTarget = .steps) async throws(SlurmError) {
        let flags: UInt16 =
            switch target {
            case .steps: 0
            case .batchScript: cs_KILL_JOB_BATCH
            case .everything: cs_KILL_FULL_JOB
            }
        try await kill(id, signal: signal, flags: flags)
    }

    private func kill(_ id: JobID, signal: Int32, flags: UInt16) async throws(SlurmError) {
        guard (1...64).contains(signal) else { throw .invalid("signal", "\(signal) is no signal") }
        try await call("slurm_kill_job2", changes: true) { () throws(SlurmError) in
            try SlurmCall.check("slurm_kill_job2", changes: true) {
                slurm_kill_job2(id.description, UInt16(signal), flags, nil)
            }
        }
    }

    /// Keeps a pending job from starting.
    public func hold(_ id: JobID) async throws(SlurmError) {
        try await update(id) { message, _ in message.priority = 0 }
    }

    /// Lets a held job start.
    /// - Parameter adminComment: set by the same request, so that slurmctld keeps both or neither; nil: it stays. At most 1,024
    ///   bytes.
    public func release(_ id: JobID, adminComment: String? = nil) async throws(SlurmError) {
        if let adminComment { try Self.checkComment("admin comment", adminComment) }
        try await update(id) { message, owner in
            message.priority = cs_INFINITE
            if let adminComment { message.admin_comment = owner.copy(adminComment) }
        }
    }

    /// Puts a running or ended batch job back into the queue.
    public func requeue(_ id: JobID) async throws(SlurmError) {
        try await perTask("slurm_requeue2", id) { text, answer in slurm_requeue2(text, 0, answer) }
    }

    /// Stops a running job's processes; it keeps its resources unless the cluster gang-schedules.
    public func suspend(_ id: JobID) async throws(SlurmError) {
        try await perTask("slurm_suspend2", id) { text, answer in slurm_suspend2(text, answer) }
    }

    /// Lets a suspended job go on.
    public func resume(_ id: JobID) async throws(SlurmError) {
        try await perTask("slurm_resume2", id) { text, answer in slurm_resume2(text, answer) }
    }

    /// Sets the time limit of a pending or running job, up or down.
    public func setTimeLimit(_ id: JobID, _ limit: TimeLimit) async throws(SlurmError) {
        if case .minutes(let minutes) = limit, minutes == 0 || minutes > TimeLimit.maximumMinutes {
            throw .invalid("time limit", "\(minutes) minutes; 1 to \(TimeLimit.maximumMinutes) are possible")
        }
        try await update(id) { message, _ in message.time_limit = limit.slurmValue }
    }

    /// Adds minutes to a job's time limit.
    ///
    /// Read, then set: of two callers at once one addition may be lost.
    /// - Returns: the new limit in minutes.
    /// - Throws: `wrongState` for a job without a limit.
    @discardableResult
    public func extendTimeLimit(_ id: UInt32, by minutes: UInt32) async throws(SlurmError) -> UInt32 {
        guard minutes > 0 else { throw .invalid("minutes", "0 minutes extend nothing") }
        guard case .minutes(let now) = try await job(id).timeLimit else {
            throw SlurmError(.wrongState, "job \(id) has no time limit to extend")
        }
        let (sum, overflow) = now.addingReportingOverflow(minutes)
        guard !overflow, sum <= TimeLimit.maximumMinutes else {
            throw .invalid("minutes", "\(now) + \(minutes) is more than Slurm can count")
        }
        try await setTimeLimit(JobID(id), .minutes(sum))
        return sum
    }

    /// Sets the comment that everybody sees and the job's owner may change. At most 1,024 bytes.
    public func setComment(_ id: JobID, _ comment: String) async throws(SlurmError) {
        try Self.checkComment("comment", comment)
        try await update(id) { message, owner in message.comment = owner.copy(comment) }
    }

    /// Sets the comment that only operators may change. At most 1,024 bytes.
    public func setAdminComment(_ id: JobID, _ comment: String) async throws(SlurmError) {
        try Self.checkComment("admin comment", comment)
        try await update(id) { message, owner in message.admin_comment = owner.copy(comment) }
    }

    /// Writes a line into the output of a running job. At most 1,024 bytes.
    public func notify(_ id: UInt32, _ text: String) async throws(SlurmError) {
        try Self.checkComment("message", text)
        try await call("slurm_notify_job", changes: true) { () throws(SlurmError) in
            guard let copy = strdup(text) else { throw SlurmError(.unexpected, "out of memory") }
            defer { free(copy) }
            try SlurmCall.check("slurm_notify_job", changes: true) { cs_notify_job(id, copy) }
        }
    }

    private static func checkComment(_ field: String, _ text: String) throws(SlurmError) {
        if text.utf8.count > 1024 { throw .invalid(field, "has \(text.utf8.count) bytes, at most 1024 fit") }
        if text.utf8.contains(0) { throw .invalid(field, "holds a NUL byte") }
    }

    // MARK: calls

    private func update(
        _ id: JobID, _ change: @escaping @Sendable (inout job_desc_msg_t, JobDescription) -> Void
    ) async throws(SlurmError) {
        try await call("slurm_update_job2", changes: true) { () throws(SlurmError) in
            let description = JobDescription(update: id, change)
            var answer: UnsafeMutablePointer<job_array_resp_msg_t>?
            defer { if let answer { slurm_free_job_array_resp(answer) } }
            try SlurmCall.check("slurm_update_job2", changes: true) {
                description.withMessage { slurm_update_job2($0, &answer) }
            }
            try Self.check(answer, "slurm_update_job2")
        }
    }

    private func perTask(
        _ name: String, _ id: JobID,
        _ body:
            @escaping @Sendable (
                UnsafeMutablePointer<CChar>, UnsafeMutablePointer<UnsafeMutablePointer<job_array_resp_msg_t>?>
            ) -> CInt
    ) async throws(SlurmError) {
        do throws(SlurmError) {
            try await callPerTask(name, id, body)
        } catch {
            // slurmctld leaves a suspend or resume of a job that it does not know without an answer.
            if error.number == SlurmErrno.unexpectedMessage && id.part == .whole { _ = try await jobs(of: id.number) }
            throw error
        }
    }

    private func callPerTask(
        _ name: String, _ id: JobID,
        _ body:
            @escaping @Sendable (
                UnsafeMutablePointer<CChar>, UnsafeMutablePointer<UnsafeMutablePointer<job_array_resp_msg_t>?>
            ) -> CInt
    ) async throws(SlurmError) {
        try await call(name, changes: true) { () throws(SlurmError) in
            guard let text = strdup(id.description) else { throw SlurmError(.unexpected, "out of memory") }
            defer { free(text) }
            var answer: UnsafeMutablePointer<job_array_resp_msg_t>?
            defer { if let answer { slurm_free_job_array_resp(answer) } }
            try SlurmCall.check(name, changes: true) { body(text, &answer) }
            try Self.check(answer, name)
        }
    }

    /// For an array slurmctld answers per task: the first task that failed is the error, with its name.
    private static func check(
        _ answer: UnsafeMutablePointer<job_array_resp_msg_t>?, _ name: String
    ) throws(SlurmError) {
        guard let answer = answer?.pointee, let codes = answer.error_code else { return }
        for index in 0..<Int(answer.job_array_count) where codes[index] != 0 {
            let task = answer.job_array_id?[index].map { String(cString: $0) } ?? "?"
            throw SlurmCall.failure(
                name, changes: true, number: Int32(bitPattern: codes[index]), detail: "job \(task)")
        }
    }
}
