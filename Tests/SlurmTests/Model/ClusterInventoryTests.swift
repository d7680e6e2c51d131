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

    // MARK: nodes that slurmctld hides

    /// The answers of slurmctld 22.05.8 for `NodeName=cloud[1-4] CPUs=4 RealMemory=1000 State=CLOUD`.
    @Test("powered-down cloud nodes count by the partition's record")
    func cloud() throws {
        let inventory = try ClusterInventory(
            partition: .made(
                "burst", nodes: "cloud[1-4]", totalNodes: 4, totalCPUs: 16, tres: "cpu=16,mem=4000M,node=4,billing=16"),
            nodes: [.made("n1")])
        #expect(inventory.total.nodes == 4 && inventory.total.cpus == 16 && inventory.total.memory == 4000)
        #expect(inventory.nodes.map(\.cpus) == [4, 4, 4, 4] && inventory.nodes.allSatisfy(\.isHidden))
        #expect(inventory.responding.nodes == 0)
        #expect(inventory.hidden?.nodes == 4 && inventory.hidden?.gpusAreKnown == false)
        #expect(inventory.hidden?.note.contains("PrivateData=cloud") == true)
    }

    @Test("beside nodes that are shown, and nodes of the future, which are none")
    func mixed() throws {
        let partition = Partition.made(
            "mixed", nodes: "cloud[1-2],cold1,n1", totalNodes: 4, totalCPUs: 20,
            tres: "cpu=20,mem=9001M,node=4,billing=20")
        let nodes = [
            Node.made("n1", cpus: 4, memory: 4000), .made("cold1", state: 6, cpus: 8, memory: 3000), .made("n2"),
        ]
        let inventory = try ClusterInventory(partition: partition, nodes: nodes)
        #expect(inventory.nodes.map(\.name) == ["n1", "cloud1", "cloud2"])
        #expect(inventory.nodes.map(\.cpus) == [4, 4, 4] && inventory.nodes.map(\.memory) == [4000, 1001, 1000])
        #expect(inventory.responding.nodes == 1)
        // All of the cloud is up: nothing is hidden.
        let up = nodes + [.made("cloud1", memory: 1000), .made("cloud2", memory: 1001)]
        #expect(try ClusterInventory(partition: partition, nodes: up).hidden == nil)
    }

    @Test(
        "GPUs of hidden nodes, where AccountingStorageTRES has them",
        arguments: [
            ("gres/gpu=10", ["": 8]), ("gres/gpu=10,gres/gpu:a100=10", ["a100": 8]),
            ("gres/gpu=10,gres/gpu:a100=8", ["a100": 6, "": 2]),
        ] as [(String, [String: UInt64])])
    func hiddenGPUs(_ tres: String, _ hidden: [String: UInt64]) throws {
        let inventory = try ClusterInventory(
            partition: .made("p", nodes: "n1,c[1-4]", totalNodes: 5, totalCPUs: 20, tres: "cpu=20,mem=8000M,\(tres)"),
            nodes: [.made("n1", gres: "gpu:a100:2")])
        #expect(inventory.hidden?.gpusAreKnown == true)
        var sum: [String: UInt64] = [:]
        for node in inventory.nodes where node.isHidden { sum.merge(node.gpusByType, uniquingKeysWith: +) }
        #expect(sum.filter { $0.value > 0 } == hidden)
        #expect(inventory.total.gpus == 10)
    }

    @Test("a record that does not tell enough is an error, never a registration of less or nothing")
    func hiddenAndUnknown() {
        for partition in [
            Partition.made("p", nodes: "c[1-4]", totalNodes: 4, totalCPUs: 16),
            .made("p", nodes: "c[1-4]", totalNodes: 4, totalCPUs: 3, tres: "cpu=3,mem=4000M"),
            .made("p", nodes: "n1,c1", totalNodes: 2, totalCPUs: 4, tres: "cpu=4,mem=4000M"),
        ] {
            let error = #expect(throws: SlurmError.self) {
                try ClusterInventory(partition: partition, nodes: [.made("n1")])
            }
            #expect(error?.code == .unexpected && error?.message.contains("PrivateData=cloud") == true)
        }
    }

    @Test("names in the list beyond what the record counts are none")
    func strayNames() throws {
        let inventory = try ClusterInventory(
            partition: .made("p", nodes: "n[1-3]", totalNodes: 1, totalCPUs: 4, tres: "cpu=4,mem=4000M"),
            nodes: [.made("n1")])
        #expect(inventory.nodes.map(\.name) == ["n1"] && inventory.hidden == nil)
    }
}
