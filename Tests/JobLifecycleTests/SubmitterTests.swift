// SPDX-License-Identifier: GPL-3.0-or-later

import InMemoryLogging
import Logging
import Testing
import Waiting

@testable import JobLifecycle

@Suite("One job an order")
struct SubmitterTests {
    private static let order = JobOrder(gateway: "grid", externalID: "0xa", request: [1, 2, 3])

    private func drive(_ bench: Bench, _ fake: FakeScheduler, for seconds: Double = 400) async throws {
        let submitter = Submitter(ledger: bench.ledger, scheduler: fake, logger: quiet)
        var left = seconds
        while left > 0 {
            while try await submitter.stepDue() {}
            bench.clock.advance(10)
            left -= 10
        }
    }

    private func phase(_ bench: Bench) async throws -> OrderPhase? {
        try await bench.ledger.order("grid", "0xa", claim: 1)?.phase
    }

    @Test("held, its number committed, then let go; the same order again changes nothing")
    func plain() async throws {
        let bench = try Bench([.init(gateway: "grid", scope: .ownJobs)])
        let fake = FakeScheduler(clock: bench.clock)
        let first = try await bench.ledger.accept(Self.order)
        #expect(try await bench.ledger.accept(Self.order) == first)
        try await drive(bench, fake)
        #expect(try await bench.ledger.accept(Self.order) == first)
        try await drive(bench, fake)
        #expect(fake.state.submitted.count == 1 && fake.state.released == [101])
        #expect(try await phase(bench) == .released)
        #expect(
            fake.state.asked.firstIndex(of: "submit").map { $0 < (fake.state.asked.firstIndex(of: "release 101") ?? 0) }
                == true)
        let told = try await bench.ledger.dueDeliveries("grid", limit: 9).map(\.transition.kind)
        #expect(told == [.submitted, .pending])
        // Another claim of the same job is another order.
        var again = Self.order
        again.claim = 2
        #expect(try await bench.ledger.accept(again) != first)
    }

    @Test("lost answers", arguments: [FakeScheduler.Submission.answerLost, .requestLost])
    func lostAnswer(_ how: FakeScheduler.Submission) async throws {
        let bench = try Bench()
        let fake = FakeScheduler(clock: bench.clock)
        fake.state.submissions = [how, .works]
        try await bench.ledger.accept(Self.order)
        try await drive(bench, fake)
        #expect(fake.state.submitted.count == 1)
        #expect(fake.state.released == [101])
        #expect(fake.state.asked.contains("settle"))
    }

    @Test(
        "an agent that ends in the middle of a submission gives no warning of it, one that goes on does",
        arguments: [true, false])
    func endsMeanwhile(_ ends: Bool) async throws {
        let bench = try Bench()
        let fake = FakeScheduler(clock: bench.clock)
        let gate = FakeScheduler.Gate()
        fake.state.submission = .gateWithoutAnswer(gate)
        try await bench.ledger.accept(Self.order)
        let log = InMemoryLogHandler()
        let submitter = Submitter(
            ledger: bench.ledger, scheduler: fake, logger: Logger(label: "test") { _ in log })
        let step = Task { try await submitter.stepDue() }
        try await waitUntil { fake.state.underWay != 0 }
        if ends { step.cancel() }
        gate.open()
        _ = await step.result
        #expect(log.entries.contains { $0.level >= .warning } == !ends)
        let order = try #require(try await bench.ledger.order("grid", "0xa", claim: 1))
        #expect(order.phase == .attempted && order.doubt != nil, "whoever comes next looks for the job")
    }

    @Test("slurmctld is away, before and in the middle")
    func away() async throws {
        let bench = try Bench()
        let fake = FakeScheduler(clock: bench.clock)
        fake.state.reachable = false
        try await bench.ledger.accept(Self.order)
        try await drive(bench, fake, for: 100)
        #expect(fake.state.submitted.isEmpty)
        fake.state.reachable = true
        try await drive(bench, fake)
        #expect(fake.state.submitted.count == 1 && fake.state.released == [101])
    }

    @Test("a refusal is final and told with its reason")
    func refused() async throws {
        let bench = try Bench([.init(gateway: "grid", scope: .ownJobs)])
        let fake = FakeScheduler(clock: bench.clock)
        fake.state.submission = .refused
        try await bench.ledger.accept(Self.order)
        try await drive(bench, fake)
        let told = try await bench.ledger.dueDeliveries("grid", limit: 9).map(\.transition)
        #expect(
            told.map(\.kind) == [.refused] && told.first?.message == "no such partition" && told.first?.isFinal == true)
        #expect(fake.state.asked.filter { $0 == "submit" }.count == 1)
    }

    @Test("older than slurmctld remembers and not there: never submitted again")
    func tooOld() async throws {
        let bench = try Bench()
        let fake = FakeScheduler(clock: bench.clock)
        fake.state.submissions = [.requestLost, .works]
        try await bench.ledger.accept(Self.order)
        try await drive(bench, fake, for: 10)
        fake.state.reachable = false
        try await drive(bench, fake, for: 600)
        fake.state.reachable = true
        try await drive(bench, fake)
        #expect(fake.state.submitted.isEmpty)
        #expect(try await phase(bench) == .refused)
    }

    /// The agent dies between any two commits: each step is repeated by a new one on the same file.
    @Test("a crash between any two steps", arguments: 0...5)
    func crash(after steps: Int) async throws {
        let bench = try Bench()
        let fake = FakeScheduler(clock: bench.clock)
        let id = try await bench.ledger.accept(Self.order)
        let tag = try #require(try await bench.ledger.order("grid", "0xa", claim: 1)).tag
        if steps >= 1 { try await bench.ledger.noteAttempt(id) }
        if steps >= 2 { _ = try await fake.submitHeld([], tag: tag) }
        if steps >= 3 { try await bench.ledger.noteSubmitted(id, jobID: 101) }
        if steps >= 4 { try await fake.release(101, adminComment: nil) }
        if steps >= 5 { try await bench.ledger.noteReleased(id) }
        bench.ledger.close()
        let reopened = try Ledger(path: bench.folder.ledger, cluster: "lab", now: bench.clock.now)
        let submitter = Submitter(ledger: reopened, scheduler: fake, logger: quiet)
        for _ in 0..<30 {
            while try await submitter.stepDue() {}
            bench.clock.advance(5)
        }
        #expect(fake.state.submitted.count == 1)
        #expect(Set(fake.state.released) == [101])
        #expect(try await reopened.order("grid", "0xa", claim: 1)?.phase == .released)
    }

    @Test("a plugin's event tells of the job before the answer does")
    func eventFirst() async throws {
        let bench = try Bench()
        let id = try await bench.ledger.accept(Self.order)
        try await bench.ledger.noteAttempt(id)
        let tag = try #require(try await bench.ledger.order("grid", "0xa", claim: 1)).tag
        try await bench.see(seen(.cancelled, .plugin, key: JobKey(101), start: 500, end: 500, tag: tag))
        let order = try #require(try await bench.ledger.order("grid", "0xa", claim: 1))
        #expect(order.phase == .submitted && order.jobID == 101)
        #expect(try await bench.ledger.list(limit: 9).count == 1)
    }
}
