// SPDX-License-Identifier: GPL-3.0-or-later

/// What a partition offers: its nodes with their resources, and the totals.
///
/// A node belongs to the partition when its name is in the partition's node list, by name and not by substring.
public struct ClusterInventory: Sendable, Hashable {
    /// What one node, or the whole partition, has.
    public struct Amounts: Sendable, Hashable {
        public var nodes: UInt64 = 0
        public var cpus: UInt64 = 0
        /// In MB.
        public var memory: UInt64 = 0
        public var gpus: UInt64 = 0
        /// GPUs by type, "" for those without one.
        public var gpusByType: [String: UInt64] = [:]

        public init() {}

        mutating func add(_ node: NodeEntry) {
            nodes += 1
            cpus += UInt64(node.cpus)
            // Configured numbers, which may be any.
            memory &+= node.memory
            gpus &+= node.gpus
            gpusByType.merge(node.gpusByType, uniquingKeysWith: &+)
        }
    }

    public struct NodeEntry: Sendable, Hashable {
        public var name: String
        public var state: NodeState
        /// Without those kept for the system.
        public var cpus: UInt32
        /// In MB, without what is kept for the system.
        public var memory: UInt64
        public var gpus: UInt64
        public var gpusByType: [String: UInt64]
    }

    public var partition: String
    public var state: Partition.State
    /// In the partition's order.
    public var nodes: [NodeEntry]
    /// All nodes.
    public var total: Amounts
    /// Only those that answer (``NodeState/isResponding``).
    public var responding: Amounts
    /// The smallest and the largest node differ in CPUs, memory or GPUs.
    public var isHeterogeneous: Bool

    /// - Throws: `unexpected` when the node list or a node's GRES cannot be read: a wrong inventory would be sold.
    public init(partition: Partition, nodes all: [Node]) throws(SlurmError) {
        guard let names = Hostlist.expand(partition.nodes ?? "") else {
            throw SlurmError(
                .unexpected, "partition \(partition.name): cannot read its node list \"\(partition.nodes ?? "")\"")
        }
        let byName = Dictionary(all.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        self.partition = partition.name
        state = partition.state
        nodes = []
        total = Amounts()
        responding = Amounts()
        for name in names {
            guard let node = byName[name] else { continue }
            guard let gpus = node.gpus else {
                throw SlurmError(.unexpected, "node \(name): cannot read its GRES \"\(node.gres ?? "")\"")
            }
            let entry = NodeEntry(
                name: name, state: node.state, cpus: node.usableCPUs,
                memory: node.memory - min(node.memory, node.systemMemory ?? 0),
                gpus: gpus.values.reduce(0, +), gpusByType: gpus)
            nodes.append(entry)
            total.add(entry)
            if node.state.isResponding { responding.add(entry) }
        }
        let first = nodes.first
        isHeterogeneous = nodes.contains {
            $0.cpus != first?.cpus || $0.memory != first?.memory || $0.gpusByType != first?.gpusByType
        }
    }
}
