// SPDX-License-Identifier: GPL-3.0-or-later

internal import DeepSquare
internal import Slurm

/// What a partition could run if all its nodes were up and free. Slurm refuses what can never run only when it is not held.
struct Capacity: Equatable {
    /// Minutes; nil: no limit.
    var longest: UInt32?
    /// nil: no limit.
    var mostNodes: Int?
    var nodes: [ClusterInventory.NodeEntry]

    /// nil when the inventory cannot be read: then Slurm has the word.
    init?(_ partition: Partition, _ nodes: [Node]) {
        guard let inventory = try? ClusterInventory(partition: partition, nodes: nodes) else { return nil }
        if case .minutes(let minutes) = partition.maximumTime { longest = minutes }
        mostNodes = partition.maximumNodesPerJob.map(Int.init)
        self.nodes = inventory.nodes
    }

    init(longest: UInt32?, mostNodes: Int?, nodes: [ClusterInventory.NodeEntry]) {
        self.longest = longest
        self.mostNodes = mostNodes
        self.nodes = nodes
    }

    func whyImpossible(_ job: GridJobRequest) -> String? {
        if let longest, job.timeLimit > longest {
            return "jobs run for up to \(longest) minutes here, this one wants \(job.timeLimit)"
        }
        let memory = job.memoryPerCPU.multipliedReportingOverflow(by: UInt64(job.cpusPerTask))
        guard job.cpusPerTask > 0, !memory.overflow else { return "its tasks need more than any node has" }
        // Of nodes that slurmctld hides only the sum is known: one of them may be larger than its share. Then Slurm has the word.
        if nodes.contains(where: \.isHidden) { return nil }
        // Tasks that fit on each node, the largest nodes first.
        let fits = nodes.map { node in
            min(
                UInt64(node.cpus / job.cpusPerTask), memory.partialValue == 0 ? .max : node.memory / memory.partialValue
            )
        }.sorted(by: >).prefix(mostNodes ?? .max)
        guard fits.first ?? 0 > 0 else {
            return "no node has \(job.cpusPerTask) CPUs and \(memory.partialValue) MB for a task"
        }
        guard fits.reduce(0, +) >= UInt64(job.tasks) else {
            return "\(fits.reduce(0, +)) of its \(job.tasks) tasks fit into the partition"
        }
        let gpus = nodes.map(\.gpus).sorted(by: >).prefix(mostNodes ?? .max).reduce(0, +)
        guard gpus >= UInt64(job.gpus) else { return "the partition has \(gpus) GPUs, the job wants \(job.gpus)" }
        return nil
    }
}
