// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Slurm
import Testing

/// What partitions offer and what jobs hold, on nodes of two kinds (see Tests/run-integration.sh):
/// n1 and n2 with one socket of four cores and two teslas, n3 with two sockets of two cores of two threads and four
/// k80, n30 without GPUs. Partitions: main has all, three has n3 alone.
@Suite("Placement", .serialized, .enabled(if: Lab.runs("Plain")))
struct PlacementTests {
    @Test("inventory: exact names, totals, types; only nodes that answer")
    func inventory() async throws {
        let controller = try await Lab.connect()
        let main = try await controller.inventory()
        #expect(main.partition == "main")
        #expect(main.nodes.map(\.name) == ["n1", "n2", "n3", "n30"])
        #expect(main.total.cpus == 4 + 4 + 8 + 2)
        #expect(main.total.memory == 4000 + 4000 + 8000 + 1000)
        #expect(main.total.gpusByType == ["tesla": 4, "k80": 4])
        #expect(main.isHeterogeneous)
        #expect(main.responding == main.total)
        // By name: n30 is not n3.
        let three = try await controller.inventory(partition: "three")
        #expect(three.nodes.map(\.name) == ["n3"])
        #expect(three.total.gpus == 4)
        #expect(!three.isHeterogeneous)
        let (error, _) = try await failing(with: .partition) { _ = try await controller.inventory(partition: "thr") }
        #expect(error.message.contains("main"))
        try await Lab.run(as: "root", "scontrol update nodename=n30 state=down reason=test")
        let down = try await controller.inventory()
        #expect(down.total.nodes == 4)
        #expect(down.responding.nodes == 3)
        #expect(down.responding.cpus == main.total.cpus - 2)
        try await Lab.run(as: "root", "scontrol update nodename=n30 state=resume")
    }

    @Test("placement on one node: cores, CPUs, memory and GPU indices, each with its source")
    func oneNode() async throws {
        let controller = try await Lab.connect()
        var request = try Lab.request("sleep 60")
        request.partition = "three"
        request.tasks = 1
        request.cpusPerTask = 4
        request.memory = .perNode(300)
        request.gpusPerNode = .init(2, type: "k80")
        let id = try await controller.submit(request).jobID
        try await controller.running(id)
        let placement = try #require(try await controller.jobWithPlacement(id).placement)
        let share = try #require(placement.nodes.first)
        #expect(placement.nodes.count == 1)
        #expect(share.node == "n3")
        // Two cores of two threads: four CPUs, abstract core numbers below four.
        #expect(share.cpus == 4 && share.cpusSource == .libslurm)
        #expect(share.cores?.count == 2 && share.coresSource == .libslurm)
        #expect(share.cores?.allSatisfy { $0 < 4 } == true)
        #expect(share.memory == 300 && share.memorySource == .allocatedTRES)
        #expect(share.gres == [GRES(name: "gpu", type: "k80", count: 2, indices: [0, 1])])
        // A second job gets the other half.
        let other = try await controller.submit(request).jobID
        try await controller.running(other)
        let second = try #require(try await controller.jobWithPlacement(other).placement?.nodes.first)
        #expect(Set(second.cores ?? []).isDisjoint(with: Set(share.cores ?? [])))
        #expect(second.gres?.first?.indices == [2, 3])
        // scontrol's own view of the same.
        let detail = try await Lab.run(as: "root", "scontrol show job -d \(id) | grep CPU_IDs").output
        #expect(detail.contains("GRES=gpu:k80:2(IDX:0-1)"))
        #expect(detail.contains("Mem=300"))
        for job in [id, other] { try await controller.cancel(JobID(job)) }
        _ = try await controller.ended(id)
        // GRES indices vanish with the end; unknown is nil, not empty.
        let after = try await controller.jobWithPlacement(id)
        #expect(after.job.gresPerNode.isEmpty)
        #expect(after.placement?.nodes.first?.gres == nil)
    }

    @Test("placement over nodes of different kinds: shares add up, in the order of the job's nodes")
    func severalNodes() async throws {
        let controller = try await Lab.connect()
        var request = try Lab.request("sleep 60")
        request.nodeList = "n[1-3]"
        request.minimumNodes = 3
        request.tasks = 5
        request.memory = .perCPU(20)
        let id = try await controller.submit(request).jobID
        let job = try await controller.running(id)
        let placement = try #require(try await controller.jobWithPlacement(id).placement)
        #expect(placement.nodes.map(\.node) == ["n1", "n2", "n3"])
        let cpus = placement.nodes.compactMap { $0.cpus.map(UInt64.init) }
        #expect(cpus.count == 3)
        #expect(cpus.reduce(0, +) == job.allocatedTRES?.cpus)
        let memory = placement.nodes.compactMap(\.memory)
        #expect(memory == cpus.map { $0 * 20 })
        #expect(placement.nodes.allSatisfy { $0.memorySource == .requestCheckedAgainstTotal })
        #expect(placement.nodes.allSatisfy { $0.gres == [] })
        try await controller.cancel(JobID(id))
    }

    @Test("pending jobs hold nothing")
    func pending() async throws {
        let controller = try await Lab.connect()
        var request = try Lab.request()
        request.hold = true
        let id = try await controller.submit(request).jobID
        #expect(try await controller.jobWithPlacement(id).placement == nil)
        try await controller.cancel(JobID(id))
    }

    @Test("GPUs per job, per task and by type")
    func gpus() async throws {
        let controller = try await Lab.connect()
        var perJob = try Lab.request("sleep 60")
        perJob.gpusPerJob = .init(3)
        perJob.partition = "three"
        var perTask = try Lab.request("sleep 60")
        perTask.gpusPerTask = .init(1, type: "tesla")
        perTask.tasks = 2
        perTask.minimumNodes = 1
        perTask.maximumNodes = 1
        for (request, count, type) in [(perJob, UInt64(3), "k80"), (perTask, 2, "tesla")] {
            let id = try await controller.submit(request).jobID
            try await controller.running(id)
            let gres = try #require(try await controller.jobWithPlacement(id).placement?.nodes.first?.gres)
            #expect(gres.first?.count == count)
            #expect(gres.first?.type == type)
            #expect(gres.first?.indices?.count == Int(count))
            try await controller.cancel(JobID(id))
            _ = try await controller.ended(id)
        }
    }

    @Test("partitions and nodes carry Slurm's own figures")
    func raw() async throws {
        let controller = try await Lab.connect()
        let partitions = try await controller.partitions()
        let main = try #require(partitions.first { $0.name == "main" })
        #expect(main.isDefault && main.state == .up)
        #expect(main.totalCPUs == 18)
        let node = try #require(try await controller.nodes().first { $0.name == "n3" })
        #expect(node.sockets == 2 && node.coresPerSocket == 2 && node.threadsPerCore == 2)
        #expect(node.gpus == ["k80": 4])
        #expect(node.state.isResponding)
    }
}
