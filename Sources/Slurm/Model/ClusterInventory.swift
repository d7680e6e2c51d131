// SPDX-License-Identifier: GPL-3.0-or-later

/// What a partition offers: its nodes with their resources, and the totals.
///
/// A node belongs to the partition when its name is in the partition's node list, by name and not by substring. Nodes that
/// do not exist yet (State=FUTURE) are none. slurmctld does not show cloud nodes that are powered down (slurm.conf(5),
/// PrivateData=cloud): they count with what the partition's own record has beyond the others.
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
        /// slurmctld does not show it; the numbers are its even share of what the partition has beyond the others.
        public var isHidden = false
    }

    /// Nodes that slurmctld does not show.
    public struct Hidden: Sendable, Hashable {
        public var nodes: Int
        /// False: AccountingStorageTRES has no gres/gpu, so that the partition's record has no GPUs. They count as none.
        public var gpusAreKnown: Bool

        /// For an administrator.
        public var note: String {
            "\(nodes) cloud nodes are powered down, and slurmctld hides them: counted by the partition's record"
                + (gpusAreKnown ? "" : ", which has no GPUs without AccountingStorageTRES=gres/gpu")
                + "; PrivateData=cloud shows them"
        }
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
    /// nil when all nodes of the partition are shown.
    public var hidden: Hidden?

    /// - Parameter all: with those of State=FUTURE.
    /// - Throws: `unexpected` when the node list, a node's GRES or the partition's resources cannot be read: a wrong inventory
    ///   would be sold.
    public init(partition: Partition, nodes all: [Node]) throws(SlurmError) {
        guard let names = Hostlist.expand(partition.nodes ?? "") else {
            throw SlurmError(
                .unexpected, "partition \(partition.name): cannot read its node list \"\(partition.nodes ?? "")\"")
        }
        let byName = Dictionary(all.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        self.partition = partition.name
        state = partition.state
        nodes = []
        isHeterogeneous = false
        total = Amounts()
        responding = Amounts()
        var hiddenNames: [String] = []
        // What the partition's record has beyond the nodes that are shown.
        var rest = Record(partition)
        for name in names {
            guard let node = byName[name] else {
                hiddenNames.append(name)
                continue
            }
            rest.take(node)
            if node.state.base == .future { continue }
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
        try addHidden(hiddenNames, rest)
        let first = nodes.first
        isHeterogeneous = nodes.contains {
            $0.cpus != first?.cpus || $0.memory != first?.memory || $0.gpusByType != first?.gpusByType
        }
    }

    /// Even shares: of nodes that are not shown nothing is known but their sum.
    private mutating func addHidden(_ names: [String], _ rest: Record) throws(SlurmError) {
        guard !names.isEmpty, rest.nodes > 0 else { return }
        // A name in the list that no node has is none of the record's either.
        let names = names.suffix(Int(clamping: rest.nodes))
        let count = UInt64(names.count)
        guard let cpus = rest.cpus, let memory = rest.memory, cpus >= count else {
            throw SlurmError(
                .unexpected,
                "partition \(partition): slurmctld hides \(count) of its nodes (powered-down cloud nodes), and its record does not tell "
                    + "their CPUs and memory: set PrivateData=cloud in slurm.conf")
        }
        hidden = Hidden(nodes: names.count, gpusAreKnown: rest.gpus != nil)
        for (index, name) in names.enumerated() {
            func share(_ amount: UInt64) -> UInt64 { amount / count + (UInt64(index) < amount % count ? 1 : 0) }
            let gpus = (rest.gpus ?? [:]).mapValues(share)
            let entry = NodeEntry(
                name: name, state: NodeState(rawValue: NodeState.Flags.poweredDown.rawValue),
                cpus: UInt32(clamping: share(cpus)), memory: share(memory), gpus: gpus.values.reduce(0, &+),
                gpusByType: gpus, isHidden: true)
            nodes.append(entry)
            total.add(entry)
        }
    }

    /// A partition's record less the nodes that were taken from it. nil: it does not say.
    private struct Record {
        var nodes: UInt64
        var cpus: UInt64?
        var memory: UInt64?
        var gpus: [String: UInt64]?

        init(_ partition: Partition) {
            nodes = UInt64(partition.totalNodes)
            cpus = UInt64(partition.totalCPUs)
            memory = partition.tres?.memory
            let counts = partition.tres?.gpus ?? [:]
            gpus = counts.isEmpty || counts.values.contains { $0 > UInt64(UInt32.max) } ? nil : counts
        }

        mutating func take(_ node: Node) {
            // Never below nothing: some releases leave out what is kept for the system.
            func less(_ amount: UInt64?, _ taken: UInt64) -> UInt64? { amount.map { $0 - min($0, taken) } }
            nodes -= min(nodes, 1)
            cpus = less(cpus, UInt64(node.cpus))
            memory = less(memory, node.memory)
            guard var left = gpus, let taken = node.gpus else { return }
            for (type, count) in taken {
                // The record may have only the sum of all types.
                let key = left[type] == nil ? "" : type
                left[key] = (left[key] ?? 0) - min(left[key] ?? 0, count)
            }
            gpus = left
        }
    }
}
