// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import Jarvice
internal import JobLifecycle
internal import Slurm
internal import SlurmAdapter
internal import Support

/// Makes the libslurm binding fit what the JARVICE gateway needs of a cluster.
struct SlurmJarviceCluster: JarviceCluster {
    let controller: SlurmController
    let accounting: SlurmAccounting

    /// The name service may block, for as long as it likes.
    private let names = BlockingThread(name: "jarvice-names")
    private let turn = SubmissionGate()
    private static let patience = Duration.seconds(10)
    /// Processes that are asked with at once, however many callers there are.
    private static let helpers: UInt32 = 4

    init(controller: SlurmController, accounting: SlurmAccounting) {
        self.controller = controller
        self.accounting = accounting
    }

    func user(login: String, groups: [String]) async throws(JarviceError) -> JarviceUser? {
        try await look {
            guard let account = try UserAccount.find(name: login) else { return nil }
            let allowed = try groups.map { try UserAccount.groupID($0) }
            guard allowed.isEmpty || allowed.contains(where: account.isMember) else {
                throw JarviceError(.identity, "the token's user \(login) is in none of the groups of jarvice.groups")
            }
            guard account.home.hasPrefix("/") else {
                throw JarviceError(.identity, "the token's user \(login) has no home directory")
            }
            return JarviceUser(login: account.name, userID: account.userID, home: account.home)
        }
    }

    func user(of userID: UInt32) async throws(JarviceError) -> JarviceUser? {
        try await look {
            try UserAccount.find(userID: userID).map {
                JarviceUser(login: $0.name, userID: $0.userID, home: $0.home)
            }
        }
    }

    private func look(_ body: @escaping @Sendable () throws -> JarviceUser?) async throws(JarviceError) -> JarviceUser?
    {
        await turn.enter("names")
        let found: Result<JarviceUser?, any Error>
        do {
            found = .success(try await names.run(within: Self.patience, body))
        } catch {
            found = .failure(error)
        }
        await turn.leave("names")
        do {
            return try found.get()
        } catch let error as JarviceError {
            throw error
        } catch let error as BlockingThread.Stuck {
            throw JarviceError(.unavailable, "the name service does not answer: \(error)")
        } catch {
            throw JarviceError(.unavailable, "\(error)")
        }
    }

    func systemUsers() async throws(JarviceError) -> Set<UInt32> {
        try await translate { () async throws(SlurmError) in try await SystemUsers.all(controller) }
    }

    func request(_ plan: JobPlan) throws(JarviceError) -> [UInt8] {
        let spec = try JobSpec(plan)
        do {
            return try spec.stored
        } catch {
            throw JarviceError(.refused, "the job's request cannot be written: \(error)")
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
        let now = Date()
        return try await translate { () async throws(SlurmError) in
            try await controller.findJobs(namePrefix: prefix)
        }.compactMap { ListedJob($0, now: now) }
    }

    func nodeAddresses() async throws(JarviceError) -> [String: String] {
        let nodes = try await translate { () async throws(SlurmError) in try await controller.nodes() }
        return Dictionary(nodes.map { ($0.name, $0.address ?? $0.name) }, uniquingKeysWith: { first, _ in first })
    }

    func isUp() async -> Bool {
        (try? await controller.ping()) != nil
    }

    func description(of jobID: UInt32) async throws(JarviceError) -> String? {
        try await translate { () async throws(SlurmError) -> String? in
            do throws(SlurmError) {
                return try await inTurn(jobID) { () async throws(SlurmError) in
                    try await controller.description(of: jobID)
                }
            } catch {
                if error.code == .notFound { return nil }
                throw error
            }
        }
    }

    /// Each answer is a process of its own.
    private func inTurn<Answer: Sendable>(
        _ jobID: UInt32, _ body: () async throws(SlurmError) -> Answer
    ) async throws(SlurmError) -> Answer {
        let key = "helper \(jobID % Self.helpers)"
        await turn.enter(key)
        let result: Result<Answer, SlurmError>
        do throws(SlurmError) {
            if Task.isCancelled { throw SlurmError(.cancelled, "cancelled by the caller") }
            result = .success(try await body())
        } catch {
            result = .failure(error)
        }
        await turn.leave(key)
        return try result.get()
    }

    func knows(_ jobID: UInt32) async throws(JarviceError) -> Bool {
        try await translate { () async throws(SlurmError) -> Bool in
            do throws(SlurmError) {
                return !(try await controller.jobs(of: jobID)).isEmpty
            } catch {
                guard error.code == .notFound else { throw error }
            }
            guard try await controller.cluster().hasAccounting else { return false }
            let answer = try await inTurn(jobID) { () async throws(SlurmError) in try await accounting.jobs([jobID]) }
            guard answer.isAuthoritative else {
                throw SlurmError(.unavailable, "slurmdbd may hide jobs from this user: run as SlurmUser")
            }
            return !answer.jobs.isEmpty
        }
    }

    private func translate<Answer: Sendable>(
        _ body: () async throws(SlurmError) -> Answer
    ) async throws(JarviceError) -> Answer {
        do throws(SlurmError) {
            return try await body()
        } catch {
            throw JarviceError(error.code == .wrongState ? .wrongState : .unavailable, error.description)
        }
    }
}

extension ListedJob {
    init?(_ job: Job, now: Date) {
        guard let base = job.state.base, let state = SchedulerState.Base(rawValue: base.description) else { return nil }
        self.init(
            id: job.id, name: job.name, userID: job.userID, partition: job.partition ?? "", priority: job.priority,
            state: state, flags: Flags(job.state.flags),
            nodes: base == .pending ? [] : job.nodes.flatMap { Hostlist.expand($0) } ?? [],
            elapsed: Self.elapsed(job, base, now))
        isArray = job.array != nil
        isHeld = job.isHeld
        isHeldByAdministrator = job.isHeldByAdministrator
    }

    /// As squeue counts: without the time of suspensions.
    private static func elapsed(_ job: Job, _ base: JobState.Base, _ now: Date) -> Int64 {
        guard base != .pending, let start = job.startTime else { return 0 }
        let end =
            base == .running || base == .suspended ? now : job.endTime.map { min($0, now) } ?? now
        let before = Int64(clamping: job.runTimeBeforeSuspension)
        if base == .suspended { return before }
        guard let resumed = job.suspendTime, resumed > start else { return Int64(end.timeIntervalSince(start)) }
        return Int64(end.timeIntervalSince(resumed)) + before
    }
}

extension ListedJob.Flags {
    fileprivate init(_ flags: JobState.Flags) {
        self = []
        let known: [(JobState.Flags, ListedJob.Flags)] = [
            (.requeueHold, .requeueHold), (.resizing, .resizing), (.signaling, .signaling), (.stopped, .stopped),
            (.completing, .completing), (.stageOut, .stageOut), (.configuring, .configuring),
            (.reservationDeletedHold, .reservationDeletedHold), (.requeueFederation, .requeueFederation),
        ]
        var rest = flags
        for (theirs, ours) in known where flags.contains(theirs) {
            insert(ours)
            rest.remove(theirs)
        }
        if !rest.isEmpty { insert(.other) }
    }
}
