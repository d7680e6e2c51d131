// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import NIOConcurrencyHelpers
import Testing

@testable import DeepSquare
@testable import Ethereum
@testable import JobLifecycle

@Suite("What the gateway tells the chain, and how often")
struct GatewayReportTests {
    @Test("a Running whose save failed is not followed by its end")
    func failedSave() async throws {
        let stage = try await GatewayStage()
        try stage.sql(
            """
            CREATE TRIGGER fault BEFORE INSERT ON claims WHEN NEW.body LIKE '%"running":{%'
            BEGIN SELECT RAISE(ABORT, 'fault'); END
            """)
        await stage.put(GridClaimTests.runs + [GridClaimTests.fiveMinutes])
        try await stage.advance()
        #expect(await stage.gateway.lastProblem != nil)
        // Once: the next try has its time.
        #expect(await stage.claim?.attempts == 1)
        #expect(await stage.claim?.final == nil)
        #expect(await stage.reports.isEmpty)
        try stage.sql("DROP TRIGGER fault")
        stage.after(1)
        try await stage.advance()
        #expect(await stage.claim?.running?.state == .sent)
        #expect(await stage.claim?.final?.state == .sent)
        #expect(await stage.reports.count == 2)
    }

    @Test("a report that the contract did not take is tried by a call before it is sent again")
    func rehearsal() async throws {
        let stage = try await GatewayStage()
        stage.chain.state.withLockedValue { $0.reverts = true }
        let reverted: [ClaimStage.Act] = [
            GridClaimTests.fiveMinutes, .sent, .reverted(.end), .word(.running, start: 0),
        ]
        await stage.put(GridClaimTests.onChain + reverted)
        for _ in 0..<20 {
            try await stage.advance()
            stage.after(60)
        }
        #expect(await stage.reports.isEmpty)
        let calls = stage.chain.state.withLockedValue { $0.calls }
        // Later each time, at most every five minutes.
        #expect((2..<12).contains(calls))
        #expect(await stage.gateway.status.jobs.first?.trouble == "the contract would not take Finished: NoProvider()")
        stage.chain.state.withLockedValue { $0.reverts = false }
        stage.after(300)
        try await stage.advance()
        #expect(await stage.reports.count == 1)
    }

    @Test("the first try costs no call")
    func firstTry() async throws {
        let stage = try await GatewayStage()
        await stage.put(GridClaimTests.onChain + [GridClaimTests.fiveMinutes])
        try await stage.advance()
        #expect(await stage.reports.count == 1)
        #expect(stage.chain.state.withLockedValue { $0.calls } == 0)
    }

    @Test("nothing is claimed while the ledger's disk cannot be written: what cannot be remembered is not begun")
    func disk() async throws {
        let stage = try await GatewayStage()
        for kind in ClaimKind.allCases { #expect(await stage.gateway.mostClaims(kind) > 0, "\(kind)") }
        stage.ledger.noteStorage("the disk is full")
        for kind in ClaimKind.allCases { #expect(await stage.gateway.mostClaims(kind) == 0, "\(kind)") }
        try await stage.ledger.tryStorage()
        #expect(await stage.gateway.mostClaims(.job) > 0)
    }

    // MARK: registration

    @Test("the first registration waits for slurmctld")
    func registration() async throws {
        let stage = try await GatewayStage()
        stage.slurm.state.withLockedValue { $0.isUp = false }
        #expect(await stage.gateway.registerAtStart() == false)
        #expect(await stage.manager.openKeys(prefix: "deepsquare register").isEmpty)
        stage.slurm.state.withLockedValue { $0.isUp = true }
        #expect(await stage.gateway.registerAtStart())
        #expect(await stage.manager.openKeys(prefix: "deepsquare register").count == 1)
        // Once.
        #expect(await stage.gateway.registerAtStart())
        #expect(await stage.manager.openKeys(prefix: "deepsquare register").count == 1)
    }

    @Test("asked for while one is on its way, by whomever and however often: there is one, and that is said")
    func registeredTwice() async throws {
        let stage = try await GatewayStage()
        #expect(await stage.gateway.registerAtStart())
        let key = try #require(await stage.manager.openKeys(prefix: "deepsquare register").first)
        #expect(try await stage.gateway.register() == .underWay(transaction: key))

        let other = try await GatewayStage()
        let answers = try await withThrowingTaskGroup(of: DeepSquareGateway.RegisterAnswer.self) { group in
            for _ in 0..<8 { group.addTask { try await other.gateway.register() } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        let only = try #require(await other.manager.openKeys(prefix: "deepsquare register").first)
        #expect(await other.manager.openKeys(prefix: "deepsquare register") == [only])
        #expect(answers.count { $0 == .sent(transaction: only) } == 1)
        #expect(answers.count { $0 == .underWay(transaction: only) } == 7)
    }

    @Test("who has to do something next is told apart until the provider is approved")
    func standing() async throws {
        let stage = try await GatewayStage()
        await stage.gateway.edit {
            $0.provider.isApproved = false
            $0.provider.wasRead = true
        }
        #expect(await stage.gateway.status.standing == .coming)
        #expect(await stage.gateway.status.state == "not registered yet: the agent registers by itself")
        #expect(await stage.gateway.status.obstacles?.count == 1)
        #expect(await stage.gateway.registerAtStart())
        #expect(await stage.gateway.status.standing == .sent)
        await stage.gateway.edit { $0.provider.isWaiting = true }
        #expect(await stage.gateway.status.standing == .waiting)
        await stage.gateway.edit {
            $0.provider.isWaiting = false
            $0.isRegistrationSent = false
            $0.hasTriedToRegister = true
        }
        #expect(await stage.gateway.status.standing == .unregistered)
        await stage.gateway.edit { $0.provider.isApproved = true }
        #expect(await stage.gateway.status.standing == .approved)
        #expect(await stage.gateway.status.obstacles == [])
    }
}
