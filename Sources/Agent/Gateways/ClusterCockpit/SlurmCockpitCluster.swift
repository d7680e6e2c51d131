// SPDX-License-Identifier: GPL-3.0-or-later

internal import ClusterCockpit
internal import FoundationEssentials
internal import JobLifecycle
internal import NIOPosix
internal import Slurm
internal import SlurmAdapter

/// Makes the libslurm binding and the ledger fit what the ClusterCockpit gateway asks.
struct SlurmCockpitCluster: CockpitCluster {
    let scheduler: SlurmScheduler
    let ledger: Ledger

    private var controller: SlurmController { scheduler.controller }

    func capture(
        jobID: UInt32, submitTime: Int64, nodes: String?, withScript: Bool
    ) async throws(CockpitError) -> JobCapture? {
        var known = nodes.flatMap(Hostlist.expand) ?? []
        guard var answer = try await ask(jobID, submitTime, known) else { return nil }
        if !Self.isWhole(answer) {
            guard let all = try await accountedNodes(jobID: jobID, submitTime: submitTime), !all.isEmpty else {
                throw CockpitError(.incomplete, "slurmctld names only those of its nodes that are not clean yet")
            }
            known = all
            guard let again = try await ask(jobID, submitTime, known) else { return nil }
            guard Self.isWhole(again) else {
                throw CockpitError(.incomplete, "slurmctld and slurmdbd name other nodes of it")
            }
            answer = again
        }
        var job = answer.job
        if !known.isEmpty, answer.placement?.nodes.map(\.node) == known {
            job.nodes = Hostlist.compress(known)
            job.nodeCount = UInt32(clamping: known.count)
        }
        var capture = Self.capture(job, answer.placement, submitTime: submitTime)
        if withScript, answer.job.isBatch {
            // A script that is gone, or that this user may not see, is no reason to tell nothing.
            capture.script = try? await controller.batchScript(jobID)
        }
        return capture
    }

    private typealias Placed = (job: Job, placement: Placement?)

    /// nil: slurmctld has no such run, or it has no nodes.
    private func ask(_ jobID: UInt32, _ submitTime: Int64, _ known: [String]) async throws(CockpitError) -> Placed? {
        let answer = try await word { () async throws(SlurmError) -> Placed? in
            do throws(SlurmError) {
                return try await controller.jobWithPlacement(jobID, nodes: known)
            } catch {
                if error.code == .notFound { return nil }
                throw error
            }
        }
        guard let answer, answer.job.id == jobID,
            answer.job.submitTime.map({ Int64($0.timeIntervalSince1970) }) == submitTime, answer.job.nodes != nil
        else { return nil }
        return answer
    }

    /// The placement has all nodes that the job was given.
    private static func isWhole(_ answer: Placed) -> Bool {
        guard !answer.job.namesAllNodes else { return true }
        guard let count = answer.job.allocatedTRES?.nodes, let placement = answer.placement else { return false }
        return UInt64(placement.nodes.count) >= count
    }

    func accountedNodes(jobID: UInt32, submitTime: Int64) async throws(CockpitError) -> [String]? {
        let rows: [JobObservation]
        do throws(SchedulerError) {
            rows = try await scheduler.accounting(of: [jobID])
        } catch {
            if error.code == .noAccounting { return [] }
            throw CockpitError(.unavailable, error.description)
        }
        // The last one of a job that changed its size.
        return rows.last { $0.jobID == jobID && $0.submitTime == submitTime }?.details.nodes.flatMap(Hostlist.expand)
    }

    static func capture(_ job: Job, _ placement: Placement?, submitTime: Int64) -> JobCapture {
        let shares = placement?.nodes ?? []
        var capture = JobCapture(
            submitTime: submitTime, sharing: sharing(job.requested.exclusive),
            nodes: shares.map { share in
                .init(name: share.node, cores: share.cores, cpus: share.cpus, gpus: gpus(share.gres))
            })
        capture.userName = job.userName
        capture.account = job.account
        capture.partition = job.partition
        capture.adminComment = job.adminComment
        if case .minutes(let minutes) = job.timeLimit { capture.timeLimit = minutes }
        capture.cpus = job.allocatedTRES?.cpus ?? UInt64(job.cpuCount)
        capture.gpus = job.allocatedTRES.map { $0.gpus.values.reduce(0, &+) }
        capture.requestedMemory = (job.requested.tres?.memory ?? job.allocatedTRES?.memory).map { Int64(clamping: $0) }
        capture.slurmInfo = info(job)
        return capture
    }

    /// The indices of all GPUs, whatever their type; nil when those of any are not told.
    static func gpus(_ gres: [GRES]?) -> [UInt32]? {
        guard let gres else { return nil }
        var indices: [UInt32] = []
        for entry in gres where entry.name == "gpu" && entry.count > 0 {
            guard let some = entry.indices else { return nil }
            indices += some
        }
        return indices.sorted()
    }

    static func sharing(_ mode: Job.ExclusiveMode) -> NodeSharing {
        switch mode {
        case .exclusive: .none
        case .user: .singleUser
        case .mcs, .oversubscribe, .shared: .multiUser
        }
    }

    /// The lines of `scontrol show job` that observers look at.
    static func info(_ job: Job) -> String {
        func time(_ date: Date?) -> String? { date.map { "\(Int64($0.timeIntervalSince1970))" } }
        let limit: String? =
            switch job.timeLimit {
            case .minutes(let minutes)?: "\(minutes) min"
            case .unlimited?: "UNLIMITED"
            case nil: nil
            }
        let fields: [(String, String?)] = [
            ("JobId", "\(job.displayID)"), ("JobName", job.name), ("UserId", "\(job.userName ?? "")(\(job.userID))"),
            ("GroupId", "\(job.groupID)"), ("Account", job.account), ("QOS", job.qos), ("Partition", job.partition),
            ("Priority", "\(job.priority)"), ("Restarts", "\(job.restartCount)"), ("SubmitTime", time(job.submitTime)),
            ("EligibleTime", time(job.eligibleTime)), ("StartTime", time(job.startTime)), ("TimeLimit", limit),
            ("NodeList", job.nodes), ("NumNodes", "\(job.nodeCount)"), ("NumCPUs", "\(job.cpuCount)"),
            ("TRES", job.allocatedTRES?.text), ("ReqTRES", job.requested.tres?.text),
            ("Dependency", job.dependency), ("Reservation", job.reservation), ("Features", job.requested.features),
            ("Licenses", job.requested.licenses), ("WorkDir", job.workDirectory), ("Command", job.command),
            ("StdOut", job.standardOutput), ("StdErr", job.standardError),
        ]
        return fields.compactMap { name, value in value.map { "\(name)=\($0)" } }.joined(separator: "\n")
    }

    func login(of userID: UInt32) async throws(CockpitError) -> String? {
        // The name service may block: not on a cooperative thread.
        do {
            return try await NIOThreadPool.singleton.runIfActive { try UserAccount.find(userID: userID)?.name }
        } catch {
            throw CockpitError(.unavailable, "\(error)")
        }
    }

    func expand(_ nodes: String) -> [String]? { Hostlist.expand(nodes) }

    func nodes() async throws(CockpitError) -> [CockpitNode] {
        let nodes = try await word { () async throws(SlurmError) in try await controller.nodes() }
        return Self.nodes(nodes, NodeLoad.of(ledger.runningRuns))
    }

    func shapes() async throws(CockpitError) -> [String: NodeShape] {
        let nodes = try await word { () async throws(SlurmError) in try await controller.nodes() }
        return Dictionary(
            nodes.map { node in
                let gpus = node.gpus.map { $0.values.reduce(0, &+) } ?? 0
                return (
                    node.name,
                    NodeShape(cores: Int(node.sockets) * Int(node.coresPerSocket), gpus: Int(clamping: gpus))
                )
            }
        ) { first, _ in first }
    }

    /// Drained nodes that no job holds are down to observers.
    static func nodes(_ nodes: [Node], _ loads: [String: NodeLoad]) -> [CockpitNode] {
        nodes.filter { $0.state.base != .future }.map { node in
            let used = GRES.list(node.gresUsed ?? "") ?? []
            let load = loads[node.name] ?? NodeLoad()
            return CockpitNode(
                name: node.name, state: state(node.state),
                cpus: node.state.base == .allocated ? UInt64(node.cpus) : load.cpus, memory: load.memory,
                gpus: used.filter { $0.name == "gpu" }.reduce(0) { $0 &+ $1.count }, jobs: load.jobs)
        }
    }

    static func state(_ state: NodeState) -> CockpitNode.State {
        let isOut = !state.flags.isDisjoint(with: [.drain, .fail, .maintenance, .poweredDown, .notResponding])
        switch state.base {
        case .allocated: return .allocated
        case .mixed: return .mixed
        case .idle: return isOut ? .down : state.flags.contains(.reserved) ? .reserved : .idle
        case .down, .error: return .down
        case .unknown, .future, nil: return .unknown
        }
    }

    func history(of jobIDs: [UInt32]) async throws(CockpitError) -> [PastRun] {
        var found: [PastRun] = []
        var missing: [UInt32] = []
        for id in Set(jobIDs).sorted() {
            let runs: [JobTransition]
            do throws(LedgerError) {
                runs = try await ledger.runs(ofJob: id)
            } catch {
                throw CockpitError(.storage, error.description)
            }
            let past = runs.compactMap(PastRun.init)
            if past.isEmpty { missing.append(id) }
            found += past
        }
        guard !missing.isEmpty else { return found }
        do throws(SchedulerError) {
            found += try await scheduler.accounting(of: missing).compactMap(PastRun.init)
        } catch {
            guard error.code == .noAccounting else { throw CockpitError(.unavailable, error.description) }
        }
        return found
    }

    private func word<Answer: Sendable>(
        _ body: () async throws(SlurmError) -> Answer
    ) async throws(CockpitError) -> Answer {
        do throws(SlurmError) {
            return try await body()
        } catch {
            throw CockpitError(.unavailable, error.description)
        }
    }
}

/// What jobs hold of a node.
struct NodeLoad: Sendable, Equatable {
    var jobs = 0
    /// nil: not known.
    var cpus: UInt64? = 0
    /// MB; nil: not known.
    var memory: UInt64? = 0

    static func of(_ running: [JobTransition]) -> [String: NodeLoad] {
        var loads: [String: NodeLoad] = [:]
        for run in running where run.state == .running || run.state == .suspended {
            let names = run.details.nodes.flatMap(Hostlist.expand) ?? []
            // How a job lies on several nodes its totals do not say.
            let held = names.count == 1 ? run.details.tres.map(TRES.init) : nil
            for name in names {
                var load = loads[name] ?? NodeLoad()
                load.jobs += 1
                load.cpus = load.cpus.flatMap { sum in held?.cpus.map { sum &+ $0 } }
                load.memory = load.memory.flatMap { sum in held?.memory.map { sum &+ $0 } }
                loads[name] = load
            }
        }
        return loads
    }
}

extension PastRun {
    /// nil: it has not run.
    init?(_ run: JobTransition) {
        guard let jobID = run.jobID, let submitTime = run.submitTime, let start = run.startTime else { return nil }
        let isOver = [.ended, .requeued, .vanished].contains(run.kind)
        self.init(
            jobID: jobID, submitTime: submitTime, startTime: start, endTime: isOver ? run.endTime ?? start : nil,
            endState: isOver ? EndState(run.state) : nil, job: run.job ?? "\(jobID)")
    }

    init?(_ seen: JobObservation) {
        guard let start = seen.startTime, seen.state.base != .pending else { return nil }
        self.init(
            jobID: seen.jobID, submitTime: seen.submitTime, startTime: start, endTime: seen.endTime,
            endState: seen.endTime.map { _ in EndState(seen.state.base) }, job: seen.key.description)
    }
}
