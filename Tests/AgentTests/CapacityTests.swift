// SPDX-License-Identifier: GPL-3.0-or-later

import DeepSquare
import Testing

@testable import Agent
@testable import Slurm

@Suite("What a partition can never run")
struct CapacityTests {
    /// Two nodes of 16 CPUs, 64,000 MB and 2 GPUs, one of 4, 8,000 and none.
    private static let nodes = [(16, 64_000, 2), (16, 64_000, 2), (4, 8000, 0)].enumerated().map { index, node in
        ClusterInventory.NodeEntry(
            name: "n\(index)", state: NodeState(rawValue: 0), cpus: UInt32(node.0), memory: UInt64(node.1),
            gpus: UInt64(node.2), gpusByType: [:])
    }

    struct Row: Sendable, CustomTestStringConvertible {
        var tasks: UInt32 = 1
        var cpus: UInt32 = 1
        var memory: UInt64 = 100
        var gpus: UInt32 = 0
        var minutes: UInt32 = 60
        var longest: UInt32? = 1440
        var mostNodes: Int?
        var words: String?

        var testDescription: String { "\(tasks) × \(cpus) CPUs, \(memory) MB, \(gpus) GPUs, \(minutes) min" }
    }

    static let rows = [
        Row(), Row(tasks: 36), Row(tasks: 37, words: "36 of its 37 tasks"), Row(cpus: 16),
        Row(cpus: 17, words: "no node has 17 CPUs"), Row(tasks: 2, cpus: 16),
        Row(tasks: 3, cpus: 16, words: "2 of its 3 tasks"), Row(memory: 64_000),
        Row(memory: 64_001, words: "no node has 1 CPUs and 64001 MB"),
        Row(tasks: 32, memory: 8000, words: "17 of its 32 tasks"), Row(gpus: 4),
        Row(gpus: 5, words: "4 GPUs, the job wants 5"), Row(gpus: 3, mostNodes: 1, words: "2 GPUs"),
        Row(tasks: 17, mostNodes: 1, words: "16 of its 17 tasks"), Row(minutes: 1440),
        Row(minutes: 1441, words: "up to 1440 minutes"), Row(minutes: 100_000, longest: nil),
        Row(cpus: 3, memory: .max, words: "more than any node has"), Row(memory: 0),
    ]

    @Test("each limit, and what just fits", arguments: rows)
    func impossible(_ row: Row) {
        let capacity = Capacity(longest: row.longest, mostNodes: row.mostNodes, nodes: Self.nodes)
        let job = GridJobRequest(
            name: "0x1", userID: 1000, script: "", partition: "main", tasks: row.tasks, cpusPerTask: row.cpus,
            memoryPerCPU: row.memory, gpus: row.gpus, timeLimit: row.minutes, output: "/tmp/o")
        let why = capacity.whyImpossible(job)
        if let words = row.words {
            #expect(why?.contains(words) == true, "\(why ?? "nothing")")
        } else {
            #expect(why == nil)
        }
    }

    @Test("where nodes are hidden only their sum is known, and Slurm has the word")
    func hidden() {
        var nodes = Self.nodes
        nodes[1].isHidden = true
        let job = GridJobRequest(
            name: "0x1", userID: 1000, script: "", partition: "main", tasks: 1, cpusPerTask: 17, memoryPerCPU: 100,
            gpus: 0,
            timeLimit: 60, output: "/tmp/o")
        #expect(Capacity(longest: nil, mostNodes: nil, nodes: nodes).whyImpossible(job) == nil)
        #expect(Capacity(longest: 59, mostNodes: nil, nodes: nodes).whyImpossible(job)?.contains("59 minutes") == true)
    }
}
