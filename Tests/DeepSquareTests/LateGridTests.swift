// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import GRDB
import GRPCCore
import NIOConcurrencyHelpers
import Testing
import Waiting

@testable import DeepSquare
@testable import Ethereum
@testable import JobLifecycle

@Suite("A job of the grid, whoever is late")
struct LateGridTests {
    private static let script = "#!/bin/sh\ntrue\n"

    @Test("its files' disk, at each commit", arguments: LateGrid.File.allCases, LateDisk.Fault.all)
    func disk(_ file: LateGrid.File, _ fault: LateDisk.Fault) async throws {
        let service = LateService([.script(Self.script)])
        try await service.run { port in
            for story in [LateGrid.Story.toppedUp, .cancelledInTheQueue] {
                for commit in 0..<30 {
                    let grid = try await LateGrid(story, service, port: port, disk: (file, fault, commit))
                    try await grid.play()
                    try await grid.check("\(story.rawValue), \(file.rawValue) \(fault), commit \(commit)")
                    await grid.end()
                    if !grid.isMet { break }
                }
            }
        }
    }

    static let services: [(String, [LateService.Answer])] = [
        ("away once", [.refusal(.unavailable), .script(script)]),
        ("slow, then right", Array(repeating: .refusal(.deadlineExceeded), count: 4) + [.script(script)]),
        ("has not heard of the job yet", [.refusal(.permissionDenied), .script(script)]),
    ]

    @Test("the sbatch service", arguments: services.indices)
    func service(_ index: Int) async throws {
        let (name, answers) = Self.services[index]
        for story in LateGrid.Story.allCases {
            let service = LateService(answers)
            try await service.run { port in
                let grid = try await LateGrid(story, service, port: port)
                try await grid.play()
                try await grid.check("\(story.rawValue), \(name)")
                await grid.end()
            }
            #expect(service.asked == answers.count)
        }
    }

    @Test("slurmctld", arguments: ["account", "systemUsers", "whyImpossible", "cancel", "setTimeLimit", "longestTime"])
    func slurm(_ call: String) async throws {
        for lateness in ScriptedSlurm.Lateness.allCases {
            let service = LateService([.script(Self.script)])
            try await service.run { port in
                for story in LateGrid.Story.allCases {
                    let grid = try await LateGrid(story, service, port: port)
                    grid.stage.slurm.state.withLockedValue { $0.late = [call: lateness] }
                    try await grid.play()
                    try await grid.check("\(story.rawValue), \(call) \(lateness)")
                    await grid.end()
                }
            }
        }
    }

    /// What the chain says while the script is on its way.
    enum Meanwhile: CaseIterable {
        case takenBack, cancelled, runByOthers
    }

    @Test("what the chain says while a script is on its way counts", arguments: Meanwhile.allCases)
    func lateScript(_ what: Meanwhile) async throws {
        let service = LateService([.held(Self.script)])
        try await service.run { port in
            let stage = try await GatewayStage { $0.sbatch = ServiceEndpoint(host: "127.0.0.1", port: port) }
            stage.slurm.state.withLockedValue { $0.users = [customer.hex: 1000] }
            let client = await stage.gateway.sbatch
            let connection = Task { try? await client.run() }
            await stage.put([])
            await stage.gateway.edit { $0.advance(stage.key) }
            try await waitUntil { service.heldUp != 0 }
            await stage.gateway.edit { gateway in
                let place = GridClaim.Place(block: 200, index: 0)
                let status: ChainJobStatus =
                    switch what {
                    case .takenBack: .pending
                    case .cancelled: .cancelled
                    case .runByOthers: .running
                    }
                _ = gateway.claims[stage.key]?.take(
                    transitionTo: status, at: place, transaction: hash(200), now: ClaimStage.epoch)
            }
            service.letGo()
            try await stage.idle()
            let id = await stage.gateway.externalID(stage.key)
            #expect(try await stage.ledger.order("deepsquare", id, claim: 1) == nil)
            #expect(await stage.reports.isEmpty)
            client.end()
            connection.cancel()
            _ = await connection.value
        }
    }

    // MARK: logs that are taken in twice

    @Test("a page of logs whose save failed is taken in again: what was of the first claim is not the second's")
    func pageTwice() async throws {
        let stage = try await GatewayStage()
        await stage.gateway.edit { $0.isCaughtUp = false }
        let data = try #require(Hex.decode(Vectors.claimEventData))
        func claim(_ block: UInt64) -> ChainLog {
            LateGrid.log(ContractABI.claimJobEvent, data, at: contracts.metaScheduler, block: block)
        }
        var back = try LateGrid.log(
            ContractABI.jobTransitionEvent, [.hash(hash(1)), .uint64(2), .uint64(0)], block: 103)
        back.address = contracts.jobs
        let topUp = try LateGrid.log(
            ContractABI.claimTopUpEvent, [.hash(hash(1)), .address(provider), .uint64(30)], block: 101)
        let cancel = try LateGrid.log(
            ContractABI.claimCancellingEvent, [.address(customer), .address(provider), .hash(hash(1))], block: 102)
        let disk = LateDisk(.fails, commit: 0)
        try await stage.store.queue.writeWithoutTransaction {
            $0.add(transactionObserver: disk, extent: .databaseLifetime)
        }
        let store = await stage.manager.store
        let logs = contracts.filter.placed([claim(100), topUp, cancel, back, claim(104)])
        _ = try await store.takeLogs("1337", logs, cursor: nil)
        await stage.gateway.takeLogs()
        #expect(disk.isDone)
        await stage.gateway.takeLogs()
        let claims = try await stage.store.claims(ofJob: hash(1))
        #expect(claims.map(\.number) == [1, 2])
        #expect(claims.map(\.topUps) == [30, 0])
        #expect(claims.map(\.isCancelWanted) == [true, false])
    }
}
