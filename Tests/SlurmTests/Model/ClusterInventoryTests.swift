// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Slurm

@Suite struct ClusterInventoryTests {
    /// The lab's nodes as slurmctld 22.05.8 told them.
    private static let nodes = [
        Node.made("gpu-07", cpus: 4, memory: 2000),
        Node.made("gpu-08", state: 0x801, cpus: 4, memory: 2000),
        Node.made("n1", cpus: 8, memory: 4000, gres: "gpu:a100:4,bandwidth:lustre:4G"),
        Node.made("n2", state: 0x2005, cpus: 8, memory: 8000, gres: "gpu:a100:2,gpu:v100:2"),
        Node.made("n3", state: 0x5, cpus: 4, memory: 4000, gres: "gpu:2,craynetwork:2"),
        Node.made("n10", state: 0x205, cpus: 4, effective: 3, memory: 2000, systemMemory: 500),
    ]

    @Test func addsUpAHeterogeneousPartition() throws {
        let inventory = try ClusterInventory(
            partition: .made("main", nodes: "gpu-[07-08],n[1-3,10]"), nodes: Self.nodes.reversed())
        #expect(inventory.partition == "main")
        #expect(inventory.state == .up)
        #expect(inventory.nodes.map(\.name) == ["gpu-07", "gpu-08", "n1", "n2", "n3", "n10"])
        #expect(inventory.isHeterogeneous)

        #expect(inventory.total.nodes == 6)
        #expect(inventory.total.cpus == 31)
        #expect(inventory.total.memory == 21_500)
        #expect(inventory.total.gpus == 10)
        #expect(inventory.total.gpusByType == ["a100": 6, "v100": 2, "": 2])

        // Without gpu-08 (down) and n2 (fail); n10 drains, but answers.
        #expect(inventory.responding.nodes == 4)
        #expect(inventory.responding.cpus == 19)
        #expect(inventory.responding.memory == 11_500)
        #expect(inventory.responding.gpusByType == ["a100": 4, "": 2])
    }

    @Test(
        "n1 is not in a partition of n10 and n11",
        arguments: [
            ("n10", ["n10"]), ("n1", ["n1"]), ("n[10-12]", ["n10"]), ("n1,n10", ["n1", "n10"]), ("xn1", []),
        ] as [(String, [String])])
    func namesAreWhole(_ list: String, _ expected: [String]) throws {
        let inventory = try ClusterInventory(partition: .made("p", nodes: list), nodes: Self.nodes)
        #expect(inventory.nodes.map(\.name) == expected)
        #expect(inventory.total.nodes == UInt64(expected.count))
    }

    @Test(arguments: [nil, ""] as [String?])
    func aPartitionWithoutNodesIsEmpty(_ list: String?) throws {
        let inventory = try ClusterInventory(partition: .made("p", nodes: list), nodes: Self.nodes)
        #expect(inventory.nodes.isEmpty)
        #expect(inventory.total == .init())
        #expect(!inventory.isHeterogeneous)
    }

    @Test func anUnreadableNodeListIsAnError() {
        let error = #expect(throws: SlurmError.self) {
            try ClusterInventory(partition: .made("p", nodes: "n[1-"), nodes: Self.nodes)
        }
        #expect(error?.code == .unexpected)
        #expect(error?.message.contains("n[1-") == true && error?.message.contains("p") == true)
    }

    @Test(arguments: ["gpu:a100:x", "gpu:2(IDX:0", "gpu:a:b:c:d"])
    func unreadableGRESIsAnErrorNotZero(_ gres: String) {
        let error = #expect(throws: SlurmError.self) {
            try ClusterInventory(partition: .made("p", nodes: "n1"), nodes: [.made("n1", gres: gres)])
        }
        #expect(error?.code == .unexpected)
        #expect(error?.message.contains("n1") == true && error?.message.contains(gres) == true)
    }

    @Test func unreadableGRESElsewhereDoesNoHarm() throws {
        let inventory = try ClusterInventory(
            partition: .made("p", nodes: "n1"), nodes: [.made("n1", gres: "gpu:2"), .made("n2", gres: "?(")])
        #expect(inventory.total.gpus == 2)
    }

    @Test(
        "Counts beyond 64 bits are an error, not a trap",
        arguments: [
            "gpu:a:18446744073709551615,gpu:a:1", "gpu:a:18446744073709551615,gpu:b:1",
        ])
    func hugeCounts(_ gres: String) {
        #expect(throws: SlurmError.self) {
            try ClusterInventory(partition: .made("p", nodes: "n1"), nodes: [.made("n1", gres: gres)])
        }
    }

    struct Pair: Sendable {
        var second: Node
        var differs: Bool
    }

    @Test(arguments: [
        Pair(second: .made("n2", gres: "gpu:a:2"), differs: false),
        Pair(second: .made("n2", state: 1, gres: "gpu:a:2"), differs: false),
        Pair(second: .made("n2", cpus: 8, gres: "gpu:a:2"), differs: true),
        Pair(second: .made("n2", memory: 4001, gres: "gpu:a:2"), differs: true),
        Pair(second: .made("n2", gres: "gpu:b:2"), differs: true),
        Pair(second: .made("n2", gres: "gpu:a:1"), differs: true),
        Pair(second: .made("n2"), differs: true),
        Pair(second: .made("n2", gres: "gpu:a:1,gpu:a:1"), differs: false),
        Pair(second: .made("n2", effective: 3, gres: "gpu:a:2"), differs: true),
    ])
    func tellsWhetherNodesDiffer(_ pair: Pair) throws {
        let inventory = try ClusterInventory(
            partition: .made("p", nodes: "n[1-2]"), nodes: [.made("n1", gres: "gpu:a:2"), pair.second])
        #expect(inventory.isHeterogeneous == pair.differs)
    }

    @Test func memoryKeptForTheSystemNeverGoesBelowNothing() throws {
        let inventory = try ClusterInventory(
            partition: .made("p", nodes: "n1"), nodes: [.made("n1", memory: 100, systemMemory: 500)])
        #expect(inventory.total.memory == 0)
    }
}
