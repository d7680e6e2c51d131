// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Slurm

@Suite struct TRESTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var text: String
        var cpus: UInt64?
        var memory: UInt64?
        var nodes: UInt64?
        var billing: UInt64?
        var gpus: [String: UInt64] = [:]

        var testDescription: String { text }
    }

    /// tres_req_str, tres_alloc_str and tres_fmt_str of slurmctld 22.05.8.
    @Test(arguments: [
        Row(
            text: "cpu=1,mem=100M,node=1,billing=1,gres/gpu=2,gres/gpu:a100=2", cpus: 1, memory: 100, nodes: 1,
            billing: 1,
            gpus: ["a100": 2]),
        Row(
            text: "cpu=2,mem=100M,node=1,billing=2,gres/gpu=2,gres/gpu:a100=1,gres/gpu:v100=1", cpus: 2, memory: 100,
            nodes: 1, billing: 2, gpus: ["a100": 1, "v100": 1]),
        Row(
            text: "cpu=1,mem=100M,node=1,billing=1,gres/gpu=1", cpus: 1, memory: 100, nodes: 1, billing: 1,
            gpus: ["": 1]),
        Row(text: "cpu=2,mem=600M,node=2,billing=2", cpus: 2, memory: 600, nodes: 2, billing: 2),
        Row(
            text: "cpu=31,mem=22000M,node=6,billing=31,gres/gpu=10,gres/gpu:a100=6,gres/gpu:v100=2", cpus: 31,
            memory: 22_000, nodes: 6, billing: 31, gpus: ["": 2, "a100": 6, "v100": 2]),
        Row(text: "cpu=3,mem=2000M,billing=3", cpus: 3, memory: 2000, billing: 3),
    ])
    func readsRealText(_ row: Row) {
        let tres = TRES(row.text)
        #expect(tres.cpus == row.cpus)
        #expect(tres.memory == row.memory)
        #expect(tres.nodes == row.nodes)
        #expect(tres.billing == row.billing)
        #expect(tres.gpus == row.gpus)
        #expect(tres.entries.count == row.text.split(separator: ",").count)
    }

    @Test(
        arguments: [
            ("0", 0), ("1", 1), ("100M", 100), ("100", 100), ("1G", 1024), ("1.50G", 1536), ("2T", 2 << 20),
            ("1P", 1 << 30), ("0.25G", 256), ("1024K", 1), ("1023K", 0), ("2047K", 1), ("7.81G", 7997), ("1.", 1),
            ("18446744073709551615M", .max),
        ] as [(String, UInt64)])
    func readsMemory(_ text: String, _ megabytes: UInt64) {
        #expect(TRES("mem=\(text)").memory == megabytes)
        #expect(TRES("bb/dw=\(text)")["bb/dw"] == megabytes)
    }

    @Test(
        arguments: [
            ("0", 0), ("7", 7), ("1K", 1024), ("1.5K", 1536), ("4G", 4 << 30), ("1M", 1 << 20), ("1T", 1 << 40),
            ("1P", 1 << 50), ("18446744073709551615", .max), ("0.4", 0),
        ] as [(String, UInt64)])
    func readsCounts(_ text: String, _ count: UInt64) {
        #expect(TRES("gres/x=\(text)")["gres/x"] == count)
    }

    @Test(
        "in small letters, as sbatch takes them",
        arguments: [("1k", 1024), ("2m", 2 << 20), ("1g", 1 << 30)] as [(String, UInt64)])
    func smallLetters(_ text: String, _ count: UInt64) {
        #expect(TRES("gres/x=\(text)")["gres/x"] == count)
    }

    @Test(
        "numbers become names, what has no amount is left out",
        arguments: [
            ("1=1,2=100,4=1", "cpu=1,mem=100M,node=1"),
            ("1=4,2=1024,3=18446744073709551614,4=2,5=4", "cpu=4,mem=1G,node=2,billing=4"),
            ("1=1,2=1536,6=18446744073709551615,8=7", "cpu=1,mem=1536M,pages=7"), ("2=4194304", "mem=4T"),
            ("2=0", "mem=0"),
            ("1=1,3=18446744073709551614", "cpu=1"), ("", ""), ("cpu=1,gres/gpu=2", "cpu=1,gres/gpu=2"),
            ("1=1,1001=18446744073709551614", "cpu=1"),
            // Whose number only the cluster knows: better none than half.
            ("1=1,1001=2", nil), ("1=1,0=2", nil), ("1=x", nil), ("1", nil), ("1=1=1", nil), ("9=1", nil),
        ] as [(String, String?)])
    func numbered(_ text: String, _ names: String?) {
        #expect(TRES(numbered: text)?.text == names)
    }

    /// Never a trap, never a wrapped number.
    @Test(arguments: [
        "", ".", "K", "-1", "1x", "1KB", "1K1", "1..2", "1.2.3", "0x10", "18446744073709551616", "1 ", " 1",
        "18446744073709551615G", "16777216P", "18446744073709551615.9",
    ])
    func refusesCounts(_ text: String) {
        #expect(TRES("cpu=\(text)").cpus == nil)
        #expect(TRES("cpu=\(text),node=3").nodes == 3)
    }

    @Test("Kilobytes at the very top neither trap nor wrap")
    func kilobytesAtTheTop() {
        #expect(TRES("mem=18446744073709551615K").memory == UInt64.max >> 10)
        #expect([UInt64.max >> 10, nil].contains(TRES("mem=18446744073709551615.5K").memory))
    }

    @Test(arguments: ["=1", "cpu", "cpu=", "", ",,,", "=", "cpu==1"])
    func leavesOutWhatItCannotRead(_ text: String) {
        #expect(TRES(text).entries.isEmpty)
    }

    @Test(
        arguments: [
            ("gres/gpu=4,gres/gpu:a100=4", ["a100": 4]),
            ("gres/gpu:a100=4,gres/gpu=4", ["a100": 4]),
            ("gres/gpu:a100=1,gres/gpu:v100=2", ["a100": 1, "v100": 2]),
            ("gres/gpu=5,gres/gpu:a100=4", ["a100": 4, "": 1]),
            ("gres/gpu=3,gres/gpu:a100=4", ["a100": 4]),
            ("gres/gpumem=4G,gres/shard=2", [:]),
            ("cpu=1", [:]),
        ] as [(String, [String: UInt64])])
    func countsGPUs(_ text: String, _ gpus: [String: UInt64]) {
        #expect(TRES(text).gpus == gpus)
    }

    @Test func keepsTheTextAndOrder() {
        let tres = TRES("node=2,cpu=1")
        #expect(tres.description == "node=2,cpu=1")
        #expect(tres.entries.map(\.name) == ["node", "cpu"])
        #expect(TRES("").isEmpty && !tres.isEmpty)
    }
}
