// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import NIOConcurrencyHelpers
import Testing
import Waiting

@testable import DeepSquare
@testable import Ethereum
@testable import JobLifecycle

/// A call names a job, not a claim: what was decided for one that the chain took back must not reach the next one.
@Suite("A later claim of the same job")
struct LaterClaimTests {
    /// The chain takes the job back, and it is claimed again.
    private static func claimAgain(_ stage: GatewayStage, takenBackAt block: UInt64 = 203) async throws {
        let data = try #require(Hex.decode(Vectors.claimEventData))
        var back = try LateGrid.log(
            ContractABI.jobTransitionEvent, [.hash(hash(1)), .uint64(2), .uint64(0)], block: block)
        back.address = contracts.jobs
        let claim = LateGrid.log(ContractABI.claimJobEvent, data, at: contracts.metaScheduler, block: block + 1)
        try await deliver([back, claim], stage)
    }

    private static func deliver(_ logs: [ChainLog], _ stage: GatewayStage) async throws {
        let store = await stage.manager.store
        _ = try await store.takeLogs("1337", contracts.filter.placed(logs), cursor: nil)
        await stage.gateway.takeLogs()
        try await stage.idle()
    }

    /// Reports that were decided for the first claim.
    static let decided: [(name: String, acts: [ClaimStage.Act])] = [
        ("its return", [.refused("no such user"), .sent]),
        ("a failure", [.failed("no script"), .sent]),
        ("Running", GridClaimTests.runs + [.sent]),
        ("the end", GridClaimTests.onChain + [GridClaimTests.fiveMinutes, .sent]),
        ("both", GridClaimTests.runs + [GridClaimTests.fiveMinutes, .sent]),
    ]

    /// What the disk holds of a process that died after the gateway's commit of a report, and before the chain's.
    private static func died(_ acts: [ClaimStage.Act]) async throws -> GatewayStage {
        let before = try await GatewayStage()
        var claim = ClaimStage(acts).claim
        claim.revision = 1
        try await before.store.save([claim])
        let stage = try await GatewayStage(after: (before.folder, before.slurm))
        await stage.gateway.edit { $0.isCaughtUp = false }
        try await stage.gateway.load()
        await stage.gateway.edit { $0.provider.delta = 15 }
        return stage
    }

    @Test(
        "a report that a crash kept from the transaction manager is not about the next claim",
        arguments: decided.indices)
    func death(_ index: Int) async throws {
        let stage = try await Self.died(Self.decided[index].acts)
        for _ in 0..<20 { await Task.yield() }
        #expect(await stage.reports.isEmpty, "before all is read that the chain has said")
        try await Self.claimAgain(stage)
        await stage.gateway.edit {
            $0.isCaughtUp = true
            $0.advanceAll(Array($0.claims.keys))
        }
        try await stage.idle()
        #expect(await stage.reports.filter { $0.contains("\(stage.key)") } == [])
        #expect(try await stage.store.claims(ofJob: hash(1)).first?.isClosed == true)
        #expect(await stage.gateway.claims.keys.map(\.number) == [2])
    }

    @Test("without a next claim it is sent after such a crash, once")
    func deathAlone() async throws {
        let stage = try await Self.died([.refused("no such user"), .sent])
        await stage.gateway.edit { $0.isCaughtUp = true }
        try await stage.advance()
        try await stage.advance()
        #expect(await stage.reports.count == 1)
    }

    @Test("one that the transaction manager has is waited for after a start, and not sent again")
    func handedOver() async throws {
        let before = try await GatewayStage()
        await before.put([.refused("no such user")])
        try await before.advance()
        let reports = await before.reports
        #expect(reports.count == 1)
        let stage = try await GatewayStage(after: (before.folder, before.slurm))
        try await stage.gateway.load()
        try await stage.advance()
        #expect(await stage.claim?.final?.state == .sent)
        #expect(await stage.reports == reports)
    }

    @Test("a report that waits for a nonce is withdrawn when the chain takes the job back", arguments: decided.indices)
    func queued(_ index: Int) async throws {
        let stage = try await GatewayStage()
        let acts = Self.decided[index].acts.filter { $0 != .sent }
        await stage.put(acts)
        try await stage.advance()
        #expect(await !stage.reports.isEmpty)
        try await Self.claimAgain(stage)
        for _ in 0..<2000 where await stage.gateway.claims[stage.key]?.openReports.isEmpty == false {
            try await Task.sleep(for: .milliseconds(1))
        }
        #expect(await stage.reports == [])
    }

    // MARK: the contract's word

    @Test("the contract's word on a job counts once all is read up to its block", arguments: [false, true])
    func wordTooEarly(isRefresh: Bool) async throws {
        let stage = try await GatewayStage()
        // It says of the second claim, which has not been heard of, that it is ours and waits.
        let acts = isRefresh ? GridClaimTests.onChain : GridClaimTests.runs + [.sent, .reverted(.running)]
        await stage.put(acts)
        await stage.gateway.edit { $0.readTo = 202 }
        let asked = Task {
            if isRefresh { await stage.gateway.refreshClaims() } else { try await stage.advance() }
        }
        try await waitUntil { stage.chain.state.withLockedValue { $0.words } != 0 }
        for _ in 0..<50 { await Task.yield() }
        try await Self.deliverBesideReads(stage)
        await stage.gateway.edit { $0.readTo = 1000 }
        try await asked.value
        try await stage.idle()
        #expect(await stage.reports == [])
        #expect(try await stage.store.claims(ofJob: hash(1)).map(\.number) == [1, 2])
    }

    private static func deliverBesideReads(_ stage: GatewayStage) async throws {
        let data = try #require(Hex.decode(Vectors.claimEventData))
        var back = try LateGrid.log(
            ContractABI.jobTransitionEvent, [.hash(hash(1)), .uint64(2), .uint64(0)], block: 203)
        back.address = contracts.jobs
        let claim = LateGrid.log(ContractABI.claimJobEvent, data, at: contracts.metaScheduler, block: 204)
        let store = await stage.manager.store
        _ = try await store.takeLogs("1337", contracts.filter.placed([back, claim]), cursor: nil)
        await stage.gateway.takeLogs()
    }

    @Test("events of a claim that is closed, taken in late, are not of its successor")
    func lateEvents() async throws {
        let stage = try await GatewayStage()
        await stage.gateway.edit { $0.isCaughtUp = false }
        await stage.put([.chain(.pending)])
        try await stage.advance()
        try await Self.claimAgain(stage)
        let topUp = try LateGrid.log(
            ContractABI.claimTopUpEvent, [.hash(hash(1)), .address(provider), .uint64(30)], block: 150)
        let cancel = try LateGrid.log(
            ContractABI.claimCancellingEvent, [.address(customer), .address(provider), .hash(hash(1))], block: 151)
        try await Self.deliver([topUp, cancel], stage)
        let second = await stage.gateway.claims[.init(job: hash(1), number: 2)]
        #expect(second?.topUps == 0)
        #expect(second?.isCancelWanted == false)
    }
}
