// SPDX-License-Identifier: GPL-3.0-or-later

internal import DeepSquare
internal import FoundationEssentials
internal import JobLifecycle
internal import NIOPosix
internal import Slurm
internal import SlurmAdapter

/// Makes the libslurm binding fit what the DeepSquare gateway needs of a cluster.
struct SlurmGridCluster: GridCluster {
    let controller: SlurmController
    let accounting: SlurmAccounting

    func account(login: String) async throws(GridError) -> GridAccount? {
        // The name service may block: not on a cooperative thread.
        do {
            return try await NIOThreadPool.singleton.runIfActive {
                try UserAccount.find(name: login).map { GridAccount(login: $0.name, userID: $0.userID) }
            }
        } catch {
            throw GridError(.unavailable, "\(error)")
        }
    }

    func systemUsers() async throws(GridError) -> Set<UInt32> {
        try await word { () async throws(SlurmError) in try await SystemUsers.all(controller) }
    }

    func request(_ job: GridJobRequest) throws(GridError) -> [UInt8] { try Self.stored(job) }

    static func stored(_ job: GridJobRequest) throws(GridError) -> [UInt8] {
        let spec = try spec(job)
        do {
            return try spec.stored
        } catch {
            throw GridError(.malformed, "the job's request cannot be written: \(error)")
        }
    }

    private static func spec(_ job: GridJobRequest) throws(GridError) -> JobSpec {
        // 0 would be all memory of a node.
        guard job.memoryPerCPU > 0 else { throw GridError(.malformed, "the job asks for no memory") }
        var spec = JobSpec(userID: job.userID, script: job.script, name: job.name)
        spec.partition = job.partition
        spec.account = job.account
        spec.qos = job.qos
        spec.tasks = job.tasks
        spec.cpusPerTask = job.cpusPerTask
        spec.memory = .perCPU(job.memoryPerCPU)
        spec.gpus = job.gpus > 0 ? job.gpus : nil
        spec.timeLimit = min(job.timeLimit, TimeLimit.maximumMinutes)
        spec.output = job.output
        spec.umask = GridJobRequest.outputMask
        spec.comment = job.comment
        return spec
    }

    func rehearse(_ job: GridJobRequest) async throws(GridError) -> GridRehearsal {
        let request = JobRequest(try Self.spec(job))
        do throws(SlurmError) {
            let answer = try await controller.rehearse(request)
            return .runs(start: answer.start, nodes: answer.nodes)
        } catch {
            // As for a submission: only what Slurm says against it is a refusal.
            let meaning = SchedulerError(submission: error)
            guard meaning.code == .refused else { throw GridError(.unavailable, error.description) }
            return .refused(error.description)
        }
    }

    func isUp() async -> Bool {
        (try? await controller.ping()) != nil
    }

    func cancel(_ jobID: UInt32) async throws(GridError) {
        do throws(SlurmError) {
            try await controller.cancel(JobID(jobID))
        } catch {
            switch error.code {
            // What has ended already needs no change.
            case .alreadyEnded, .notFound: return
            default: throw GridError(.unavailable, error.description)
            }
        }
    }

    func longestTime(of jobID: UInt32) async throws(GridError) -> UInt64? {
        try await word { () async throws(SlurmError) -> UInt64? in
            do throws(SlurmError) {
                // One that waits may name several.
                let names = try await controller.jobs(of: jobID).first?.partition?.split(separator: ",").map(
                    String.init)
                return try await controller.partitions().filter { names?.contains($0.name) == true }
                    .compactMap { if case .minutes(let minutes) = $0.maximumTime { UInt64(minutes) } else { nil } }
                    .min()
            } catch {
                if error.code == .notFound { return nil }
                throw error
            }
        }
    }

    func whyImpossible(_ job: GridJobRequest) async throws(GridError) -> String? {
        let found = try await word { () async throws(SlurmError) in
            let partition = try await controller.partitions().first { $0.name == job.partition }
            return (partition, try await controller.nodes())
        }
        guard let partition = found.0 else { return "there is no partition \(job.partition)" }
        return Capacity(partition, found.1)?.whyImpossible(job)
    }

    func whyStuck(_ jobID: UInt32) async throws(GridError) -> String? {
        let jobs = try await word { () async throws(SlurmError) -> [Job] in
            do throws(SlurmError) {
                return try await controller.jobs(of: jobID)
            } catch {
                if error.code == .notFound { return [] }
                throw error
            }
        }
        guard let job = jobs.first, job.state.base == .pending else { return nil }
        let forEver = [
            "BadConstraints", "PartitionTimeLimit", "PartitionNodeLimit", "AccountNotAllowed", "QOSNotAllowed",
        ]
        return forEver.contains(job.reason.description) ? "Slurm says \(job.reason)" : nil
    }

    func jobs(named name: String) async throws(GridError) -> [JobObservation] {
        let asked = Date.microsecondsNow
        return try await word { () async throws(SlurmError) in try await controller.findJobs(name: name) }
            .compactMap { JobObservation($0, asked: asked) }
    }

    func accounting(named name: String, since time: Int64) async throws(GridError) -> [JobObservation]? {
        let asked = Date.microsecondsNow
        let hasAccounting = try await word { () async throws(SlurmError) in try await controller.cluster().hasAccounting
        }
        guard hasAccounting else { return nil }
        let answer = try await word { () async throws(SlurmError) in
            try await accounting.jobs(submittedSince: max(0, time), named: name)
        }
        guard answer.isAuthoritative else {
            throw GridError(.unavailable, "slurmdbd may hide jobs from this user: run as SlurmUser")
        }
        return JobObservation.accounting(answer.jobs, asked: asked)
    }

    func endedJobMemory() async throws(GridError) -> Int64 {
        Int64(try await word { () async throws(SlurmError) in try await controller.cluster().minimumJobAge })
    }

    func hardware(partition: String) async throws(GridError) -> Hardware {
        let inventory: ClusterInventory
        do throws(SlurmError) {
            inventory = try await controller.inventory(partition: partition)
        } catch {
            throw GridError(error.code == .partition ? .configuration : .unavailable, "slurm.partition: \(error)")
        }
        // A registration of nothing would stand in the grid until somebody looks.
        guard inventory.total.nodes > 0 else {
            throw GridError(.configuration, "slurm.partition: \(partition) has no nodes; name another one")
        }
        return Hardware(
            gpusPerNode: inventory.nodes.map(\.gpus), cpusPerNode: inventory.nodes.map { UInt64($0.cpus) },
            memoryPerNode: inventory.nodes.map(\.memory))
    }

    private func word<Answer: Sendable>(
        _ body: () async throws(SlurmError) -> Answer
    ) async throws(GridError) -> Answer {
        do throws(SlurmError) {
            return try await body()
        } catch {
            throw GridError(.unavailable, error.description)
        }
    }
}
