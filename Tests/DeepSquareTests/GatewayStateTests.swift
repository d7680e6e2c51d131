// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import JobLifecycle
import NIOConcurrencyHelpers
import Testing

@testable import DeepSquare
@testable import Ethereum

@Suite("A gateway whose state is not the one that it was")
struct GatewayStateTests {
    private static func put(_ stage: GatewayStage, _ acts: [ClaimStage.Act]) async throws {
        var claim = ClaimStage(acts).claim
        claim.revision = 1
        try await stage.store.save([claim])
        await stage.gateway.edit { [claim] in $0.claims[.init(claim)] = claim }
        try await stage.gateway.compareState()
    }

    private static func job(
        _ stage: GatewayStage, _ id: UInt32, _ state: SchedulerState.Base, tag: String? = JobAdoptionTests.tag
    ) async throws
        -> JobObservation
    {
        var seen = JobAdoptionTests.job(id, at: ClaimStage.epoch, state, tag: tag)
        seen.details.name = try #require(await stage.claim?.name)
        return seen
    }

    // MARK: the ledger

    @Test("the ledger lost a job that runs: it is found in Slurm, and its start is not reported again")
    func newLedger() async throws {
        let stage = try await GatewayStage()
        stage.slurm.state.withLockedValue { $0.users = [customer.hex: 1000] }
        stage.chain.state.withLockedValue { $0.status = .running }
        try await Self.put(stage, GridClaimTests.onChain)
        #expect(await stage.claim?.needsExamination == true)
        #expect(await stage.claim?.slurm.former == 7)
        let running = try await Self.job(stage, 7, .running)
        stage.slurm.state.withLockedValue { $0.jobs = [running] }
        try await stage.advance()
        #expect(await stage.claim?.needsExamination == false)
        #expect(await stage.claim?.slurm.jobID == 7)
        #expect(await stage.claim?.slurm.hasStarted == true)
        #expect(await stage.reports.isEmpty)
    }

    @Test("the ledger lost a job that ended meanwhile: the end and the time of its whole run are slurmdbd's")
    func newLedgerEnded() async throws {
        let stage = try await GatewayStage()
        stage.slurm.state.withLockedValue { $0.users = [customer.hex: 1000] }
        stage.chain.state.withLockedValue { $0.status = .running }
        // It was put back once, which the claim knows of already.
        try await Self.put(
            stage, GridClaimTests.runs + [.requeued(100), .pending, .running, .sent, .succeeded(.running)])
        var before = try await Self.job(stage, 7, .nodeFail)
        before.source = .accounting
        before.state.isRequeueing = true
        before.endTime = ClaimStage.epoch + 101
        before.elapsed = 100
        var ended = try await Self.job(stage, 7, .completed)
        ended.source = .accounting
        ended.submitTime += 200
        ended.startTime = ended.submitTime + 1
        ended.endTime = ended.submitTime + 201
        ended.elapsed = 200
        ended.exitStatus = 0
        let rows = [before, ended]
        stage.slurm.state.withLockedValue { $0.accounting = rows }
        try await stage.advance()
        #expect(await stage.claim?.slurm.ending?.state == .completed)
        #expect(await stage.claim?.slurm.seconds == 300)
    }

    @Test("the ledger lost a job that nobody has any more: two answers, and it is lost; it is never submitted again")
    func newLedgerGone() async throws {
        let stage = try await GatewayStage()
        stage.slurm.state.withLockedValue { $0.users = [customer.hex: 1000] }
        try await Self.put(stage, GridClaimTests.queued)
        try await stage.advance()
        #expect(await stage.claim?.needsExamination == true)
        stage.after(61)
        try await stage.advance()
        #expect(await stage.claim?.slurm.ending?.status == .panicked)
    }

    @Test("the ledger lost an order that was no job yet: it is decided again")
    func newLedgerOrdered() async throws {
        let stage = try await GatewayStage(examinedBlocks: 100)
        stage.slurm.state.withLockedValue { $0.users = [customer.hex: 1000] }
        await stage.gateway.edit { $0.isCaughtUp = false }
        try await Self.put(stage, [.accepted])
        try await stage.advance()
        #expect(await stage.claim?.verdict == .undecided)
        #expect(await stage.claim?.needsExamination == false)
    }

    @Test("a job that is over in Slurm needs nothing of the ledger any more")
    func overInSlurm() async throws {
        let stage = try await GatewayStage()
        try await Self.put(stage, GridClaimTests.onChain + [GridClaimTests.fiveMinutes])
        #expect(await stage.claim?.needsExamination == false)
        #expect(await stage.claim?.slurm.seconds == 300)
    }

    @Test("a planted job beside ours is told of, and left alone")
    func planted() async throws {
        let stage = try await GatewayStage()
        stage.slurm.state.withLockedValue { $0.users = [customer.hex: 1000] }
        stage.chain.state.withLockedValue { $0.status = .running }
        await stage.put([.unexamined])
        let jobs = [
            try await Self.job(stage, 7, .running), try await Self.job(stage, 8, .running, tag: nil),
        ]
        stage.slurm.state.withLockedValue { $0.jobs = jobs }
        try await stage.advance()
        #expect(await stage.claim?.slurm.jobID == 7)
        let shown = try #require(await stage.gateway.status.jobs.first)
        #expect(shown.steps.filter { $0.what.contains("Slurm job 8, which bears its name") }.count == 1)
        #expect(await stage.gateway.status.lastProblem?.what.contains("Slurm job 8") == true)
        #expect(stage.slurm.state.withLockedValue { $0.cancelled }.isEmpty)
    }

    // MARK: the chain's file, and the gateway's own

    @Test("what the file does not have and the chain's file had handled: looked for before it becomes a job")
    func oldFile() async throws {
        let stage = try await GatewayStage()
        let transaction = hash(77)
        try stage.made(transaction)
        await stage.gateway.edit { $0.isCaughtUp = false }
        await stage.feed.offer(try GatewayTests.claimEvent(transaction, block: 5000))
        let logs = try await stage.feed.next()
        try await stage.feed.handled(logs)
        await stage.gateway.takeLogs()
        #expect(await stage.claim == nil)
        try await stage.feed.store.setCursor("1337", BlockReference(number: 6000, hash: hash(6000)))
        #expect(try await stage.feed.store.align("1337", to: 4000) == .same)
        await stage.gateway.takeLogs()
        #expect(await stage.claim?.needsExamination == true)
        // Again it is no news.
        #expect(try await stage.feed.store.align("1337", to: 4000) == .same)
        await stage.gateway.takeLogs()
        #expect(await stage.gateway.claims.count == 1)
    }

    @Test("reports on their way in a chain's file that is lost: the contract says whether they arrived")
    func lostReports() async throws {
        let stage = try await GatewayStage()
        stage.slurm.state.withLockedValue { $0.users = [customer.hex: 1000] }
        stage.chain.state.withLockedValue { $0.status = .finished }
        try await stage.store.set(DeepSquareGateway.doubtName, DeepSquareGateway.chainDoubt)
        try await Self.put(stage, GridClaimTests.onChain + [GridClaimTests.fiveMinutes, .sent])
        #expect(await stage.claim?.final == nil)
        #expect(try await stage.store.value(DeepSquareGateway.doubtName) == nil)
        try await stage.advance()
        #expect(await stage.claim == nil)
        #expect(await stage.reports.isEmpty)
    }

    @Test("a report on its way is waited for before the contract is asked")
    func waitsForReport() {
        var stage = ClaimStage(GridClaimTests.onChain + [GridClaimTests.fiveMinutes, .sent])
        stage.claim.needsExamination = true
        #expect(stage.steps == [])
        stage.take(.succeeded(.end))
        #expect(stage.steps == ["examine"])
    }

    @Test("a top-up counts once by its name, whatever number it has in a chain's file")
    func topUps() {
        var claim = ClaimStage(GridClaimTests.queued).claim
        claim.take(topUp: 5, log: "a/0", transaction: hash(1), now: 1)
        claim.take(topUp: 5, log: "a/0", transaction: hash(1), now: 1)
        claim.take(topUp: 5, log: "b/0", transaction: hash(2), now: 1)
        #expect(claim.paidMinutes == 70)
    }
}
