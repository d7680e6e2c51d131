// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import ClusterBenchmarks

@Suite struct HardwareClassTests {
    private func node(
        _ name: String, cpus: Int = 8, memory: Int = 64_000, gpus: [String: Int] = [:], responds: Bool = true,
        threads: Int = 1
    ) -> BenchmarkNode {
        BenchmarkNode(
            name: name, responds: responds, cpus: cpus, sockets: 1, coresPerSocket: cpus / threads,
            threadsPerCore: threads, memory: memory, gpus: gpus)
    }

    private func names(_ nodes: [BenchmarkNode], includesUnresponsive: Bool = false) -> [[String]] {
        HardwareClass.find(nodes, includesUnresponsive: includesUnresponsive).map(\.nodes)
    }

    @Test func alike() {
        #expect(names([node("n1"), node("n2"), node("n10")]) == [["n1", "n2", "n10"]])
        #expect(names([]).isEmpty)
    }

    @Test("GPUs, their type, CPUs and threads make classes; the larger one is first")
    func different() {
        let nodes = [
            node("g1", gpus: ["a100": 2]), node("c1"), node("c2"), node("g2", gpus: ["v100": 2]),
            node("t1", threads: 2),
            node("b1", cpus: 16),
        ]
        #expect(names(nodes) == [["c1", "c2"], ["g1"], ["g2"], ["t1"], ["b1"]])
        #expect(names([node("n1", gpus: ["": 0]), node("n2")]) == [["n1", "n2"]])
    }

    @Test("what firmware keeps of the memory makes no class; the least counts")
    func memory() {
        let classes = HardwareClass.find([
            node("n1", memory: 64_000), node("n2", memory: 63_900), node("n3", memory: 32_000),
        ])
        #expect(classes.map(\.nodes) == [["n1", "n2"], ["n3"]])
        #expect(classes.map(\.memory) == [63_900, 32_000])
    }

    @Test("nodes that do not answer, or have nothing, are left out")
    func unresponsive() {
        let nodes = [node("n1"), node("n2", responds: false), node("n3", cpus: 0), node("n4", memory: 0)]
        #expect(names(nodes) == [["n1"]])
        #expect(names(nodes, includesUnresponsive: true) == [["n1", "n2"]])
    }

    @Test func cores() {
        let one = HardwareClass.find([node("n1", cpus: 16, gpus: ["a100": 2], threads: 2)])[0]
        #expect(one.cores == 8)
        #expect(one.gpusPerNode == 2)
        #expect(one.name == "1x 16 CPUs (1x8x2), 63 GiB, 2 gpu:a100")
    }

    @Test("W19: no GPUs, fewer GPUs than nodes, odd counts: each has a grid and a size")
    func w19_noGPUs() throws {
        for count in [1, 2, 3, 5, 7, 64, 127] {
            for gpus in [[:], ["": 1], ["a100": 3]] {
                let nodes = (1...count).map { node("n\($0)", gpus: gpus) }
                let job = try #require(
                    PlannedJob.plan([.compute], on: HardwareClass.find(nodes), BenchmarkOptions()).jobs.first)
                #expect(job.tasks == count * (gpus.values.first ?? 8))
                let size = try #require(job.linpack)
                #expect(size.grid.rows * size.grid.columns == job.tasks && size.grid.rows >= size.grid.columns)
                #expect(size.order > 0 && size.order % size.blockSize == 0)
            }
        }
    }

    @Test("W20: one node, mixed hardware, GPUs on some nodes: what can be measured is, the rest is skipped")
    func w20_oneNode() {
        var options = BenchmarkOptions()
        options.blockSize = 64
        let single = PlannedJob.plan(BenchmarkPart.allCases, on: HardwareClass.find([node("n1")]), options)
        #expect(single.jobs.map(\.part) == [.machine, .compute, .storage, .internet])
        #expect(single.skipped.map(\.part) == [.network])
        #expect(single.jobs[1].tasks == 8)
        #expect(single.jobs[1].linpack?.grid == ProcessGrid(processes: 8))

        let mixed = PlannedJob.plan(
            BenchmarkPart.allCases,
            on: HardwareClass.find([node("c1"), node("c2"), node("c3"), node("g1", gpus: ["a100": 3])]), options)
        #expect(mixed.skipped.isEmpty)
        #expect(
            mixed.jobs.map { "\($0.part) \($0.nodes)x\($0.tasksPerNode) -\($0.excluded)" } == [
                "machine 1x1 -[\"g1\"]", "machine 1x1 -[\"c1\", \"c2\", \"c3\"]", "compute 3x8 -[\"g1\"]",
                "compute 1x3 -[\"c1\", \"c2\", \"c3\"]", "network 3x1 -[\"g1\"]", "storage 3x1 -[\"g1\"]",
                "storage 1x1 -[\"c1\", \"c2\", \"c3\"]", "internet 1x1 -[\"g1\"]",
            ])
        #expect(mixed.jobs[3].linpack?.grid == ProcessGrid(processes: 3))

        let none = PlannedJob.plan(BenchmarkPart.allCases, on: [], options)
        #expect(none.jobs.isEmpty)
        #expect(none.skipped.count == 5)
    }

    @Test("W21: block size and memory reach Linpack's input")
    func w21_options() {
        var options = BenchmarkOptions()
        (options.blockSize, options.memoryFraction, options.hplOnSingleNode) = (100, 0.25, true)
        let plan = PlannedJob.plan([.compute], on: HardwareClass.find([node("n1"), node("n2")]), options)
        #expect(plan.jobs[0].linpack?.blockSize == 100)
        #expect(plan.jobs[0].linpack?.order == 22_300)
        #expect(plan.jobs[0].linpack?.grid == ProcessGrid(processes: 8))
        let script = BenchmarkScript(plan.jobs[0], options, token: "t").text
        #expect(script.contains("\n22300            Ns\n"))
        #expect(script.contains("\n100            NBs\n"))
    }
}
