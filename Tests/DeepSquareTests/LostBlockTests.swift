// SPDX-License-Identifier: GPL-3.0-or-later

import Ethereum
import NIOConcurrencyHelpers
import Testing

@testable import DeepSquare

/// The chain loses the block of a report that was over, and its transaction is on its way again.
@Suite("A report whose block the chain has lost, at the gateway")
struct LostBlockTests {
    private static let paid: [ClaimStage.Act] =
        GridClaimTests.onChain + [.word(.running, start: 0), GridClaimTests.fiveMinutes, .sent, .paid("700"), .closed]

    /// A claim that is over, on the disk alone, and whose last report the transaction manager has under way.
    private func stage(_ acts: [ClaimStage.Act], attempt: Int) async throws -> (GatewayStage, intent: String) {
        let stage = try await GatewayStage()
        try await stage.store.save([ClaimStage(acts).claim])
        let intent = await stage.gateway.intentKey(stage.key, attempt)
        try await stage.manager.submit(
            TransactionIntent(key: intent, className: "status", recipient: contracts.metaScheduler, data: [1]))
        return (stage, intent)
    }

    /// A transaction that is taken back ends as one that the contract refused does.
    private func end(_ intent: String, _ stage: GatewayStage) async throws {
        #expect(try await stage.manager.withdraw(intent))
        try await settle(stage)
        try await stage.idle()
    }

    private func settle(_ stage: GatewayStage) async throws {
        for _ in 0..<5000 where await stage.claim?.openReports.isEmpty == false {
            try await Task.sleep(for: .milliseconds(1))
        }
    }

    @Test("the claim is open again; what the contract refuses now is reported again")
    func refused() async throws {
        let (stage, intent) = try await stage(Self.paid, attempt: 2)
        #expect(try await stage.store.payments(since: 0).count == 1)
        await stage.gateway.reopen(intent)
        #expect(await stage.claim?.isClosed == false)
        #expect(await stage.claim?.final?.state == .sent)
        #expect(try await stage.store.payments(since: 0).isEmpty)
        #expect(try await stage.store.openClaims().count == 1)
        stage.chain.state.withLockedValue { $0.status = .running }
        try await end(intent, stage)
        stage.after(600)
        try await stage.advance()
        let next = await stage.gateway.intentKey(stage.key, 3)
        #expect(await stage.reports == [next])
    }

    @Test("one that somebody else ended is over again")
    func endedByOthers() async throws {
        let (stage, intent) = try await stage(Self.paid, attempt: 2)
        await stage.gateway.reopen(intent)
        stage.chain.state.withLockedValue { $0.status = .cancelled }
        try await end(intent, stage)
        stage.after(600)
        try await stage.advance()
        #expect(await stage.claim == nil)
        #expect(try await stage.store.openClaims().isEmpty)
    }

    @Test("a claim of which a later one is there stays as it is, and so does one that knows no such report")
    func notItsOwn() async throws {
        let (stage, intent) = try await stage(Self.paid, attempt: 2)
        let other = await stage.gateway.intentKey(stage.key, 9)
        await stage.gateway.reopen(other)
        #expect(await stage.claim == nil)
        try await stage.store.save([ClaimStage(Self.paid).claim.numbered(2)])
        await stage.gateway.reopen(intent)
        #expect(await stage.gateway.claims.isEmpty)
        for words in ["", "deepsquare register 0x1", intent + " ", "deepsquare 0x00 1 1 1", "claim 1"] {
            await stage.gateway.reopen(words)
        }
        #expect(await stage.gateway.claims.isEmpty)
    }

    @Test("what happened while the gateway was away is learned at its start", arguments: [true, false])
    func start(_ isOver: Bool) async throws {
        let (stage, intent) = try await stage(Self.paid, attempt: 2)
        if isOver { #expect(try await stage.manager.withdraw(intent)) }
        try await stage.gateway.load()
        if isOver { try await settle(stage) }
        #expect(await stage.claim?.final?.state == (isOver ? .reverted : .sent))
        #expect(await stage.claim?.isClosed == false)
    }

    @Test("a report that the contract refused as the job was over is no news at a start")
    func wasRefused() async throws {
        let acts: [ClaimStage.Act] =
            GridClaimTests.onChain + [
                GridClaimTests.fiveMinutes, .sent, .chain(.cancelled), .reverted(.end), .closed,
            ]
        let (stage, intent) = try await stage(acts, attempt: 2)
        #expect(try await stage.manager.withdraw(intent))
        try await stage.gateway.load()
        #expect(await stage.gateway.claims.isEmpty)
    }
}
