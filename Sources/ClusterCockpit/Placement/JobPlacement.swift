// SPDX-License-Identifier: GPL-3.0-or-later

/// Where the hardware threads of a job come from, the best first.
public enum PlacementSource: String, Sendable, Hashable, Codable, Comparable {
    /// The node's own word: the cores of the job's credential, by its kernel's topology.
    case node
    /// slurmctld's cores, by the topology of the node's kernel.
    case inventory
    /// slurmctld's cores, by the backend's topology.
    case topology
    /// slurmctld's cores, by the site's own table.
    case table
    /// The job has the whole nodes.
    case wholeNode = "whole-node"

    private var rank: Int {
        switch self {
        case .node: 0
        case .inventory: 1
        case .topology: 2
        case .table: 3
        case .wholeNode: 4
        }
    }

    public static func < (left: Self, right: Self) -> Bool { left.rank < right.rank }
}

/// The resources of a run as a backend is told them. What is not known is left out, never guessed.
struct JobPlacement: Sendable, Hashable {
    struct Node: Sendable, Hashable {
        var host: String
        var hwthreads: [Int]?
        var accelerators: [String]?
    }

    /// As Slurm names them, and as the backend does.
    let names: [String]
    var nodes: [Node]
    /// Of all nodes.
    var hwthreads: Int?
    var accelerators: Int?
    /// It has both threads of a core.
    var usesSMT: Bool?
    /// The least good one of all nodes; nil: no node's threads are known.
    var source: PlacementSource?
    /// Nodes that the backend does not have.
    var unknownNodes: [String] = []
    /// Nodes of which all threads are told because the job has them alone. Slurm may keep some of their cores for itself.
    private var assumed: Set<String> = []

    /// - Parameters:
    ///   - nodes: as Slurm names them.
    ///   - topology: nil: the backend does not tell it.
    ///   - words: those that agree with what Slurm believes.
    init(
        _ run: CockpitRun, nodes names: [String], topology: BackendTopology?, table: HardwareTable,
        words: NodeWords = NodeWords()
    ) {
        let held = Dictionary((run.capture?.nodes ?? []).map { ($0.name, $0) }) { first, _ in first }
        self.names = names
        nodes = []
        var sources: [PlacementSource?] = []
        var smt: [Bool] = []
        for name in names {
            let found = topology?.find(name)
            if topology != nil, found == nil { unknownNodes.append(name) }
            let kind = found?.group.topology
            var node = Node(host: found?.host ?? name)
            let share = held[name]
            let own = words.shares[name]
            let (threads, source, cores) = Self.threads(
                share, own, name, words.hardware[name]?.cores, kind, table,
                isWhole: run.capture?.sharing == NodeSharing.none)
            node.hwthreads = threads
            sources.append(source)
            if source == .wholeNode { assumed.insert(name) }
            if let threads, let cores { smt.append(threads.count > cores) }
            // slurmctld keeps no indices of a job that is over.
            let gpus = own?.gpus ?? share?.gpus
            let kernel = own?.addresses ?? words.hardware[name]?.gpus.flatMap { Self.pick(gpus, $0) }
            // Parts of one GPU (MIG) have its address.
            node.accelerators = Self.addresses(gpus, name, kernel, kind, table).map(Self.once)
            nodes.append(node)
        }
        source = sources.contains(nil) ? nil : sources.compactMap { $0 }.max()
        if source == nil, let some = sources.compactMap({ $0 }).max() { source = some }
        usesSMT = smt.isEmpty ? nil : smt.contains(true)
        let counts = nodes.map { $0.hwthreads?.count }
        hwthreads =
            counts.contains(nil) || counts.isEmpty
            ? run.capture?.cpus.map { Int(clamping: $0) } : counts.reduce(0) { $0 + ($1 ?? 0) }
        let told = names.map { words.shares[$0]?.gpus?.count ?? held[$0]?.gpus?.count }
        accelerators =
            run.capture?.gpus.map { Int(clamping: $0) }
            ?? (told.contains(nil) ? nil : told.reduce(0) { $0 + ($1 ?? 0) })
    }

    private static func threads(
        _ share: JobCapture.Node?, _ own: NodeShare?, _ name: String, _ kernel: [[Int]]?, _ kind: NodeTopology?,
        _ table: HardwareTable, isWhole: Bool
    ) -> (threads: [Int]?, source: PlacementSource?, cores: Int?) {
        if let threads = own?.threads { return (threads, .node, own?.cores) }
        if let cores = share?.cores, !cores.isEmpty {
            if let kernel, cores.allSatisfy({ Int($0) < kernel.count }) {
                return (cores.flatMap { kernel[Int($0)] }.sorted(), .inventory, cores.count)
            }
            if let kind, cores.allSatisfy({ Int($0) < kind.cores.count }) {
                return (cores.flatMap { kind.cores[Int($0)] }.sorted(), .topology, cores.count)
            }
            if let known = table.cores(of: name), cores.allSatisfy({ known[$0] != nil }) {
                return (cores.flatMap { known[$0] ?? [] }.sorted(), .table, cores.count)
            }
        }
        guard isWhole else { return (nil, nil, nil) }
        if let kernel { return (kernel.flatMap { $0 }.sorted(), .wholeNode, kernel.count) }
        if let kind { return (kind.allThreads, .wholeNode, kind.cores.count) }
        if let known = table.cores(of: name), !known.isEmpty {
            return (known.values.flatMap { $0 }.sorted(), .wholeNode, known.count)
        }
        return (nil, nil, nil)
    }

    /// The site's own table counts first: it is there because the topology's order is not Slurm's.
    private static func addresses(
        _ gpus: [UInt32]?, _ name: String, _ kernel: [String]?, _ kind: NodeTopology?, _ table: HardwareTable
    ) -> [String]? {
        guard let gpus, !gpus.isEmpty else { return nil }
        if let known = table.accelerators(of: name), gpus.allSatisfy({ known[$0] != nil }) {
            return gpus.compactMap { known[$0] }
        }
        if let kernel, kernel.count == gpus.count {
            return kernel.map { PCIAddress.spelled($0, as: kind?.accelerators ?? []) }
        }
        if let known = kind?.accelerators, gpus.allSatisfy({ Int($0) < known.count }) {
            return gpus.map { known[Int($0)] }
        }
        return nil
    }

    private static func once(_ addresses: [String]) -> [String] {
        var seen: Set<String> = []
        return addresses.filter { seen.insert($0).inserted }
    }

    private static func pick(_ gpus: [UInt32]?, _ all: [String]) -> [String]? {
        guard let gpus, gpus.allSatisfy({ Int($0) < all.count }) else { return nil }
        return gpus.map { all[Int($0)] }
    }

    /// Its hardware threads, or which GPUs it has, are not known or only assumed, and its node has not told them.
    func misses(_ name: String, _ run: CockpitRun, _ told: NodeShare?) -> Bool {
        guard let index = names.firstIndex(of: name) else { return false }
        // slurmctld keeps no indices of a job that is over.
        let known = (run.capture?.nodes ?? []).reduce(0) { $0 + ($1.gpus?.count ?? 0) }
        let missesGPUs = UInt64(known) < run.capture?.gpus ?? 0
        let missesThreads = nodes[index].hwthreads == nil || assumed.contains(name)
        return missesThreads && told?.threads == nil || missesGPUs && told?.gpus == nil
    }
}

/// The kernel writes `0000:47:00.0`; backends, as nvidia-smi, `00000000:47:00.0` with capitals.
enum PCIAddress {
    /// As the backend spells it; where it does not have it, as backends do.
    static func spelled(_ address: String, as known: [String]) -> String {
        let wanted = long(address)
        return known.first { long($0) == wanted } ?? wanted
    }

    private static func long(_ address: String) -> String {
        let domain = address.prefix { $0 != ":" }
        return (String(repeating: "0", count: max(0, 8 - domain.count)) + address).uppercased()
    }
}
