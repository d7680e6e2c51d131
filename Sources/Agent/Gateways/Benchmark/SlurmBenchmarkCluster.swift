// SPDX-License-Identifier: GPL-3.0-or-later

internal import ClusterBenchmarks
internal import NIOPosix
internal import Slurm
internal import SlurmAdapter

/// Makes the libslurm binding fit what benchmarks need of a cluster.
struct SlurmBenchmarkCluster: BenchmarkCluster {
    let controller: SlurmController
    let partition: String

    func nodes() async throws(BenchmarkError) -> [BenchmarkNode] {
        do throws(SlurmError) {
            // The inventory knows which nodes are the partition's; the topology is in the nodes.
            let inventory = try await controller.inventory(partition: partition)
            let nodes = Dictionary(try await controller.nodes().map { ($0.name, $0) }) { first, _ in first }
            return inventory.nodes.filter { !$0.isHidden }.map { entry in
                let node = nodes[entry.name]
                return BenchmarkNode(
                    name: entry.name,
                    responds: entry.state.isResponding && !entry.state.flags.contains(.drain), cpus: Int(entry.cpus),
                    sockets: Int(node?.sockets ?? 1), coresPerSocket: Int(node?.coresPerSocket ?? entry.cpus),
                    threadsPerCore: Int(node?.threadsPerCore ?? 1), memory: Int(clamping: entry.memory),
                    gpus: entry.gpusByType.mapValues { Int(clamping: $0) })
            }
        } catch {
            throw BenchmarkError(error.code == .partition ? .configuration : .unavailable, "slurm.partition: \(error)")
        }
    }

    func userID(login: String) async throws(BenchmarkError) -> UInt32 {
        let found: UInt32?
        let system: Set<UInt32>
        do {
            found = try await NIOThreadPool.singleton.runIfActive { try UserAccount.find(name: login)?.userID }
            system = try await SystemUsers.all(controller)
        } catch {
            throw BenchmarkError(.unavailable, "\(error)")
        }
        guard let found else { throw BenchmarkError(.configuration, "benchmark.run-as: there is no user \(login)") }
        guard !system.contains(found) else {
            throw BenchmarkError(
                .configuration,
                "benchmark.run-as is \(login): no job runs as root, SlurmUser or the agent's user; name another one, or "
                    + "one in root's place by benchmark.fallback-user")
        }
        return found
    }

    func comment(of job: UInt32) async throws(BenchmarkError) -> String? {
        do throws(SlurmError) {
            return try await controller.job(job).comment
        } catch {
            guard error.code != .notFound else { return nil }
            throw BenchmarkError(.unavailable, "the comment of job \(job) is not read: \(error)")
        }
    }

    func setComment(of job: UInt32, _ comment: String) async throws(BenchmarkError) -> Bool {
        do throws(SlurmError) {
            try await controller.setComment(JobID(job), comment)
            return true
        } catch {
            guard error.code != .notFound, error.code != .alreadyEnded else { return false }
            throw BenchmarkError(.unavailable, "the comment of job \(job) is not written: \(error)")
        }
    }
}
