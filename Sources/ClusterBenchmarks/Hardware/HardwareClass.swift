// SPDX-License-Identifier: GPL-3.0-or-later

/// A node as Slurm has it.
public struct BenchmarkNode: Sendable, Hashable {
    public var name: String
    /// It answers: jobs on it run, or could.
    public var responds: Bool
    /// Without those kept for the system; with hyper-threads.
    public var cpus: Int
    public var sockets: Int
    public var coresPerSocket: Int
    public var threadsPerCore: Int
    /// MB, without what is kept for the system.
    public var memory: Int
    /// By type, "" for those without one.
    public var gpus: [String: Int]

    public init(
        name: String, responds: Bool = true, cpus: Int, sockets: Int = 1, coresPerSocket: Int = 1,
        threadsPerCore: Int = 1, memory: Int, gpus: [String: Int] = [:]
    ) {
        self.name = name
        self.responds = responds
        self.cpus = cpus
        self.sockets = sockets
        self.coresPerSocket = coresPerSocket
        self.threadsPerCore = threadsPerCore
        self.memory = memory
        self.gpus = gpus
    }
}

/// Nodes that are alike: each part is run once for each such class.
public struct HardwareClass: Sendable, Hashable, Codable {
    /// In Slurm's order.
    public var nodes: [String]
    public var cpus: Int
    public var sockets: Int
    public var coresPerSocket: Int
    public var threadsPerCore: Int
    /// MB of the smallest one.
    public var memory: Int
    public var gpus: [String: Int]

    public var gpusPerNode: Int { gpus.values.reduce(0) { $0.addingReportingOverflow($1).partialValue } }

    /// Whole cores that jobs get: without hyper-threads, without those kept for the system.
    public var cores: Int { max(1, cpus / max(1, threadsPerCore)) }

    /// Nodes of one shape whose memory differs by less than this are alike: firmware keeps a little for itself.
    private static let memoryTolerance = 0.05

    /// - Parameter includesUnresponsive: nodes too that do not answer.
    /// - Returns: the class with most nodes first.
    public static func find(_ all: [BenchmarkNode], includesUnresponsive: Bool = false) -> [HardwareClass] {
        struct Shape: Hashable {
            var cpus: Int
            var sockets: Int
            var cores: Int
            var threads: Int
            var gpus: [String: Int]
        }
        let order = Dictionary(all.enumerated().map { ($0.element.name, $0.offset) }) { first, _ in first }
        let usable = all.filter { ($0.responds || includesUnresponsive) && $0.cpus > 0 && $0.memory > 0 }
        let shapes = Dictionary(grouping: usable) { node in
            Shape(
                cpus: node.cpus, sockets: node.sockets, cores: node.coresPerSocket, threads: node.threadsPerCore,
                gpus: node.gpus.filter { $0.value > 0 })
        }
        var classes: [HardwareClass] = []
        for (shape, nodes) in shapes {
            var rest = nodes.sorted { ($0.memory, $1.name) > ($1.memory, $0.name) }[...]
            while let largest = rest.first {
                let least = Double(largest.memory) * (1 - memoryTolerance)
                let alike = rest.prefix { Double($0.memory) >= least }
                rest = rest.dropFirst(alike.count)
                classes.append(
                    HardwareClass(
                        nodes: alike.map(\.name).sorted { order[$0, default: 0] < order[$1, default: 0] },
                        cpus: shape.cpus, sockets: shape.sockets, coresPerSocket: shape.cores,
                        threadsPerCore: shape.threads, memory: alike.last?.memory ?? largest.memory, gpus: shape.gpus))
            }
        }
        return classes.sorted {
            if $0.nodes.count != $1.nodes.count { return $0.nodes.count > $1.nodes.count }
            return order[$0.nodes[0], default: 0] < order[$1.nodes[0], default: 0]
        }
    }

    /// Tells it from others in the history: `4x 32 CPUs (2x8x2), 125 GiB, 2 gpu:a100`. Two runs are compared when it is the same.
    public var name: String {
        let gpus = self.gpus.sorted { $0.key < $1.key }.map { type, count in
            ", \(count) gpu\(type.isEmpty ? "" : ":\(type)")"
        }
        let gibibytes = (Double(memory) / 1024).rounded()
        return "\(nodes.count)x \(cpus) CPUs (\(sockets)x\(coresPerSocket)x\(threadsPerCore)), "
            + "\(gibibytes < 1e15 ? "\(Int(gibibytes))" : "?") GiB" + gpus.joined()
    }
}
