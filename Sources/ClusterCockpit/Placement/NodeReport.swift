// SPDX-License-Identifier: GPL-3.0-or-later

/// What a node is made of, as its kernel says. nil: not told as a whole.
public struct NodeHardware: Sendable, Hashable, Codable {
    /// The hardware threads of each core, in Slurm's order of cores.
    public var cores: [[Int]]?
    /// PCI addresses, in Slurm's order of GPUs.
    public var gpus: [String]?
    /// MiB.
    public var memory: UInt64?

    public init(cores: [[Int]]? = nil, gpus: [String]? = nil, memory: UInt64? = nil) {
        self.cores = cores
        self.gpus = gpus
        self.memory = memory
    }

    var isEmpty: Bool { cores == nil && gpus == nil && memory == nil }

    /// What agrees with what Slurm counts: Slurm may be told to believe other nodes than there are, or use a part of one.
    func agreeing(with shape: NodeShape?) -> Self {
        var agreed = self
        if shape?.cores != cores?.count { agreed.cores = nil }
        if shape?.gpus != gpus?.count { agreed.gpus = nil }
        return agreed
    }
}

/// What Slurm believes a node to be made of.
public struct NodeShape: Sendable, Hashable {
    public var cores: Int
    public var gpus: Int

    public init(cores: Int, gpus: Int) {
        self.cores = cores
        self.gpus = gpus
    }
}

/// What a node said when a job began there, or its slurmd started.
public struct NodeReport: Sendable, Hashable {
    /// nil: of no job, only of the node.
    public var jobID: UInt32?
    public var node: String
    /// Milliseconds from its being said to its being heard: the node kept it while nobody took it.
    public var waited: Int64
    /// Slurm's numbers; nil: not told this time.
    public var cores: [UInt32]?
    public var gpus: [UInt32]?
    public var hardware: NodeHardware

    public init(
        jobID: UInt32?, node: String, waited: Int64 = 0, cores: [UInt32]? = nil, gpus: [UInt32]? = nil,
        hardware: NodeHardware = NodeHardware()
    ) {
        self.jobID = jobID
        self.node = node
        self.waited = max(0, waited)
        self.cores = cores
        self.gpus = gpus
        self.hardware = hardware
    }
}

/// A job's part of a node by the node's own word, kept with its run: the node may be another one when a backend hears of it.
struct NodeShare: Sendable, Hashable, Codable {
    /// Hardware threads, ascending, and of how many cores; of how many the node has.
    var threads: [Int]?
    var cores: Int?
    var nodeCores: Int?
    /// Slurm's numbers, with their addresses where the node said them; of how many the node has.
    var gpus: [UInt32]?
    var addresses: [String]?
    var nodeGPUs: Int?

    init(_ report: NodeReport) {
        if let all = report.hardware.cores, let own = report.cores, own.allSatisfy({ Int($0) < all.count }) {
            threads = own.flatMap { all[Int($0)] }.sorted()
            cores = own.count
            nodeCores = all.count
        }
        gpus = report.gpus
        if let all = report.hardware.gpus, let own = report.gpus, own.allSatisfy({ Int($0) < all.count }) {
            addresses = own.map { all[Int($0)] }
            nodeGPUs = all.count
        }
    }

    var isEmpty: Bool { threads == nil && gpus == nil }

    /// What `later` says counts.
    mutating func take(_ later: NodeShare) {
        if later.threads != nil { (threads, cores, nodeCores) = (later.threads, later.cores, later.nodeCores) }
        if later.gpus != nil { (gpus, addresses, nodeGPUs) = (later.gpus, later.addresses, later.nodeGPUs) }
    }

    func agreeing(with shape: NodeShape?) -> Self {
        var agreed = self
        if shape?.cores != nodeCores { agreed.threads = nil }
        if shape?.gpus != nodeGPUs { agreed.addresses = nil }
        return agreed
    }
}

/// What the nodes of a run have said, as far as it agrees with what Slurm believes.
struct NodeWords: Sendable, Hashable {
    var shares: [String: NodeShare] = [:]
    var hardware: [String: NodeHardware] = [:]
    /// Some node of the cluster has said what it is made of: the plugin is there.
    var isPluginHeard = false

    /// It has said nothing yet, neither of the run nor of itself.
    func isUnheard(_ node: String) -> Bool { shares[node] == nil && hardware[node] == nil }

    func agreeing(with shapes: [String: NodeShape]) -> Self {
        var agreed = self
        for (name, share) in shares { agreed.shares[name] = share.agreeing(with: shapes[name]) }
        for (name, known) in hardware { agreed.hardware[name] = known.agreeing(with: shapes[name]) }
        return agreed
    }
}
