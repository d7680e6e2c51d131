// SPDX-License-Identifier: GPL-3.0-or-later

/// What Slurm said of a job when it started, kept with the run: much of it is gone once the job has ended.
public struct JobCapture: Sendable, Hashable, Codable {
    /// What it held on one node.
    public struct Node: Sendable, Hashable, Codable {
        public var name: String
        /// Slurm's abstract numbers, socket by socket; nil: not told.
        public var cores: [UInt32]?
        /// CPUs (hardware threads); nil: not told.
        public var cpus: UInt32?
        /// Slurm's indices of the GPUs on the node; nil: not told.
        public var gpus: [UInt32]?

        public init(name: String, cores: [UInt32]? = nil, cpus: UInt32? = nil, gpus: [UInt32]? = nil) {
            self.name = name
            self.cores = cores
            self.cpus = cpus
            self.gpus = gpus
        }
    }

    public var submitTime: Int64
    public var userName: String?
    public var account: String?
    public var partition: String?
    public var adminComment: String?
    /// Minutes; nil: none.
    public var timeLimit: UInt32?
    public var sharing: NodeSharing
    public var nodes: [Node]
    /// Of all nodes; nil: not told.
    public var cpus: UInt64?
    public var gpus: UInt64?
    /// MB of all nodes.
    public var requestedMemory: Int64?
    /// As `scontrol show job` would show it.
    public var slurmInfo: String?
    public var script: String?

    public init(submitTime: Int64, sharing: NodeSharing = .multiUser, nodes: [Node] = []) {
        self.submitTime = submitTime
        self.sharing = sharing
        self.nodes = nodes
    }
}
