// SPDX-License-Identifier: GPL-3.0-or-later

/// What the gateway asks of Slurm.
public protocol CockpitCluster: Sendable {
    /// A running or just ended job. nil: Slurm knows no run of it that was submitted then.
    /// - Parameter nodes: where the ledger says that it runs.
    /// - Throws: `incomplete` while nobody names all of its nodes: of a job that ends slurmctld names only those that are not
    ///   clean yet, and slurmdbd may be away.
    func capture(
        jobID: UInt32, submitTime: Int64, nodes: String?, withScript: Bool
    ) async throws(CockpitError) -> JobCapture?
    /// All nodes of a run by slurmdbd; nil: it knows no such run yet; empty: there is no slurmdbd.
    func accountedNodes(jobID: UInt32, submitTime: Int64) async throws(CockpitError) -> [String]?
    /// A user's login name; nil: there is none (any more).
    func login(of userID: UInt32) async throws(CockpitError) -> String?
    /// The names in a list of nodes; nil: it is none.
    func expand(_ nodes: String) -> [String]?
    func nodes() async throws(CockpitError) -> [CockpitNode]
    /// What Slurm believes its nodes to be made of.
    func shapes() async throws(CockpitError) -> [String: NodeShape]
    /// What the ledger, slurmctld and slurmdbd know of runs of these jobs.
    func history(of jobIDs: [UInt32]) async throws(CockpitError) -> [PastRun]
}

/// A run that was not told of when it started.
public struct PastRun: Sendable, Hashable {
    public var jobID: UInt32
    public var submitTime: Int64
    public var startTime: Int64
    /// nil: it has not ended.
    public var endTime: Int64?
    public var endState: EndState?
    public var job: String

    public init(
        jobID: UInt32, submitTime: Int64, startTime: Int64, endTime: Int64? = nil, endState: EndState? = nil,
        job: String
    ) {
        self.jobID = jobID
        self.submitTime = submitTime
        self.startTime = startTime
        self.endTime = endTime
        self.endState = endState
        self.job = job
    }
}

/// What is reported of a node.
public struct CockpitNode: Sendable, Hashable {
    public enum State: String, Sendable, Hashable, Codable {
        case allocated, reserved, idle, down, mixed, unknown
    }

    public var name: String
    public var state: State
    /// Allocated; nil: Slurm does not say how a job's CPUs lie on its nodes.
    public var cpus: UInt64?
    /// MB; likewise.
    public var memory: UInt64?
    public var gpus: UInt64
    public var jobs: Int

    public init(name: String, state: State, cpus: UInt64? = nil, memory: UInt64? = nil, gpus: UInt64 = 0, jobs: Int = 0)
    {
        self.name = name
        self.state = state
        self.cpus = cpus
        self.memory = memory
        self.gpus = gpus
        self.jobs = jobs
    }
}

struct NodeStatesMessage: Encodable, Sendable {
    struct Node: Encodable, Sendable {
        var hostname: String
        var states: [String]
        var cpusAllocated: UInt64?
        var memoryAllocated: UInt64?
        var gpusAllocated: UInt64
        var jobsRunning: Int
    }

    var cluster: String
    var nodes: [Node]

    /// - Parameter topology: nodes are spelled as it does.
    init(_ nodes: [CockpitNode], cluster: String, topology: BackendTopology?) {
        self.cluster = cluster
        self.nodes = nodes.map {
            Node(
                hostname: topology?.find($0.name)?.host ?? $0.name, states: [$0.state.rawValue], cpusAllocated: $0.cpus,
                memoryAllocated: $0.memory, gpusAllocated: $0.gpus, jobsRunning: $0.jobs)
        }
    }
}
