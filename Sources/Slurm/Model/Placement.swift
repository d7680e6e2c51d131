// SPDX-License-Identifier: GPL-3.0-or-later

internal import CSlurm

/// What a job holds on each of its nodes, while it runs.
///
/// Every part is nil when Slurm does not tell it: nothing here is a guess. GRES indices vanish when the job ends.
public struct Placement: Sendable, Hashable {
    /// Where a figure came from.
    public enum Source: String, Sendable, Hashable, Codable {
        /// libslurm's own function for it.
        case libslurm
        /// The job's GRES detail, per node.
        case gresDetail
        /// The job's allocated TRES; exact when there is one node.
        case allocatedTRES
        /// What was asked for per node or per CPU; the sum over the nodes equals the allocated TRES.
        case requestCheckedAgainstTotal
    }

    public struct NodeShare: Sendable, Hashable {
        public var node: String
        /// Abstract core numbers on the node, socket by socket. They are not the operating system's CPU numbers.
        public var cores: [UInt32]?
        public var coresSource: Source?
        /// CPUs (hardware threads) that Slurm counts for the job on this node.
        public var cpus: UInt32?
        public var cpusSource: Source?
        /// In MB.
        public var memory: UInt64?
        public var memorySource: Source?
        /// nil when not known; empty when the job holds none.
        public var gres: [GRES]?
        public var gresSource: Source?
    }

    public var nodes: [NodeShare]

    /// - Parameters:
    ///   - record: must have been loaded with SHOW_DETAIL.
    ///   - known: all nodes that the job was given, where the caller knows them: of a job that ends slurmctld names only
    ///     those that are not clean yet.
    /// - Returns: nil for a job that holds no nodes.
    init?(_ record: UnsafePointer<slurm_job_info_t>, job: Job, nodes known: [String] = []) {
        guard let list = job.nodes, let named = Hostlist.expand(list), !named.isEmpty else { return nil }
        let (names, isWhole) = Self.names(named, known, of: job.allocatedTRES?.nodes)
        nodes = names.enumerated().map { index, name in
            var share = NodeShare(node: name)
            if let cores = Self.cores(record, name) {
                share.cores = cores
                share.coresSource = .libslurm
            }
            let cpus = cs_job_cpus_on_node(record, name)
            if cpus > 0 {
                share.cpus = UInt32(cpus)
                share.cpusSource = .libslurm
            } else if isWhole, names.count == 1, let cpus = job.allocatedTRES?.cpus {
                share.cpus = UInt32(clamping: cpus)
                share.cpusSource = .allocatedTRES
            }
            if isWhole, index < job.gresPerNode.count, let gres = GRES.list(job.gresPerNode[index]) {
                share.gres = gres
                share.gresSource = .gresDetail
            } else if job.holdsNoGRES {
                share.gres = []
                share.gresSource = .allocatedTRES
            }
            return share
        }
        if isWhole { setMemory(job) }
    }

    /// The nodes to tell of, and whether those are all that the job was given.
    static func names(_ named: [String], _ known: [String], of count: UInt64?) -> (names: [String], isWhole: Bool) {
        guard let count, UInt64(named.count) != count else { return (named, true) }
        guard UInt64(known.count) == count, Set(named).isSubset(of: known) else { return (named, false) }
        return (known, true)
    }

    private static func cores(_ record: UnsafePointer<slurm_job_info_t>, _ node: String) -> [UInt32]? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 4096) { buffer in
            guard let base = buffer.baseAddress, cs_job_cores_on_node(record, node, base, buffer.count) == 0
            else { return nil }
            return IndexRange.expand(String(cString: base))
        }
    }

    /// Slurm keeps memory per node in a private structure. With one node the total is the node's; with several, the
    /// request tells each node's share, which counts only if the shares add up to the total.
    private mutating func setMemory(_ job: Job) {
        guard let total = job.allocatedTRES?.memory else { return }
        if nodes.count == 1 {
            nodes[0].memory = total
            nodes[0].memorySource = .allocatedTRES
            return
        }
        let shares: [UInt64?]
        switch job.requested.memory {
        case .perNode(let megabytes) where megabytes > 0: shares = nodes.map { _ in megabytes }
        case .perCPU(let megabytes):
            shares = nodes.map { node in
                node.cpus.flatMap { cpus in
                    let (share, overflow) = UInt64(cpus).multipliedReportingOverflow(by: megabytes)
                    return overflow ? nil : share
                }
            }
        default: return
        }
        let known = shares.compactMap { $0 }
        // Of shares that are no real ones the sum may be any number.
        guard known.count == shares.count, known.reduce(0, &+) == total else { return }
        for (index, share) in known.enumerated() {
            nodes[index].memory = share
            nodes[index].memorySource = .requestCheckedAgainstTotal
        }
    }
}

extension Job {
    /// The allocated TRES name no generic resource. (Holds only where AccountingStorageTRES tracks them, so a job
    /// that asked for some is never taken for one without.)
    fileprivate var holdsNoGRES: Bool {
        let asked = [requested.tresPerJob, requested.tresPerNode, requested.tresPerSocket, requested.tresPerTask]
        return asked.allSatisfy { $0?.contains("gres") != true }
            && !(allocatedTRES?.text.contains("gres/") ?? false)
    }
}
