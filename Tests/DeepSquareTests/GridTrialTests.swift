// SPDX-License-Identifier: GPL-3.0-or-later

import Ethereum
import Foundation
import NIOConcurrencyHelpers
import Testing

@testable import DeepSquare

@Suite("Trying a customer's job, and where it goes")
struct GridTrialTests {
    private static let size = JobDefinition(
        gpus: 0, memoryPerCPU: 500, cpusPerTask: 2, tasks: 3, batchLocationHash: "")

    private func stage(_ change: @Sendable (inout GridSettings) -> Void = { _ in }) async throws -> GatewayStage {
        let stage = try await GatewayStage(change)
        stage.slurm.state.withLockedValue { $0.users = [customer.hex: 1000, "alice": 1001, "slurm": 64_030] }
        return stage
    }

    @Test("what would run is asked of Slurm as it would be submitted, and nothing is written")
    func runs() async throws {
        let stage = try await stage {
            $0.users = [customer: "nobody"]
            $0.customers = [customer: GridCustomer(login: "alice", partition: "gpu", qos: "low")]
            $0.account = "grid"
        }
        stage.slurm.state.withLockedValue { $0.rehearsal = .runs(start: 1234, nodes: "n1") }
        let trial = await stage.gateway.tryJob(of: customer, Self.size, minutes: 30)
        #expect(trial.wouldRun && trial.reasons.isEmpty && trial.untried.isEmpty)
        #expect(trial.placement == GridPlacement(login: "alice", partition: "gpu", account: "grid", qos: "low"))
        #expect(trial.userID == 1001 && trial.start == 1234 && trial.nodes == "n1" && trial.cpus == 6)
        let asked = try #require(stage.slurm.state.withLockedValue { $0.requested.last })
        #expect(asked.userID == 1001 && asked.partition == "gpu" && asked.account == "grid" && asked.qos == "low")
        #expect(asked.tasks == 3 && asked.cpusPerTask == 2 && asked.memoryPerCPU == 500 && asked.timeLimit == 30)
        #expect(asked.comment == "grid job 0x0 for alice")
        #expect(await stage.gateway.claims.isEmpty)
        #expect(try await stage.store.recentClaims(limit: 5).isEmpty)
    }

    struct Row: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var change: @Sendable (inout GridSettings) -> Void = { _ in }
        var slurm: @Sendable (inout ScriptedSlurm.State) -> Void = { _ in }
        var gateway: @Sendable (isolated DeepSquareGateway) -> Void = { _ in }
        var minutes: UInt64 = 30
        var reasons: [String] = []
        var untried = 0
    }

    static let rows = [
        Row(
            testDescription: "no user", slurm: { $0.users = [:] },
            reasons: [
                "the customer has no Unix user \(customer.hex) on this cluster: \(DeepSquareGateway.mapUser)"
            ]),
        Row(
            testDescription: "SlurmUser", change: { $0.users = [customer: "slurm"] },
            reasons: ["the Unix user slurm may not run jobs of the grid"]),
        Row(
            testDescription: "denied, and too long",
            change: {
                $0.deniedCustomers = [customer]
                $0.maximumMinutes = 5
            }, reasons: ["this provider takes no jobs of \(customer.hex)"]),
        Row(
            testDescription: "too many CPUs", change: { $0.maximumCPUs = 5 },
            reasons: ["this provider takes jobs of up to 5 CPUs, the job asks for 6"]),
        Row(
            testDescription: "no minute", minutes: 0,
            reasons: ["the credits do not buy one minute here: ask for more credits"]),
        Row(
            testDescription: "Slurm refuses", slurm: { $0.rehearsal = .refused("Invalid qos specification") },
            reasons: ["Invalid qos specification"]),
        Row(testDescription: "slurmctld is away", slurm: { $0.late = ["rehearse": .slowThenRight] }, untried: 1),
        Row(testDescription: "the name service is away", slurm: { $0.late = ["account": .slowThenRight] }, untried: 1),
        Row(
            testDescription: "drained", gateway: { $0.isDrained = true },
            reasons: ["nothing is claimed: drained; `slurm-grid-agent provider resume` goes on"]),
        Row(
            testDescription: "not approved",
            gateway: {
                $0.provider.isApproved = false
                $0.isCaughtUp = false
            },
            reasons: [
                "nothing is claimed: what the chain has said is still being read",
                "nothing is claimed: the provider is ",
            ]),
        Row(
            testDescription: "no job at all", change: { $0.maximumJobs = 0 },
            reasons: ["nothing is claimed: this provider runs up to 0 jobs at once (policy.max-jobs)"]),
    ]

    @Test("what stands against it", arguments: rows)
    func reasons(_ row: Row) async throws {
        let stage = try await stage(row.change)
        stage.slurm.state.withLockedValue { row.slurm(&$0) }
        await stage.gateway.edit { row.gateway($0) }
        let trial = await stage.gateway.tryJob(of: customer, Self.size, minutes: row.minutes)
        #expect(!trial.wouldRun)
        #expect(trial.reasons.count == row.reasons.count && trial.untried.count == row.untried, "\(trial)")
        for (found, wanted) in zip(trial.reasons, row.reasons) { #expect(found.hasPrefix(wanted)) }
    }

    @Test("a customer with all the jobs that it may have has no room")
    func crowded() async throws {
        let stage = try await stage { $0.maximumJobsPerCustomer = 1 }
        await stage.put([.accepted, .submitted])
        let trial = await stage.gateway.tryJob(of: customer, Self.size, minutes: 5)
        #expect(trial.reasons == ["this provider runs up to 1 jobs of a customer at once"])
    }

    // MARK: settings that change

    @Test("a user who is named on reload is asked for at once; the rest stays as it was")
    func reloaded() async throws {
        let stage = try await stage()
        stage.slurm.state.withLockedValue { $0.users = ["alice": 1001] }
        await stage.put([])
        try await stage.advance()
        let why = await stage.gateway.runners[stage.key]?.trouble(of: .decide)
        let isWaiting = why?.hasPrefix("there is no Unix user \(customer.hex): map ") == true
        #expect(isWaiting)
        var new = GridSettings()
        new.users = [customer: "alice"]
        new.maximumJobs = 7
        new.partition = "other"
        let changed = new
        await stage.gateway.change(changed)
        let settings = await stage.gateway.settings
        #expect(settings.maximumJobs == 7 && settings.partition == "main" && settings.sbatch.port == 1)
        let next = await stage.gateway.runners[stage.key]?.lookAt
        let time = stage.clock.withLockedValue { $0 }
        #expect(next == time)
        #expect(await stage.gateway.runners[stage.key]?.mayBegin(.decide, at: time) == .now)
        let trial = await stage.gateway.tryJob(of: customer, Self.size, minutes: 5)
        #expect(trial.wouldRun && trial.userID == 1001)
    }

    @Test("a customer who is given another user while the script is fetched has the job as that one")
    func changedMeanwhile() async throws {
        let service = LateService([.held("#!/bin/bash\ntrue\n")])
        try await service.run { port in
            let stage = try await self.stage {
                $0.sbatch = ServiceEndpoint(host: "127.0.0.1", port: port)
                $0.users = [customer: "alice"]
            }
            stage.slurm.state.withLockedValue { $0.users["bob"] = 1002 }
            let gateway = stage.gateway
            let connection = Task { try? await gateway.sbatch.run() }
            await stage.put([])
            await gateway.edit { $0.advance(stage.key) }
            for _ in 0..<20_000 where service.heldUp == 0 { try await Task.sleep(for: .milliseconds(1)) }
            var new = GridSettings()
            new.customers = [customer: GridCustomer(login: "bob", qos: "low")]
            let changed = new
            await gateway.change(changed)
            for _ in 0..<20_000 {
                service.letGo()
                if await stage.claim?.verdict == .accepted { break }
                try await Task.sleep(for: .milliseconds(1))
            }
            let requested = stage.slurm.state.withLockedValue { $0.requested }
            #expect(requested.map(\.userID) == [1002] && requested.first?.qos == "low")
            #expect(requested.first?.comment == "grid job 0x1 for bob")
            await gateway.sbatch.end()
            connection.cancel()
            await connection.value
        }
    }

    @Test("short names are as `grid jobs` shows them")
    func names() {
        #expect(hash(0).short == "0x0" && hash(0x2ce).short == "0x2ce")
        #expect(Keccak256.hash([1]).short == "\(Keccak256.hash([1]))")
    }
}
