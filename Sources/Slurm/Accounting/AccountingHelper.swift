// SPDX-License-Identifier: GPL-3.0-or-later

internal import CSlurm
internal import FoundationEssentials
internal import Glibc

/// The helper process's side of accounting: connects, reads one query from stdin, prints rows, ends.
enum AccountingHelper {
    private struct Failure: Error {
        var code: SlurmError.Code
        var message: String
        var number: Int32 = 0
        var call = ""
    }

    /// - Returns: the process's exit status.
    static func serve() -> Int32 {
        let output = Output()
        do {
            try answer(output)
        } catch let failure as Failure {
            output.send(
                .failed(
                    code: failure.code.description, message: failure.message, number: failure.number, call: failure.call
                ))
        } catch {
            output.send(.failed(code: SlurmError.Code.unexpected.description, message: "\(error)", number: 0, call: ""))
        }
        output.flush()
        return 0
    }

    private static func answer(_ output: Output) throws {
        let storage = String(cString: cs_accounting_storage_type())
        guard storage.hasSuffix("slurmdbd") else {
            throw Failure(
                code: .accountingUnavailable,
                message:
                    "this cluster keeps no accounting (AccountingStorageType=\(storage.isEmpty ? "none" : storage))")
        }
        errno = 0
        var connection = slurmdb_connection_get(nil)
        let connectError = errno
        defer { slurmdb_connection_close(&connection) }
        guard let connection else { throw unavailable("slurmdb_connection_get", connectError) }
        output.send(.ready)
        output.flush()
        guard let line = readLine(strippingNewline: true) else { return }  // the parent has left
        let query = try JSONDecoder().decode(AccountingQuery.self, from: Data(line.utf8))
        let authoritative = try isAuthoritative(connection)
        let count = try send(query, connection, to: output)
        output.send(.end(count: count, authoritative: authoritative))
    }

    private static func unavailable(_ call: String, _ number: Int32) -> Failure {
        let words = String(cString: number == 0 ? strerror(ECONNREFUSED) : slurm_strerror(number))
        return Failure(
            code: .accountingUnavailable, message: "slurmdbd does not answer: \(words)", number: number, call: call)
    }

    /// Sends the rows that match; returns how many.
    private static func send(_ query: AccountingQuery, _ connection: UnsafeMutableRawPointer, to output: Output) throws
        -> Int
    {
        var condition = slurmdb_job_cond_t()
        // Without this flag slurmdbd answers no rows at all, and says nothing.
        condition.db_flags = cs_SLURMDB_JOB_FLAG_NOTSET
        // All runs of a number; whole durations, not cut at the window's edges; no steps; no end of the window but ours.
        condition.flags =
            cs_JOBCOND_FLAG_DUP | cs_JOBCOND_FLAG_NO_TRUNC | cs_JOBCOND_FLAG_NO_STEP
            | cs_JOBCOND_FLAG_NO_DEFAULT_USAGE
        condition.timelimit_min = 0
        condition.cluster_list = slurm_list_create(free)
        defer { slurm_list_destroy(condition.cluster_list) }
        slurm_list_append(condition.cluster_list, strdup(cs_cluster_name()))
        if !query.ids.isEmpty {
            condition.step_list = slurm_list_create(free)
            for id in query.ids { slurm_list_append(condition.step_list, cs_selected_job(id)) }
        }
        defer { if let list = condition.step_list { slurm_list_destroy(list) } }
        if let name = query.name {
            condition.jobname_list = slurm_list_create(free)
            slurm_list_append(condition.jobname_list, strdup(name))
        }
        defer { if let list = condition.jobname_list { slurm_list_destroy(list) } }
        if let since = query.endedSince, query.ids.isEmpty {
            // Asked for states, slurmdbd looks for what ended within the window. Without them it adds all that waits or runs, and
            // with an end of the window leaves out what was never eligible, as a job that was cancelled while held.
            condition.state_list = slurm_list_create(free)
            for state in AccountingQuery.endStates { slurm_list_append(condition.state_list, strdup(String(state))) }
            condition.usage_start = time_t(since)
            condition.usage_end = time_t(query.endedUntil ?? AccountingQuery.never)
        } else if let since = query.submittedFrom, query.ids.isEmpty {
            condition.usage_start = time_t(since)
        }
        defer { if let list = condition.state_list { slurm_list_destroy(list) } }
        errno = 0
        guard let rows = slurmdb_jobs_get(connection, &condition) else {
            throw unavailable("slurmdb_jobs_get", errno)
        }
        defer { slurm_list_destroy(rows) }
        var count = 0
        forEach(rows) { raw in
            let record = raw.assumingMemoryBound(to: slurmdb_job_rec_t.self)
            let job = AccountingJob(record)
            guard query.matches(job, now: Int64(time(nil))) else { return }
            output.send(.job(job))
            count += 1
        }
        return count
    }

    /// slurmdbd shows all jobs to root, to its SlurmUser, to operators, and to everybody when PrivateData does not
    /// name jobs.
    private static func isAuthoritative(_ connection: UnsafeMutableRawPointer) throws -> Bool {
        if geteuid() == 0 { return true }
        errno = 0
        guard let text = cs_accounting_settings(connection) else { throw unavailable("slurmdb_config_get", errno) }
        defer { free(text) }
        let settings = Self.settings(String(cString: text))
        // "slurm(64030)"
        if settings["SlurmUser"]?.hasSuffix("(\(geteuid()))") == true { return true }
        // An unknown setting counts as hiding: rather no answer than a wrong one.
        guard let hidden = settings["PrivateData"]?.lowercased() else { return try isOperator(connection) }
        if !hidden.contains("jobs") && !hidden.contains("all") { return true }
        return try isOperator(connection)
    }

    static func settings(_ text: String) -> [String: String] {
        var settings: [String: String] = [:]
        for line in text.split(whereSeparator: \.isNewline) {
            guard let equals = line.firstIndex(of: "=") else { continue }
            func trim(_ part: Substring) -> String {
                String(part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
            }
            settings[trim(line[..<equals])] = trim(line[line.index(after: equals)...])
        }
        return settings
    }

    private static func isOperator(_ connection: UnsafeMutableRawPointer) throws -> Bool {
        guard let account = try UserAccount.find(userID: geteuid()) else { return false }
        var associations = slurmdb_assoc_cond_t()
        associations.user_list = slurm_list_create(free)
        defer { slurm_list_destroy(associations.user_list) }
        slurm_list_append(associations.user_list, strdup(account.name))
        return try withUnsafeMutablePointer(to: &associations) { associations in
            var condition = slurmdb_user_cond_t()
            condition.assoc_cond = associations
            errno = 0
            guard let users = slurmdb_users_get(connection, &condition) else {
                throw unavailable("slurmdb_users_get", errno)
            }
            defer { slurm_list_destroy(users) }
            var isOperator = false
            forEach(users) { raw in
                let user = raw.assumingMemoryBound(to: slurmdb_user_rec_t.self).pointee
                if UInt32(user.admin_level) >= SLURMDB_ADMIN_OPERATOR.rawValue { isOperator = true }
            }
            return isOperator
        }
    }

    private static func forEach(_ list: cs_list_t, _ body: (UnsafeMutableRawPointer) -> Void) {
        guard let iterator = slurm_list_iterator_create(list) else { return }
        defer { slurm_list_iterator_destroy(iterator) }
        while let element = slurm_list_next(iterator) { body(element) }
    }

    /// Buffered lines to standard output.
    private final class Output {
        private var buffer: [UInt8] = []

        func send(_ line: AccountingLine) {
            // Encoding plain values cannot fail; a row that did would be missed by the count at the other end.
            guard let data = try? JSONEncoder().encode(line) else { return }
            buffer += data
            buffer.append(UInt8(ascii: "\n"))
            if buffer.count >= 1 << 16 { flush() }
        }

        func flush() {
            // Whoever asks gives up when nothing comes, not when much does.
            SlurmHelper.postponeEnd()
            var sent = 0
            while sent < buffer.count {
                let count = buffer[sent...].withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { exit(1) }  // the parent has left
                sent += count
            }
            buffer.removeAll(keepingCapacity: true)
        }
    }
}

extension AccountingQuery {
    /// Seconds after a job's end in which slurmctld, if it lives, has told slurmdbd of the submission: four of its turns.
    private static let submissionDelay: Int64 = 20

    /// The states in which slurmdbd keeps a run that is over: `enum job_states` of slurm.h, and what stands for one that was put
    /// back, changed its size or went to another cluster.
    static let endStates: [UInt32] =
        JobState.Base.allCases.map(\.rawValue).filter { $0 >= JobState.Base.completed.rawValue }
        + [JobState.Flags.requeue, .resizing, .revoked].map(\.rawValue)

    /// The year 2100: what a window without an end has for one.
    static let never: Int64 = 4_102_444_800

    func matches(_ job: AccountingJob, now: Int64) -> Bool {
        if let submittedFrom, (job.submitTime ?? 0) < submittedFrom { return false }
        if let submittedTo, (job.submitTime ?? 0) > submittedTo { return false }
        guard let endedSince else { return true }
        let end = job.endTime ?? 0
        if end < max(1, endedSince) || end > endedUntil ?? .max { return false }
        // Whoever looks at what has ended looks again, and finds the job as what it is.
        return job.isWhole || end <= now - Self.submissionDelay
    }
}

extension AccountingJob {
    fileprivate init(_ pointer: UnsafePointer<slurmdb_job_rec_t>) {
        let record = pointer.pointee
        func seconds(_ time: time_t) -> Int64? { date(time).map { Int64($0.timeIntervalSince1970) } }
        func positive(_ value: UInt32) -> UInt32? { value == 0 ? nil : some(value) }
        let restarts = cs_accounting_restart_count(pointer)
        self.init(
            id: record.jobid,
            arrayJobID: positive(record.array_job_id),
            arrayTaskID: some(record.array_task_id),
            hetJobID: positive(record.het_job_id),
            hetJobOffset: record.het_job_id == 0 ? nil : some(record.het_job_offset),
            databaseIndex: record.db_index,
            cluster: optionalText(record.cluster),
            name: optionalText(record.jobname) ?? "",
            userID: record.uid,
            groupID: record.gid,
            userName: optionalText(record.user),
            account: optionalText(record.account),
            partition: optionalText(record.partition),
            wckey: optionalText(record.wckey),
            state: JobState(rawValue: record.state),
            exit: ExitStatus(raw: record.exitcode),
            derivedExit: ExitStatus(raw: record.derived_ec),
            submitTime: seconds(record.submit),
            eligibleTime: seconds(record.eligible),
            startTime: seconds(record.start),
            endTime: seconds(record.end),
            elapsed: record.elapsed,
            suspended: record.suspended,
            timeLimit: some(record.timelimit),
            restartCount: restarts < 0 ? nil : restarts,
            nodes: optionalText(record.nodes),
            requestedTRES: optionalText(record.tres_req_str),
            allocatedTRES: optionalText(record.tres_alloc_str),
            adminComment: optionalText(record.admin_comment),
            comment: optionalText(record.derived_es),
            systemComment: optionalText(record.system_comment),
            workDirectory: optionalText(record.work_dir))
    }
}
