// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials
import Logging
import NIOConcurrencyHelpers
import Testing

@testable import JobLifecycle

/// An order, a Slurm that may be late, and a poll beside the submitter.
struct SubmissionStage {
    let bench: Bench
    let fake: FakeScheduler
    let submitter: Submitter

    init(_ submissions: FakeScheduler.Submission...) throws {
        bench = try Bench([.init(gateway: "all", scope: .everything), .init(gateway: "grid", scope: .ownJobs)])
        fake = FakeScheduler(clock: bench.clock)
        if !submissions.isEmpty { fake.state.submissions = submissions }
        submitter = Submitter(ledger: bench.ledger, scheduler: fake, logger: quiet)
    }

    @discardableResult
    func accept(_ name: String = "0xa") async throws -> Int64 {
        try await bench.ledger.accept(JobOrder(gateway: "grid", externalID: name, request: [1]))
    }

    func order(_ name: String = "0xa") async throws -> OrderRecord {
        try #require(try await bench.ledger.order("grid", name, claim: 1))
    }

    func steps() async throws {
        while try await submitter.stepDue() {}
    }

    func poll() async throws {
        try await bench.ledger.fold(Ledger.Intake(observations: fake.jobs.map(\.observation)))
    }

    /// Lets so many seconds pass, with a poll every ten.
    func pass(_ seconds: Int, polls: Bool = true) async throws {
        for _ in 0..<max(1, seconds / 10) {
            try await steps()
            bench.clock.advance(10)
            if polls { try await poll() }
        }
        try await steps()
    }

    func alive(_ tag: String) -> [UInt32] { fake.jobs.filter { $0.tag == tag && $0.endedAt == nil }.map(\.id) }

    func checkSettled(_ name: String = "0xa") async throws {
        let order = try await order(name)
        #expect(order.phase == .released)
        #expect(alive(order.tag) == [order.jobID].compactMap { $0 })
        #expect(fake.state.released.filter { $0 == order.jobID }.count == 1)
        #expect(try await bench.ledger.dueSurplus(limit: 9).isEmpty)
        #expect(try await bench.ledger.verify() == [])
    }

    func kinds(_ ledgerJob: Int64) async throws -> [String] {
        try await bench.ledger.transitions(ofLedgerJob: ledgerJob).map { "\($0.jobID ?? 0) \($0.kind.rawValue)" }
    }
}

@Suite("Submissions that take effect late")
struct LateSubmissionTests {
    enum Rewrite: CaseIterable {
        case none, removed, appended

        var body: @Sendable (String) -> String? {
            switch self {
            case .none: { $0 }
            case .removed: { _ in nil }
            case .appended: { "\($0) seen by the site" }
            }
        }
    }

    private static let cases: [(FakeScheduler.Submission, Int)] = [
        (.works, 1), (.answerLost, 1), (.requestLost, 1), (.notSent, 1), (.lateEffect(2), 1), (.lateEffect(12), 1),
        (.lateEffect(25), 1), (.lateEffect(75), 1), (.lateEffect(115), 1), (.lateAnswer(9), 1), (.lateAnswer(90), 1),
        // Longer than anybody waits: twice in Slurm, but once let go.
        (.lateEffect(200), 2), (.lateEffect(600), 2),
    ]

    @Test("one job each is let go, whenever the first one comes", arguments: cases, Rewrite.allCases)
    func table(_ what: (first: FakeScheduler.Submission, jobs: Int), _ rewrite: Rewrite) async throws {
        for polls in [true, false] {
            let stage = try SubmissionStage(what.first, .works)
            stage.fake.change { $0.rewrites = rewrite.body }
            try await stage.accept()
            try await stage.pass(900, polls: polls)
            #expect(stage.fake.state.submitted.count == what.jobs)
            // One that turns up after all is over needs somebody who looks.
            if what.jobs == 1 || polls { try await stage.checkSettled() }
        }
    }

    @Test("eight at once, each some seconds later than the one before", arguments: [2.0, 12, 25])
    func eight(_ apart: Double) async throws {
        let stage = try SubmissionStage()
        stage.fake.state.submissions = (1...8).map { .lateEffect(Double($0) * apart) } + [.works]
        for number in 1...8 { try await stage.accept("0x\(number)") }
        try await stage.pass(900)
        #expect(stage.fake.state.submitted.count == 8)
        for number in 1...8 { try await stage.checkSettled("0x\(number)") }
    }

    @Test("what a submission took once is waited for several times over, also after a restart")
    func learned() async throws {
        let stage = try SubmissionStage(.lateEffect(100), .requestLost, .works)
        try await stage.accept("0x1")
        try await stage.pass(150)
        try await stage.checkSettled("0x1")
        #expect(try await stage.bench.ledger.longestSubmission() >= 100_000_000)
        try await stage.accept("0x2")
        try await stage.pass(390)
        #expect(stage.fake.state.asked.filter { $0 == "submit" }.count == 2)
        try await stage.pass(60)
        try await stage.checkSettled("0x2")
    }

    @Test("a job_submit plugin gives a priority: what has started is kept", arguments: [2.0, 25, 115])
    func startsAtOnce(_ late: Double) async throws {
        let stage = try SubmissionStage(.lateEffect(late), .works)
        stage.fake.state.startsAtOnce = true
        try await stage.accept()
        try await stage.pass(300)
        #expect(stage.fake.state.submitted.count == 1)
        try await stage.checkSettled()
        #expect(stage.fake.state.cancelled.isEmpty)
    }

    @Test("of two of which one runs the one that waits is ended")
    func oneRuns() async throws {
        let stage = try SubmissionStage(.lateEffect(200), .lateEffect(70), .works)
        try await stage.accept()
        try await stage.pass(130, polls: false)
        #expect(stage.fake.state.submitted.count == 2)
        // Both turn up between two looks; the later one has started.
        stage.bench.clock.advance(75)
        stage.fake.start(102)
        try await stage.pass(30)
        #expect(try await stage.order().jobID == 102)
        #expect(stage.fake.state.cancelled == [101])
        try await stage.checkSettled()
    }

    @Test("a slurmctld that was started again has lost it: asked again without the long wait")
    func restarted() async throws {
        let stage = try SubmissionStage(.requestLost, .works)
        stage.fake.state.startedAt = 0
        try await stage.accept()
        try await stage.pass(10)
        stage.fake.state.startedAt = Int64(stage.bench.clock.now().timeIntervalSince1970)
        try await stage.pass(50)
        try await stage.checkSettled()
    }

    @Test("a call that still hangs may yet take effect")
    func unsettled() async throws {
        let stage = try SubmissionStage(.requestLost, .works)
        stage.fake.state.unsettled = true
        try await stage.accept()
        try await stage.pass(600)
        #expect(stage.fake.state.asked.filter { $0 == "submit" }.count == 1)
        stage.fake.state.unsettled = false
        try await stage.pass(200)
        try await stage.checkSettled()
    }

    // MARK: the customer and the administrator

    @Test("withdrawn in the doubt: ended before it is let go, never asked for again", arguments: [5.0, 25, 90])
    func withdrawn(_ late: Double) async throws {
        let stage = try SubmissionStage(.lateEffect(late), .works)
        let job = try await stage.accept()
        try await stage.steps()
        #expect(try await !stage.bench.ledger.withdraw("grid", "0xa", claim: 1, why: "the customer cancelled the job"))
        try await stage.pass(300)
        #expect(stage.fake.state.submitted.count == 1 && stage.fake.state.released.isEmpty)
        #expect(stage.fake.state.cancelled == [101])
        #expect(try await stage.bench.story().last == "101 ended CANCELLED final")
        #expect(try await stage.kinds(job).last == "101 ended")
        #expect(try await stage.bench.ledger.verify() == [])
    }

    @Test("withdrawn in the doubt, and it never comes: refused as withdrawn")
    func withdrawnAndLost() async throws {
        let stage = try SubmissionStage(.requestLost, .works)
        let job = try await stage.accept()
        try await stage.steps()
        #expect(try await !stage.bench.ledger.withdraw("grid", "0xa", claim: 1, why: "taken back"))
        try await stage.pass(300)
        #expect(stage.fake.state.asked.filter { $0 == "submit" }.count == 1)
        let last = try #require(try await stage.bench.ledger.transitions(ofLedgerJob: job).last)
        #expect(last.kind == .refused && last.refusal == .withdrawn && last.message == "taken back")
    }

    @Test("an administrator ends the job in the doubt", arguments: [true, false])
    func scancelInTheDoubt(polls: Bool) async throws {
        let stage = try SubmissionStage(.lateEffect(25), .works)
        let job = try await stage.accept()
        try await stage.steps()
        stage.bench.clock.advance(25)
        stage.fake.scancel(101)
        try await stage.pass(300, polls: polls)
        #expect(stage.fake.state.submitted.count == 1)
        #expect(try await stage.kinds(job).last == "101 ended")
        #expect(try await stage.bench.story().last == "101 ended CANCELLED final")
    }

    @Test("an administrator ends one of two in the doubt: the other is the order's")
    func scancelOfOne() async throws {
        let stage = try SubmissionStage(.lateEffect(200), .lateEffect(70), .works)
        let job = try await stage.accept()
        try await stage.pass(130, polls: false)
        stage.bench.clock.advance(75)
        stage.fake.scancel(101)
        try await stage.poll()
        try await stage.pass(30)
        #expect(try await stage.order().jobID == 102)
        try await stage.checkSettled()
        #expect(try await stage.kinds(job) == ["102 submitted", "102 pending"])
    }

    @Test("a job that a killed slurmctld lost before it was let go is asked for again, under its new number")
    func lostBeforeRelease() async throws {
        let stage = try SubmissionStage()
        let job = try await stage.accept()
        let tag = try await stage.order().tag
        try await stage.bench.ledger.noteAttempt(job)
        let id = try await stage.fake.submitHeld([1], tag: tag)
        stage.fake.forget(id)
        try await stage.bench.ledger.noteSubmitted(job, jobID: id)
        try await stage.pass(300)
        try await stage.checkSettled()
        #expect(try await stage.kinds(job) == ["101 submitted", "102 submitted", "102 pending"])
    }
}

@Suite("Submissions beside each other")
struct SubmitterWidthTests {
    private func eventually(_ condition: () async throws -> Bool) async throws {
        for _ in 0..<10_000 {
            if try await condition() { return }
            try await Task.sleep(for: .milliseconds(2))
        }
        Issue.record("never")
    }

    @Test("one that hangs stops no other, and no more than eight are under way")
    func continuous() async throws {
        let stage = try SubmissionStage()
        let gate = FakeScheduler.Gate()
        stage.fake.state.submissions = [.gate(gate), .works]
        let running = Task { try await stage.submitter.run() }
        let names = (0..<40).map { "0x\($0)" }
        for name in names { try await stage.accept(name) }
        try await eventually { stage.fake.state.released.count == 39 }
        #expect(stage.fake.state.underWay == 1)
        gate.open()
        try await eventually { stage.fake.state.released.count == 40 }
        let wide = FakeScheduler.Gate()
        stage.fake.state.submissions = [.gate(wide)]
        for number in 40..<80 { try await stage.accept("0x\(number)") }
        try await eventually { stage.fake.state.underWay == 8 }
        wide.open()
        try await eventually { stage.fake.state.released.count == 80 }
        #expect(stage.fake.state.widest == 8)
        running.cancel()
        try? await running.value
        for name in names { try await stage.checkSettled(name) }
    }
}
