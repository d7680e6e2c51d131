// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials
import GRDB
import JobLifecycle
import Logging
import NIOConcurrencyHelpers

@testable import Jarvice

/// A Slurm that takes each submission, or is away.
final class FakeSlurm: Scheduler {
    struct State {
        var isUp = true
        var jobs: [UInt32: JobObservation] = [:]
        var submissions: [String] = []
        var cancelled: [UInt32] = []
        var released: [UInt32] = []
        /// Held when it is listed.
        var isHeld = false
        var lists = 0
        var running: Set<UInt32> = []
        /// Listed as completed, with these flags.
        var ended: [UInt32: ListedJob.Flags] = [:]
        var addresses: [String: String] = [:]
        /// Why slurmctld refuses the next ones.
        var refusal: String?
    }

    let state = NIOLockedValueBox(State())

    private func answer<Value>(_ body: (inout State) -> Value) throws(SchedulerError) -> Value {
        let value = state.withLockedValue { $0.isUp ? body(&$0) : nil }
        guard let value else { throw SchedulerError(.unavailable, "away") }
        return value
    }

    func jobs(changedSince memory: JobListMemory) async throws(SchedulerError) -> JobList? { try answer { _ in nil } }

    func look(at jobID: UInt32) async throws(SchedulerError) -> [JobObservation] {
        try answer { state in
            guard var job = state.jobs[jobID] else { return [] }
            job.isHeld = state.isHeld
            return [job]
        }
    }

    func accounting(of jobIDs: [UInt32]) async throws(SchedulerError) -> [JobObservation] {
        throw SchedulerError(.noAccounting, "none")
    }

    func accounting(endedIn window: ClosedRange<Int64>) async throws(SchedulerError) -> [JobObservation] {
        throw SchedulerError(.noAccounting, "none")
    }

    func accounting(tagged tag: String, since time: Int64) async throws(SchedulerError) -> [JobObservation] {
        throw SchedulerError(.noAccounting, "none")
    }

    func submitHeld(_ request: [UInt8], tag: String) async throws(SchedulerError) -> UInt32 {
        let refusal = state.withLockedValue { $0.refusal }
        if let refusal { throw SchedulerError(.refused, refusal) }
        return try answer { state in
            state.submissions.append(tag)
            let id = 100 + UInt32(state.submissions.count)
            var details = JobDetails()
            details.adminComment = tag
            details.userID = 1001
            let now = Int64(Date().timeIntervalSince1970)
            state.jobs[id] = JobObservation(
                source: .controller, time: now * 1_000_000, key: JobKey(id), jobID: id, submitTime: now,
                state: SchedulerState(.pending), details: details)
            return id
        }
    }

    func release(_ jobID: UInt32, adminComment: String?) async throws(SchedulerError) {
        try answer { $0.released.append(jobID) }
    }

    func cancel(_ jobID: UInt32) async throws(SchedulerError) { try answer { $0.cancelled.append(jobID) } }

    func setTimeLimit(_ jobID: UInt32, minutes: UInt64) async throws(SchedulerError) { try answer { _ in } }

    func setTag(_ tag: String, of jobID: UInt32, beside adminComment: String?) async throws(SchedulerError) {}

    func settle() async throws(SchedulerError) {}

    func jobs(of request: [UInt8], tag: String) async throws(SchedulerError) -> [JobObservation] {
        try answer { state in state.jobs.values.filter { $0.details.adminComment == tag } }
    }

    func timing() async throws(SchedulerError) -> SchedulerTiming { SchedulerTiming() }
}

/// The same as the gateway sees it.
struct FakeCluster: JarviceCluster {
    let slurm: FakeSlurm

    func user(login: String, groups: [String]) async throws(JarviceError) -> JarviceUser? {
        switch login {
        case "alice": JarviceUser(login: login, userID: 1001, home: "/home/alice")
        case "low": JarviceUser(login: login, userID: 7, home: "/")
        case "agent": JarviceUser(login: login, userID: 2000, home: "/")
        default: nil
        }
    }

    func user(of userID: UInt32) async throws(JarviceError) -> JarviceUser? {
        userID == 1001 ? JarviceUser(login: "alice", userID: userID, home: "/home/alice") : nil
    }

    func systemUsers() async throws(JarviceError) -> Set<UInt32> { [0, 2000] }

    func request(_ plan: JobPlan) throws(JarviceError) -> [UInt8] {
        let spec = JobSpec(userID: plan.user.userID, script: plan.script, name: plan.name)
        do {
            return try spec.stored
        } catch {
            throw JarviceError(.refused, "\(error)")
        }
    }

    func script(ofRequest request: [UInt8]) throws(JarviceError) -> String {
        do throws(JobSpec.Unreadable) {
            return try JobSpec(stored: request).script
        } catch {
            throw JarviceError(.unavailable, error.description)
        }
    }

    func jobs(prefix: String) async throws(JarviceError) -> [ListedJob] {
        let jobs = slurm.state.withLockedValue { state -> [ListedJob]? in
            state.lists += 1
            guard state.isUp else { return nil }
            return state.jobs.keys.map {
                var job = ListedJob(
                    id: $0, name: prefix + "x", userID: 1001, partition: "p", priority: 1,
                    state: state.ended[$0] != nil ? .completed : state.running.contains($0) ? .running : .pending,
                    flags: state.ended[$0] ?? [], nodes: state.running.contains($0) ? ["n1", "n2"] : [])
                job.isHeld = state.isHeld
                return job
            }
        }
        guard let jobs else { throw JarviceError(.unavailable, "away") }
        return jobs
    }

    func nodeAddresses() async throws(JarviceError) -> [String: String] { slurm.state.withLockedValue { $0.addresses } }

    func isUp() async -> Bool { slurm.state.withLockedValue { $0.isUp } }

    func description(of jobID: UInt32) async throws(JarviceError) -> String? { "JobId=\(jobID)\n   A=b\n\n" }

    func knows(_ jobID: UInt32) async throws(JarviceError) -> Bool { jobID == 7 }
}

/// A gateway on a ledger of its own, whose tokens are not verified.
struct GatewaySite {
    let slurm = FakeSlurm()
    let ledger: Ledger
    let gateway: JarviceGateway
    let folder: URL

    init(
        submitTimeout: Duration = .seconds(60), files: FakeFiles? = nil, answers: (any KeptAnswers)? = nil,
        now: @escaping @Sendable () -> Date = { Date() }, steady: (@Sendable () -> Date)? = nil,
        change: (inout JarviceSettings) -> Void = { _ in }
    ) throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "jarvice-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        ledger = try Ledger(
            path: folder.appending(path: "ledger.sqlite").path, cluster: "c",
            interests: [Ledger.Interest(gateway: JarviceGateway.gatewayName, scope: .ownJobs)], steady: steady)
        var settings = JarviceSettings()
        settings.tokens.isInsecure = true
        settings.submitTimeout = submitTimeout
        // The double answers at once, on a machine with time for it.
        settings.slurmTimeout = .seconds(60)
        settings.executor.registries.systemRegistry = "r"
        settings.executor.registries.systemBase = "b"
        change(&settings)
        gateway = JarviceGateway(
            settings: settings, ledger: ledger, cluster: FakeCluster(slurm: slurm), machine: "x86_64", keySource: nil,
            files: files, answers: answers, logger: .init(label: "test"), now: now)
    }

    /// slurmctld's word on a job that has ended, told to the gateway as the core tells it.
    func end(_ jobID: UInt32, flags: ListedJob.Flags = []) async throws {
        let end = slurm.state.withLockedValue { state -> JobObservation? in
            guard var end = state.jobs[jobID] else { return nil }
            end.state = SchedulerState(.completed)
            end.startTime = end.submitTime
            end.endTime = end.submitTime
            state.ended[jobID] = flags
            return end
        }
        guard let end else { return }
        await gateway.index.changed()
        _ = try await ledger.fold(Ledger.Intake(observations: [end]))
        let order = try await ledger.newestOrder(JarviceGateway.gatewayName, jobID: jobID)
        let told = try await ledger.transitions(ofLedgerJob: order?.ledgerJob ?? 0)
        _ = try await gateway.deliver(told)
    }

    /// The first end is dated so many seconds later, as by a clock that was ahead.
    func misdate(by seconds: Int64) async throws {
        let queue = try DatabaseQueue(path: folder.appending(path: "ledger.sqlite").path)
        try await queue.write {
            try $0.execute(
                sql: """
                    UPDATE transitions SET recorded_at = recorded_at + ?1,
                        body = json_set(body, '$.recorded_at_us', recorded_at + ?1)
                    WHERE sequence = (SELECT min(sequence) FROM transitions WHERE final = 1)
                    """, arguments: [seconds * 1_000_000])
        }
    }

    /// With the core's own part at work.
    func running<Value: Sendable>(_ body: @Sendable @escaping () async throws -> Value) async throws -> Value {
        let submitter = Task {
            try await Submitter(ledger: ledger, scheduler: slurm, logger: .init(label: "test")).run()
        }
        let commander = Task {
            try await JobCommander(ledger: ledger, scheduler: slurm, logger: .init(label: "test")).run()
        }
        let value: Result<Value, any Error>
        do {
            value = .success(try await body())
        } catch {
            value = .failure(error)
        }
        for service in [submitter, commander] {
            service.cancel()
            _ = await service.result
        }
        ledger.close()
        try? FileManager.default.removeItem(at: folder)
        return try value.get()
    }

    static func args(
        _ name: String = "n", user: String = "alice", number: String = "1", version: Int = 2,
        isInteractive: Bool = false
    ) throws -> JSONValue {
        let script =
            "JOBOBJ_INTERACTIVE=\(isInteractive ? "True" : "False")\nJOBOBJ_APPDEFVERSION=\(version)\nJARVICE_CPU_CORES=2\nJOBOBJ_REPO=a/b\n"
            + "{DOWNSTREAM_PARAMETERS}\necho it's\n"
        func encoded(_ text: String) -> String { Data(text.utf8).base64EncodedString() }
        let token = "\(encoded("{\"alg\":\"none\"}")).\(encoded("{\"preferred_username\":\"\(user)\"}")).x"
            .replacing("=", with: "")
        return try JSONValue(
            parsing: """
                {"name":"\(name)","number":\(number),"nodes":3,"bearer":"\(token)",
                "hpc_script":{"singularity":"\(encoded(script))"}}
                """.utf8)
    }
}

/// The helper of job files, which only notes what it is asked.
final class FakeFiles: JobFiles {
    struct State {
        var asked: [String] = []
        var isAway = false
        /// Of each file; nil: there is none.
        var text: String? = "text"
    }

    let state = NIOLockedValueBox(State())

    private func note(_ text: String) throws(JarviceError) {
        let isAway = state.withLockedValue { state in
            if !state.isAway { state.asked.append(text) }
            return state.isAway
        }
        if isAway { throw JarviceError(.unavailable, "away") }
    }

    func tail(of path: String, as userID: UInt32, lines: Int) async throws(JarviceError) -> String? {
        try note("tail \(path) \(userID)")
        return state.withLockedValue { $0.text }
    }

    func remove(_ path: String, as userID: UInt32, before: Int64) async throws(JarviceError) {
        try note("remove \(path) \(userID)")
    }

    func removeFolder(_ path: String, as userID: UInt32) async throws(JarviceError) {
        try note("remove \(path)/ \(userID)")
    }

    func list(_ path: String, as userID: UInt32, details: Bool) async throws(JarviceError) -> FileListing {
        try note("list \(path) \(userID) \(details)")
        return path == "none" ? .nothing("No such file or directory") : .entries("/data\(path)/")
    }
}
