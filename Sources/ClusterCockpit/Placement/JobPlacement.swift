// SPDX-License-Identifier: GPL-3.0-or-later

/// Where the hardware threads of a job come from, the best first.
public enum PlacementSource: String, Sendable, Hashable, Codable, Comparable {
    /// slurmctld's cores, by the backend's topology.
    case topology
    /// slurmctld's cores, by the site's own table.
    case table
    /// The job has the whole nodes.
    case wholeNode = "whole-node"

    private var rank: Int {
        switch self {
        case .topology: 0
        case .table: 1
        case .wholeNode: 2
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

    /// - Parameters:
    ///   - nodes: as Slurm names them.
    ///   - topology: nil: the backend does not tell it.
    init(_ run: CockpitRun, nodes names: [String], topology: BackendTopology?, table: HardwareTable) {
        let held = Dictionary((run.capture?.nodes ?? []).map { ($0.name, $0) }) { first, _ in first }
        nodes = []
        var sources: [PlacementSource?] = []
        var smt: [Bool] = []
        for name in names {
            let found = topology?.find(name)
            if topology != nil, found == nil { unknownNodes.append(name) }
            let kind = found?.group.topology
            var node = Node(host: found?.host ?? name)
            let share = held[name]
            let (threads, source, cores) = Self.threads(
                share, name, kind, table, isWhole: run.capture?.sharing == NodeSharing.none)
            node.hwthreads = threads
            sources.append(source)
            if let threads, let cores { smt.append(threads.count > cores) }
            node.accelerators = Self.addresses(share?.gpus, name, kind, table)
            nodes.append(node)
        }
        source = sources.contains(nil) ? nil : sources.compactMap { $0 }.max()
        if source == nil, let some = sources.compactMap({ $0 }).max() { source = some }
        usesSMT = smt.isEmpty ? nil : smt.contains(true)
        let counts = nodes.map { $0.hwthreads?.count }
        hwthreads =
            counts.contains(nil) || counts.isEmpty
            ? run.capture?.cpus.map { Int(clamping: $0) } : counts.reduce(0) { $0 + ($1 ?? 0) }
        accelerators = run.capture?.gpus.map { Int(clamping: $0) }
    }

    private static func threads(
        _ share: JobCapture.Node?, _ name: String, _ kind: NodeTopology?, _ table: HardwareTable, isWhole: Bool
    ) -> (threads: [Int]?, source: PlacementSource?, cores: Int?) {
        if let cores = share?.cores, !cores.isEmpty {
            if let kind, cores.allSatisfy({ Int($0) < kind.cores.count }) {
                return (cores.flatMap { kind.cores[Int($0)] }.sorted(), .topology, cores.count)
            }
            if let known = table.cores(of: name), cores.allSatisfy({ known[$0] != nil }) {
                return (cores.flatMap { known[$0] ?? [] }.sorted(), .table, cores.count)
            }
        }
        guard isWhole else { return (nil, nil, nil) }
        if let kind { return (kind.allThreads, .wholeNode, kind.cores.count) }
        if let known = table.cores(of: name), !known.isEmpty {
            return (known.values.flatMap { $0 }.sorted(), .wholeNode, known.count)
        }
        return (nil, nil, nil)
    }

    /// The site's own table counts first: it is there because the topology's order is not Slurm's.
    private static func addresses(
        _ gpus: [UInt32]?, _ name: String, _ kind: NodeTopology?, _ table: HardwareTable
    ) -> [String]? {
        guard let gpus, !gpus.isEmpty else { return nil }
        if let known = table.accelerators(of: name), gpus.allSatisfy({ known[$0] != nil }) {
            return gpus.compactMap { known[$0] }
        }
        if let known = kind?.accelerators, gpus.allSatisfy({ Int($0) < known.count }) {
            return gpus.map { known[Int($0)] }
        }
        return nil
    }
}
