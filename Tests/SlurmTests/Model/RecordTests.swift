// SPDX-License-Identifier: GPL-3.0-or-later

import CSlurm
import Testing

@testable import Slurm

/// Partitions and nodes out of libslurm's records.
@Suite struct RecordTests {
    @Test(
        arguments: [
            (PARTITION_SUBMIT | PARTITION_SCHED, .up, "UP"), (PARTITION_SUBMIT, .down, "DOWN"),
            (PARTITION_SCHED, .drain, "DRAIN"), (0, .inactive, "INACTIVE"), (9, .unknown(9), "STATE_9"),
        ] as [(Int32, Partition.State, String)])
    func partitionStates(_ raw: Int32, _ state: Partition.State, _ text: String) {
        let partition = Partition.made("p", nodes: "n1", up: raw)
        #expect(partition.state == state)
        #expect(partition.state.description == text)
    }

    @Test func partitionFields() {
        let partition = Partition.made("main", nodes: "", flags: cs_PART_FLAG_DEFAULT)
        #expect(partition.isDefault && !partition.isHidden)
        #expect(Partition.made("x", nodes: nil, flags: cs_PART_FLAG_HIDDEN).isHidden)
        #expect(partition.nodes == nil)
        #expect(partition.maximumTime == .minutes(10_080))
        #expect(partition.defaultTime == nil)
        #expect(partition.maximumNodesPerJob == nil)
    }

    @Test(
        "a tag is a word of the admin comment, whatever separates words",
        arguments: [
            ("tag-1", "tag-1", true), ("a,tag-1,b", "tag-1", true), ("tag-1 seen", "tag-1", true),
            ("x;tag-1", "tag-1", true),
            ("(tag-1)", "tag-1", true), ("tag-10", "tag-1", false), ("tag-1", "tag", false), ("atag-1", "tag-1", false),
            ("tag-1-2,tag-1", "tag-1", true), ("", "tag-1", false), ("tag-1", "", false),
            ("two words", "two words", true),
        ] as [(String, String, Bool)])
    func tags(_ comment: String, _ tag: String, _ isThere: Bool) {
        #expect(Job.isWord(tag, of: comment) == isThere)
    }

    @Test func nodeFields() {
        let node = Node.made("n10", cpus: 4, effective: 3, memory: 2000, systemMemory: 500, gres: "")
        #expect(node.cpus == 4 && node.usableCPUs == 3)
        #expect(node.systemMemory == 500)
        #expect(node.freeMemory == nil && node.load == nil)
        #expect(node.gres == nil && node.gpus == [:])
        #expect(Node.made("n1", effective: 0).usableCPUs == 4)
        #expect(Node.made("n1").systemMemory == nil)
    }

    @Test(
        arguments: [
            ("gpu:a100:2,gpu:v100:2", ["a100": 2, "v100": 2]), ("gpu:2,craynetwork:2", ["": 2]),
            ("shard:16", [:]), ("gpu:a100:1,gpu:a100:3", ["a100": 4]),
        ] as [(String, [String: UInt64])])
    func nodeGPUs(_ gres: String, _ gpus: [String: UInt64]) {
        #expect(Node.made("n1", gres: gres).gpus == gpus)
    }

    @Test(
        "RequeueExit names success",
        arguments: [
            (String?.none, false), ("1-5", false), ("100,20-30", false), ("0", true), ("0-5", true), ("9,0", true),
            ("10", false), ("[1,00]", true),
        ])
    func requeuesSuccess(_ codes: String?, _ expected: Bool) {
        #expect(Cluster.namesZero(codes) == expected)
    }

    @Test(
        arguments: [
            (nil, 4 << 20), ("", 4 << 20), ("batch_sched_delay=0,bf_interval=1", 4 << 20),
            ("max_script_size=1000", 1000), ("bf_interval=1,MAX_SCRIPT_SIZE=8388608,x", 8 << 20),
            ("max_script_size=0", 4 << 20), ("max_script_size=-5", 4 << 20), ("max_script_size=x", 4 << 20),
            ("xmax_script_size=5", 4 << 20),
        ] as [(String?, Int)])
    func scriptSize(_ parameters: String?, _ bytes: Int) {
        #expect(Cluster.scriptSize(parameters) == bytes)
    }

    @Test func libraryVersionIsTheHeaders() throws {
        let number = cs_SLURM_VERSION_NUMBER
        let parts = Cluster.libraryVersion.split(separator: ".").compactMap { UInt32($0) }
        try #require(parts.count == 3)
        #expect(parts[0] << 16 | parts[1] << 8 | parts[2] == number)
        #expect(Cluster.libraryVersion.split(separator: ".")[1].count == 2)
    }
}
