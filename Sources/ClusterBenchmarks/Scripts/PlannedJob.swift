// SPDX-License-Identifier: GPL-3.0-or-later

/// One job: a part on the nodes of one hardware class. No I/O.
public struct PlannedJob: Sendable, Hashable {
    public var part: BenchmarkPart
    /// Its place among the classes, and the class.
    public var classIndex: Int
    public var hardware: HardwareClass
    public var nodes: Int
    public var tasksPerNode: Int
    public var cpusPerTask: Int
    public var gpusPerNode: Int
    /// All memory of each node.
    public var wantsAllMemory: Bool
    public var isExclusive: Bool
    /// Nodes of other classes, on which it must not run.
    public var excluded: [String]
    /// Of the compute part.
    public var linpack: LinpackSize?

    public var tasks: Int { nodes * tasksPerNode }

    /// What cannot be measured here, and why.
    public struct Skipped: Sendable, Hashable {
        public var part: BenchmarkPart
        public var reason: String
    }

    /// The parts in their order, on each class that they are for.
    public static func plan(
        _ parts: [BenchmarkPart], on classes: [HardwareClass], _ options: BenchmarkOptions
    ) -> (jobs: [PlannedJob], skipped: [Skipped]) {
        var jobs: [PlannedJob] = []
        var skipped: [Skipped] = []
        let all = classes.flatMap(\.nodes)
        for part in BenchmarkPart.allCases where parts.contains(part) {
            let before = jobs.count
            for (index, hardware) in classes.enumerated() {
                // The way to the Internet is the same for all of them.
                if part == .internet, index > 0 { continue }
                if part == .network, hardware.nodes.count < 2 { continue }
                var job = PlannedJob(
                    part: part, classIndex: index, hardware: hardware, nodes: 1, tasksPerNode: 1, cpusPerTask: 1,
                    gpusPerNode: 0, wantsAllMemory: false, isExclusive: false,
                    excluded: classes.count > 1 ? all.filter { !hardware.nodes.contains($0) } : [])
                job.shape(options)
                jobs.append(job)
            }
            guard jobs.count == before else { continue }
            skipped.append(
                Skipped(
                    part: part,
                    reason: classes.isEmpty
                        ? "no node answers" : "no two nodes are alike: there is no network between them to measure"))
        }
        return (jobs, skipped)
    }

    private mutating func shape(_ options: BenchmarkOptions) {
        switch part {
        case .machine, .internet: break
        case .compute:
            nodes = hardware.nodes.count
            gpusPerNode = hardware.gpusPerNode
            // One process for each GPU, or for each core.
            tasksPerNode = gpusPerNode > 0 ? gpusPerNode : hardware.cores
            if gpusPerNode > 0 { cpusPerTask = max(1, hardware.cpus / gpusPerNode) }
            wantsAllMemory = true
            isExclusive = options.isExclusive
            let together = options.hplOnSingleNode ? 1 : nodes
            linpack = LinpackSize(
                processes: tasksPerNode * together, nodes: together, memory: hardware.memory,
                fraction: options.memoryFraction, blockSize: options.blockSize)
        case .network:
            nodes = hardware.nodes.count
            isExclusive = options.isExclusive
        case .storage:
            let isShared = options.storages.keys.contains { !$0.hasPrefix("disk-") }
            nodes = options.storageOnSingleNode || !isShared ? 1 : hardware.nodes.count
        }
    }
}
