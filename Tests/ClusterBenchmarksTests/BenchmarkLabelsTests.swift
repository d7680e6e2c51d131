// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import ClusterBenchmarks

@Suite struct BenchmarkLabelsTests {
    @Test("31 keys, each of one part")
    func keys() {
        #expect(BenchmarkLabels.keys.count == 31)
        #expect(BenchmarkPart.allCases.flatMap(BenchmarkLabels.keys(of:)).sorted() == BenchmarkLabels.keys)
    }

    @Test(
        "two decimals, as printf has them",
        arguments: [
            (41_450, "41450.00"), (0.125, "0.12"), (0.005, "0.01"), (202.5349, "202.53"), (1e-9, "0.00"),
            (1e15, "1000000000000000.00"),
            (-1.5, "-1.50"), (.infinity, nil), (.nan, nil),
        ] as [(Double, String?)])
    func numbers(_ number: Double, _ text: String?) { #expect(BenchmarkLabels.text(number) == text) }

    @Test(
        "cleaned as today's labels are",
        arguments: [
            ("AMD EPYC 7302 16-Core Processor", "amd-epyc-7302-16-core-processor"),
            ("Intel(R) Xeon(R) Gold 6148 CPU @ 2.40GHz", "intel-r-xeon-r-gold-6148-cpu-2.40ghz"), ("  a--b  ", "a-b"),
            ("-", ""),
            ("Ünïcode x", "n-code-x"), ("", ""),
        ])
    func cleaned(_ text: String, _ label: String) { #expect(BenchmarkLabels.cleaned(text) == label) }

    @Test("of several hardware classes: sum, least, most, or the first one's")
    func classes() {
        let merged = BenchmarkLabels.merge(classes: [
            [
                "compute.gflops": "10.00", "network.p2p.bw.mbps": "100.00", "network.p2p.latency.us": "1.50",
                "cpu": "a",
                "storage.scratch.read.iops": "7.00",
            ],
            [
                "compute.gflops": "5.25", "network.p2p.bw.mbps": "80.00", "network.p2p.latency.us": "2.00", "cpu": "b",
                "storage.scratch.read.iops": "9.00", "gpu": "g",
            ],
        ])
        #expect(
            merged == [
                "compute.gflops": "15.25", "network.p2p.bw.mbps": "80.00", "network.p2p.latency.us": "2.00", "cpu": "a",
                "storage.scratch.read.iops": "7.00", "gpu": "g",
            ])
        #expect(BenchmarkLabels.merge(classes: []).isEmpty)
    }

    @Test("W18: nothing measured takes nothing from the operator's labels")
    func w18_operator() {
        let own = ["os": "linux", "cpu": "mine", "zone": "west", "gpu": ""]
        let measured = ["os": "", "cpu": "theirs", "gpu": "g"]
        let expected = ["os": "linux", "cpu": "theirs", "zone": "west", "gpu": "g"]
        #expect(BenchmarkLabels.merge(operator: own, measured: measured, prefer: .measured) == expected)
        #expect(
            BenchmarkLabels.merge(operator: own, measured: measured, prefer: .operator)
                == expected.merging(["cpu": "mine"]) { $1 })
        #expect(BenchmarkLabels.merge(operator: own, measured: [:], prefer: .measured) == own)
    }

    @Test("W24: megabits, as the grid's documentation says; megabytes for who wants them")
    func w24_units() {
        let output =
            ResultBlocksTests.block("internet", NetworkResultTests.ookla)
        let documented = PartResult(.internet, output: output, token: "t", units: .documented)
        #expect(documented.labels == ["network.download.bw.mbps": "9087.25", "network.upload.bw.mbps": "4000.00"])
        let compat = PartResult(.internet, output: output, token: "t", units: .compat)
        #expect(compat.labels == ["network.download.bw.mbps": "1135.91", "network.upload.bw.mbps": "500.00"])
        let osu = ResultBlocksTests.block("osu-bibw", "# OSU\n1 2\n4194304 5030.16\n")
        #expect(
            PartResult(.network, output: osu, token: "t", units: .documented).labels == [
                "network.p2p.bw.mbps": "40241.28"
            ])
        #expect(
            PartResult(.network, output: osu, token: "t", units: .compat).labels == ["network.p2p.bw.mbps": "5030.16"])
    }

    @Test("what is missing takes nothing from what came")
    func partly() {
        let output =
            ResultBlocksTests.block("osu-latency", "1 2.5\n") + ResultBlocksTests.block("osu-bibw", "nothing")
            + ResultBlocksTests.block("problem", "osu-bibw: exit status 1: no peer\n")
        let result = PartResult(.network, output: output, token: "t", units: .documented)
        #expect(result.labels == ["network.p2p.latency.us": "2.50"])
        #expect(result.problems.count == 2)
        #expect(
            PartResult(.compute, output: "", token: "t", units: .documented).problems == [
                "the job's output has no result"
            ])
    }

    @Test("a machine's gpu is its GPU, not its CPU")
    func machine() {
        let output = ResultBlocksTests.block("machine", MachineFactsTests.rome)
        let labels = PartResult(.machine, output: output, token: "t", units: .documented).labels
        #expect(labels["gpu"] == "nvidia-geforce-rtx-3090")
        #expect(labels["cpu"] == "amd-epyc-7302-16-core-processor")
        #expect(Set(labels.keys) == Set(BenchmarkLabels.keys(of: .machine)))
    }

    @Test func storageAndCompute() {
        let fio =
            #"{"jobs": [{"read": {"bw_bytes": 104857600, "iops": 50}, "write": {"bw_bytes": 52428800, "iops": 25}}]}"#
        let output =
            ["scratch.fio.0", "scratch.fio.1", "disk-tmp.fio.0"].map { ResultBlocksTests.block($0, fio) }.joined()
            + ResultBlocksTests.block("shared-tmp.fio.0", "{}")
        let result = PartResult(.storage, output: output, token: "t", units: .documented)
        #expect(result.labels["storage.scratch.read.bw.mibps"] == "200.00")
        #expect(result.labels["storage.disk-tmp.write.iops"] == "25.00")
        #expect(result.labels.count == 8)
        #expect(result.problems.count == 1)
        let nodes =
            ResultBlocksTests.block("hpcc.0", hpccOutput) + ResultBlocksTests.block("hpcc.1", hpccOutput)
            + ResultBlocksTests.block("hpcc.2", hpccOutput.replacing("PASSED", with: "FAILED"))
        let compute = PartResult(.compute, output: nodes, token: "t", units: .documented)
        #expect(compute.labels == ["compute.gflops": "0.02"])
        #expect(compute.problems.first?.contains("FAILED") == true)
    }

    @Test("worse by more than a fifth is told; latency is worse when it grows")
    func drops() {
        let before = ["compute.gflops": "100.00", "network.p2p.latency.us": "10.00", "cpu": "a"]
        #expect(
            BenchmarkLabels.drops(from: before, to: ["compute.gflops": "80.00", "network.p2p.latency.us": "12.00"])
                .isEmpty)
        #expect(
            BenchmarkLabels.drops(
                from: before, to: ["compute.gflops": "79.00", "network.p2p.latency.us": "12.50", "cpu": "b"])
                == ["compute.gflops was 100.00, is 79.00", "network.p2p.latency.us was 10.00, is 12.50"])
        #expect(BenchmarkLabels.drops(from: [:], to: before).isEmpty)
    }
}
