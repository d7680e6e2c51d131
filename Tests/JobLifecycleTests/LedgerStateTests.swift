// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Persistence
import Testing

@testable import JobLifecycle

@Suite("A ledger that is new, or an old copy")
struct LedgerStateTests {
    private static let order = JobOrder(gateway: "grid", externalID: "0xa", request: [1, 2, 3])

    /// The ledger is opened once more as it is now, as by an agent that was started again.
    private static func reopened(_ bench: Bench) throws -> Ledger {
        bench.ledger.close()
        return try Ledger(path: bench.folder.ledger, cluster: "lab", interests: [], now: bench.clock.now)
    }

    private static func drive(_ ledger: Ledger, _ fake: FakeScheduler, _ clock: TestClock, for seconds: Double)
        async throws
    {
        let submitter = Submitter(ledger: ledger, scheduler: fake, logger: quiet)
        for _ in 0..<Int(seconds / 10) {
            while try await submitter.stepDue() {}
            clock.advance(10)
        }
    }

    @Test("what is told after a loss has higher numbers than all that was told before")
    func numbers() async throws {
        let bench = try Bench()
        #expect(bench.ledger.wasBound == false)
        #expect(try await bench.ledger.number(above: 500))
        #expect(try await bench.ledger.number(above: 400) == false)
        try await bench.see(seen(.running, key: JobKey(1), start: 500))
        #expect(try await bench.ledger.transitions(after: 0, limit: 9).map(\.sequence).min() == 501)
        let again = try Self.reopened(bench)
        #expect(again.wasBound)
        #expect(try await again.number(above: 501) == false)
    }

    @Test("the identity is kept")
    func identity() async throws {
        let bench = try Bench()
        #expect(try await bench.ledger.identity() == nil)
        let identity = StateIdentity(family: "f", generation: 3)
        try await bench.ledger.setIdentity(identity)
        #expect(try await Self.reopened(bench).identity() == identity)
    }

    enum Lost: String, CaseIterable {
        /// The copy is from before Slurm was asked: the job waits there, held; runs; has ended.
        case held, runs, ended
        /// slurmctld has forgotten it, slurmdbd has not.
        case forgotten
        /// It was never asked for.
        case never
    }

    @Test(
        "an old copy in which Slurm was not asked yet: the job that is there all the same is the order's",
        arguments: Lost.allCases)
    func accepted(_ lost: Lost) async throws {
        let bench = try Bench()
        let fake = FakeScheduler(clock: bench.clock)
        try await bench.ledger.accept(Self.order)
        let tag = try #require(try await bench.ledger.order("grid", "0xa", claim: 1)).tag
        if lost != .never { _ = try await fake.submitHeld([], tag: tag) }
        let now = Int64(bench.clock.now().timeIntervalSince1970)
        switch lost {
        case .held, .never: break
        case .runs:
            fake.state.submitted[0].state = .running
            fake.state.submitted[0].startedAt = now
        case .ended, .forgotten:
            fake.state.submitted[0].state = .completed
            fake.state.submitted[0].startedAt = now
            fake.state.submitted[0].endedAt = now + 5
        }
        if lost == .forgotten {
            fake.state.accounting = [fake.state.submitted[0].observation]
            fake.state.submitted[0].isGone = true
        }
        bench.clock.advance(1000)
        let again = try Self.reopened(bench)
        try await Self.drive(again, fake, bench.clock, for: 100)
        #expect(fake.state.submitted.count == 1)
        let found = try await again.order("grid", "0xa", claim: 1)
        #expect(found?.jobID == 101)
        #expect(found?.phase == .released)
    }

    @Test("slurmdbd is away: an old order is not asked for before it has said that it knows nothing of it")
    func waits() async throws {
        let bench = try Bench()
        let fake = FakeScheduler(clock: bench.clock)
        try await bench.ledger.accept(Self.order)
        fake.state.accountingReachable = false
        bench.clock.advance(1000)
        let again = try Self.reopened(bench)
        try await Self.drive(again, fake, bench.clock, for: 100)
        #expect(fake.state.submitted.isEmpty)
        fake.state.accountingReachable = true
        try await Self.drive(again, fake, bench.clock, for: 200)
        #expect(fake.state.submitted.count == 1)
    }

    @Test("an old copy in which the job was held yet, and Slurm has forgotten it: it is not submitted again")
    func submitted() async throws {
        let bench = try Bench()
        let fake = FakeScheduler(clock: bench.clock)
        let id = try await bench.ledger.accept(Self.order)
        try await bench.ledger.noteAttempt(id)
        try await bench.ledger.noteSubmitted(id, jobID: 101)
        bench.clock.advance(1000)
        let again = try Self.reopened(bench)
        try await Self.drive(again, fake, bench.clock, for: 600)
        #expect(fake.state.submitted.isEmpty)
        #expect(try await again.order("grid", "0xa", claim: 1)?.phase == .refused)
    }

    @Test("a job that was being submitted when the ledger was lost is let go once it is taken over")
    func adoptedHeld() async throws {
        let bench = try Bench([.init(gateway: "grid", scope: .ownJobs)])
        let fake = FakeScheduler(clock: bench.clock)
        let tag = "sga:4-0123456789abcdef"
        _ = try await fake.submitHeld([], tag: tag)
        try await bench.ledger.fold(Ledger.Intake(observations: [fake.state.submitted[0].observation]))
        #expect(try await bench.ledger.adopt("grid", "0xa", claim: 1, jobID: 101, heldWith: tag))
        #expect(try await bench.ledger.order("grid", "0xa", claim: 1)?.tag == tag)
        try await Self.drive(bench.ledger, fake, bench.clock, for: 50)
        #expect(fake.state.released == [101])
        #expect(try await bench.ledger.order("grid", "0xa", claim: 1)?.phase == .released)
        let told = try await bench.ledger.transitions(of: "grid", "0xa", claim: 1).map(\.kind)
        #expect(told == [.pending])
    }
}
