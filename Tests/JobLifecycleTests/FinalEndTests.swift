// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import JobLifecycle

/// The table of docs/ledger.md, "When an end is final": every source, state and flag, and all that may come after.
@Suite("When an end is final")
struct FinalEndTests {
    struct Policy: CustomTestStringConvertible {
        var policy: RequeuePolicy
        /// The states after which slurmctld may put the job back.
        var inDoubt: Set<SchedulerState.Base>

        var testDescription: String {
            policy.successRequeues ? "crontabs" : policy.exitCodesRequeue ? "RequeueExit" : "as it comes"
        }
    }

    static let policies: [Policy] = [
        Policy(policy: RequeuePolicy(), inDoubt: [.nodeFail, .preempted, .bootFail]),
        Policy(
            policy: RequeuePolicy(exitCodesRequeue: true),
            inDoubt: [.nodeFail, .preempted, .bootFail, .failed, .outOfMemory, .timeout, .deadline]),
        Policy(
            policy: RequeuePolicy(exitCodesRequeue: true, successRequeues: true),
            inDoubt: [.nodeFail, .preempted, .bootFail, .failed, .outOfMemory, .timeout, .deadline, .completed]),
    ]

    /// What slurmctld, asked after an end was heard of, has of the job.
    enum Afterwards: CaseIterable {
        case stillCompleting, clean, waitsToGoBack, goesOn, forgotten, forgottenAndNotInAccounting
    }

    static let ends = SchedulerState.Base.allCases.filter { $0.isEnd && $0 != .revoked }

    /// One job of the table.
    private struct Job {
        var number: UInt32
        var source: JobObservation.Source
        var state: SchedulerState.Base
        var completing: Bool
        var afterwards: Afterwards

        func end(_ source: JobObservation.Source, completing: Bool = false) -> JobObservation {
            seen(
                state, source, key: JobKey(number), restarts: source == .accounting ? nil : 0, completing: completing,
                start: 490, end: 500, exit: state == .failed ? 256 : 0, at: 600_000_000)
        }

        var firstWord: JobObservation { end(source, completing: completing) }

        var known: [JobObservation] {
            switch afterwards {
            case .stillCompleting: [end(.controller, completing: true)]
            case .clean: [end(.controller)]
            case .waitsToGoBack: [seen(.pending, key: JobKey(number), restarts: 1, completing: true)]
            case .goesOn: [seen(.pending, key: JobKey(number), submit: 520, restarts: 1)]
            case .forgotten, .forgottenAndNotInAccounting: []
            }
        }
    }

    private static var jobs: [Job] {
        var jobs: [Job] = []
        for source in [JobObservation.Source.plugin, .controller, .accounting] {
            for state in ends {
                for completing in source == .accounting ? [false] : [false, true] {
                    for afterwards in Afterwards.allCases {
                        jobs.append(
                            Job(
                                number: UInt32(jobs.count + 1), source: source, state: state, completing: completing,
                                afterwards: afterwards))
                    }
                }
            }
        }
        return jobs
    }

    private func story(_ bench: Bench, _ number: UInt32) async throws -> [String] {
        try await bench.ledger.summaries(ofJob: number).asyncFlatMap { job in
            try await bench.ledger.transitions(ofLedgerJob: job.ledgerJob)
        }.map { [$0.kind.rawValue, $0.isFinal ? "final" : ""].joined(separator: " ") }
    }

    @Test("every source × state × completing × what slurmctld says afterwards", arguments: policies)
    func table(_ row: Policy) async throws {
        let bench = try Bench()
        bench.ledger.policy = row.policy
        let fake = FakeScheduler()
        let follower = HintFollower(ledger: bench.ledger, scheduler: fake, logger: quiet)
        let jobs = Self.jobs
        let over = ["running ", "ended final"]
        func isFinal(_ job: Job) -> Bool {
            !row.inDoubt.contains(job.state) || job.source == .controller && !job.completing
        }
        func fold(_ observations: [JobObservation]) async throws {
            try await bench.ledger.fold(Ledger.Intake(observations: observations))
        }
        try await fold(jobs.map { seen(.running, key: JobKey($0.number), start: 490) })
        // What the others have still to say of the very run adds nothing.
        for words in [
            jobs.map(\.firstWord), jobs.map { $0.end(.accounting) }, jobs.map { $0.end(.plugin, completing: true) },
            jobs.map { $0.end(.accounting) },
        ] {
            try await fold(words)
            for job in jobs {
                #expect(try await story(bench, job.number) == (isFinal(job) ? over : ["running "]), "\(job)")
            }
        }
        fake.state.list = jobs.flatMap(\.known)
        fake.state.accounting = jobs.filter { $0.afterwards != .forgottenAndNotInAccounting }.map {
            $0.end(.accounting)
        }
        for _ in 0..<3 {
            while try await follower.followDue() {}
            bench.clock.advance(100)
        }
        for job in jobs {
            let expected =
                if isFinal(job) {
                    over
                } else {
                    switch job.afterwards {
                    case .stillCompleting, .waitsToGoBack: ["running "]
                    case .goesOn: ["running ", "requeued ", "pending "]
                    case .clean, .forgotten, .forgottenAndNotInAccounting: over
                    }
                }
            #expect(try await story(bench, job.number) == expected, "\(job)")
        }
        #expect(try await bench.ledger.verify() == [])
        // Those that are open are asked about until slurmctld has said it.
        fake.state.list = jobs.map { $0.end(.controller) }
        bench.clock.advance(100)
        while try await follower.followDue() {}
        for job in jobs where job.afterwards != .goesOn {
            #expect(try await story(bench, job.number) == over, "\(job)")
        }
        #expect(try await bench.ledger.verify() == [])
    }

    @Test("a node dies as a job is launched: slurmdbd's row is of the run, and the job goes on")
    func launchFailure() async throws {
        let bench = try Bench()
        let fake = FakeScheduler()
        let reconciler = Reconciler(ledger: bench.ledger, scheduler: fake, logger: quiet)
        let follower = HintFollower(ledger: bench.ledger, scheduler: fake, logger: quiet)
        try await bench.see(seen(.pending), seen(.running, start: 490))
        fake.state.list = [seen(.pending, restarts: 1, completing: true, at: 2000)]
        fake.state.accounting = [seen(.nodeFail, .accounting, restarts: nil, start: 490, end: 1_000_000)]
        var now = ContinuousClock.now
        for _ in 0..<60 {
            await reconciler.turn(now: now)
            while try await follower.followDue() {}
            bench.clock.advance(1)
            now += .seconds(301)
        }
        #expect(try await bench.story() == ["7 pending", "7 running"])
        fake.state.list = [seen(.pending, submit: 1_000_060, restarts: 1, at: 3000)]
        fake.state.stamp += 1
        await reconciler.turn(now: now)
        // slurmctld has a later run; slurmdbd says how the one before ended.
        while try await follower.followDue() {}
        now += .seconds(301)
        fake.state.list = [seen(.completed, submit: 1_000_060, restarts: 1, start: 1_000_070, end: 1_000_080, at: 4000)]
        fake.state.stamp += 1
        await reconciler.turn(now: now)
        #expect(
            try await bench.story() == [
                "7 pending", "7 running", "7 requeued NODE_FAIL", "7 pending", "7 running", "7 ended COMPLETED final",
            ])
        #expect(try await bench.ledger.verify().isEmpty)
    }

    @Test("slurmdbd's row comes when the job waits again, which slurmdbd has not heard of yet")
    func rowAfterRequeue() async throws {
        for state in [SchedulerState.Base.nodeFail, .preempted, .bootFail] {
            let bench = try Bench()
            let fake = FakeScheduler()
            let row = seen(state, .accounting, restarts: nil, start: 490, end: 500)
            let next = seen(.pending, submit: 520, restarts: 1, at: 3000)
            fake.state.list = [next]
            fake.state.accounting = [row]
            try await bench.see(seen(.running, start: 490), next)
            let follower = HintFollower(ledger: bench.ledger, scheduler: fake, logger: quiet)
            while try await follower.followDue() {}
            #expect(try await bench.story() == ["7 running", "7 requeued \(state.rawValue)", "7 pending"])
            // And of a run that nobody saw, told after the one that followed it.
            try await bench.see(
                seen(.pending, key: JobKey(8), submit: 520, restarts: nil),
                seen(state, .accounting, key: JobKey(8), restarts: nil, start: 490, end: 500))
            #expect(
                try await bench.story().suffix(3) == ["8 pending", "8 running", "8 requeued \(state.rawValue)"])
        }
    }

    @Test("cancelled while it waits to go back: slurmctld's word, and nobody else's, ends it")
    func cancelledWhileRequeueing() async throws {
        let bench = try Bench()
        let fake = FakeScheduler()
        try await bench.see(
            seen(.running, start: 490), seen(.nodeFail, .plugin, start: 490, end: 500),
            seen(.pending, restarts: 1, completing: true, at: 2000),
            seen(.cancelled, .accounting, restarts: nil, start: 490, end: 500))
        #expect(try await bench.story() == ["7 running"])
        fake.state.list = [seen(.cancelled, restarts: 1, completing: true, start: 490, end: 510, at: 3000)]
        let follower = HintFollower(ledger: bench.ledger, scheduler: fake, logger: quiet)
        while try await follower.followDue() {}
        #expect(try await bench.story() == ["7 running", "7 ended CANCELLED final"])
    }

    @Test("what slurmdbd has of a job that is looked for by its tag is no end either")
    func adopted() async throws {
        let bench = try Bench()
        let row = seen(.nodeFail, .accounting, restarts: nil, start: 490, end: 500)
        try await bench.ledger.fold(Ledger.Intake(observations: [row]))
        #expect(try await bench.story() == ["7 running"])
        #expect(try await bench.ledger.dueHints(limit: 9).map(\.reason) == [.settle])
    }
}
