// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import JobLifecycle

@Suite("Doubt")
struct ReconcileTests {
    private func follow(_ bench: Bench, _ fake: FakeScheduler) async throws {
        let follower = HintFollower(ledger: bench.ledger, scheduler: fake, logger: quiet)
        while try await follower.followDue() {}
    }

    private func hint(_ bench: Bench, _ reason: JobHint.Reason = .record) async throws {
        try await bench.ledger.fold(
            Ledger.Intake(hints: [JobHint(jobID: 7, reason: reason, time: bench.ledger.microseconds)]))
    }

    @Test("a hint makes the agent look; no row is made from a number alone")
    func look() async throws {
        let bench = try Bench()
        let fake = FakeScheduler()
        try await hint(bench, .start)
        #expect(try await bench.ledger.list(limit: 9).isEmpty)
        fake.state.list = [seen(.running, start: 490)]
        try await follow(bench, fake)
        #expect(try await bench.story() == ["7 running"])
        #expect(try await bench.ledger.counts().hints == 0)
    }

    @Test("slurmctld has forgotten the job, slurmdbd has not")
    func forgotten() async throws {
        let bench = try Bench()
        let fake = FakeScheduler()
        try await bench.see(seen(.running, start: 490))
        fake.state.accounting = [seen(.failed, .accounting, restarts: nil, start: 490, end: 499, exit: 512)]
        try await hint(bench)
        try await follow(bench, fake)
        #expect(try await bench.story() == ["7 running", "7 ended FAILED final"])
    }

    @Test("no answer is never taken for the end", arguments: [0, 1, 2])
    func noAnswer(_ which: Int) async throws {
        let bench = try Bench()
        let fake = FakeScheduler()
        try await bench.see(seen(.running, start: 490))
        if which != 1 { fake.state.reachable = false }
        if which != 0 { fake.state.accountingReachable = false }
        try await bench.ledger.addMissing([7])
        for _ in 0..<50 {
            try await follow(bench, fake)
            bench.clock.advance(3600)
        }
        #expect(try await bench.story() == ["7 running"])
        #expect(try await bench.ledger.counts().hints == 1)
    }

    @Test("vanished after two authoritative answers apart, and never before", arguments: [true, false])
    func vanished(_ hasAccounting: Bool) async throws {
        let bench = try Bench()
        let fake = FakeScheduler()
        if !hasAccounting { fake.state.accounting = nil }
        try await bench.see(seen(.running, start: 490))
        try await bench.ledger.addMissing([7])
        try await follow(bench, fake)
        bench.clock.advance(30)
        try await bench.ledger.addMissing([7])
        try await follow(bench, fake)
        #expect(try await bench.story() == ["7 running"])
        bench.clock.advance(31)
        try await follow(bench, fake)
        #expect(try await bench.story() == ["7 running", "7 vanished RUNNING final"])
        #expect(try await bench.ledger.verify().isEmpty)
    }

    @Test("seen only after it was put back: slurmdbd is asked for the run before, and the runs are told in their order")
    func earlierRunFirst() async throws {
        let bench = try Bench()
        let fake = FakeScheduler()
        let second = seen(.running, submit: 600, restarts: 1, start: 601)
        fake.state.list = [second]
        fake.state.accounting = [
            seen(.pending, .accounting, restarts: nil, requeueing: true, start: 490, end: 495),
            seen(.running, .accounting, submit: 600, restarts: nil, start: 601),
        ]
        try await bench.see(second)
        #expect(try await bench.story().isEmpty)
        try await follow(bench, fake)
        #expect(try await bench.story() == ["7 running", "7 requeued", "7 running"])
        #expect(try await bench.ledger.list(limit: 10).map(\.runs) == [2])
    }

    @Test("without slurmdbd such a job is told as it is")
    func earlierRunUnknown() async throws {
        let bench = try Bench()
        let fake = FakeScheduler()
        let second = seen(.running, submit: 600, restarts: 1, start: 601)
        fake.state.list = [second]
        fake.state.accounting = nil
        try await bench.see(second)
        try await follow(bench, fake)
        #expect(try await bench.story() == ["7 running"])
    }

    @Test("put back into the queue and then forgotten with slurmctld: it vanished, its end is nobody's")
    func forgottenInTheQueue() async throws {
        let bench = try Bench()
        let fake = FakeScheduler()
        try await bench.see(seen(.running, start: 490), seen(.pending, .plugin, requeueing: true, start: 490, end: 495))
        try await bench.ledger.addMissing([7])
        try await follow(bench, fake)
        bench.clock.advance(100)
        try await follow(bench, fake)
        #expect(try await bench.story() == ["7 running", "7 vanished final"])
    }

    @Test("a job that turns up again between the two answers is in doubt no more")
    func reappeared() async throws {
        let bench = try Bench()
        let fake = FakeScheduler()
        try await bench.see(seen(.running, start: 490))
        try await bench.ledger.addMissing([7])
        try await follow(bench, fake)
        try await bench.see(seen(.running, start: 490, at: 9999))
        bench.clock.advance(100)
        try await follow(bench, fake)
        #expect(try await bench.story() == ["7 running"])
    }

    @Test("a node failed: slurmctld says whether the job goes on")
    func settle() async throws {
        for goesOn in [false, true] {
            let bench = try Bench()
            let fake = FakeScheduler()
            try await bench.see(seen(.running, start: 490), seen(.nodeFail, .plugin, start: 490, end: 499))
            fake.state.list = [
                goesOn ? seen(.pending, submit: 499, restarts: 1) : seen(.nodeFail, start: 490, end: 499)
            ]
            try await follow(bench, fake)
            #expect(
                try await bench.story() == ["7 running"]
                    + (goesOn ? ["7 requeued NODE_FAIL", "7 pending"] : ["7 ended NODE_FAIL final"]))
        }
    }

    @Test("a node failed and slurmctld forgot the job before it could be asked")
    func settledLate() async throws {
        let bench = try Bench()
        let fake = FakeScheduler()
        fake.state.accounting = nil
        try await bench.see(seen(.nodeFail, .plugin, start: 490, end: 499))
        try await follow(bench, fake)
        #expect(try await bench.story() == ["7 running", "7 ended NODE_FAIL final"])
    }

    @Test("a plugin speaks of a job that nobody knows: tried for a while, then parked")
    func parked() async throws {
        let bench = try Bench()
        let fake = FakeScheduler()
        try await hint(bench)
        for _ in 0..<20 {
            try await follow(bench, fake)
            bench.clock.advance(60)
        }
        let counts = try await bench.ledger.counts()
        #expect(counts.hints == 0 && counts.parkedHints == 1 && counts.jobs == 0)
    }

    @Test("the reconciler folds only what differs, and looks for what is gone")
    func poll() async throws {
        let bench = try Bench()
        let fake = FakeScheduler()
        let reconciler = Reconciler(ledger: bench.ledger, scheduler: fake, logger: quiet)
        fake.state.list = [seen(.running, start: 490), seen(.pending, key: JobKey(8))]
        try await reconciler.poll(sweep: true)
        #expect(try await bench.story() == ["7 running", "8 pending"])
        try await reconciler.poll(sweep: true)
        #expect(try await bench.ledger.counts().hints == 0)
        fake.state.list = [seen(.pending, key: JobKey(8))]
        fake.state.stamp = 2
        try await reconciler.poll(sweep: false)
        #expect(try await bench.ledger.dueHints(limit: 9).map(\.jobID) == [7])
        // What the ledger has open from before the agent's start.
        try await bench.see(seen(.running, key: JobKey(9), start: 490))
        try await reconciler.poll(sweep: true)
        #expect(try await bench.ledger.dueHints(limit: 9).map(\.jobID).sorted() == [7, 9])
    }

    @Test("a record is taken in again, although the list has it as before, when somebody spoke of the job in between")
    func spokenOfBetween() async throws {
        let bench = try Bench()
        let fake = FakeScheduler()
        let reconciler = Reconciler(ledger: bench.ledger, scheduler: fake, logger: quiet)
        let rest = JobKey(7, .rest)
        fake.state.list = [seen(.pending, key: rest, at: 489_000_000, tasks: "1-2")]
        try await reconciler.poll(sweep: false)
        // Both tasks run to their end; slurmctld is killed and has the array as it was saved.
        try await bench.see(
            seen(.completed, .plugin, key: JobKey(7, .task(1)), id: 8, start: 490, end: 495, at: 495_000_000),
            seen(.completed, .plugin, key: JobKey(7, .task(2)), id: 7, start: 490, end: 495, at: 495_500_000))
        #expect(try await bench.ledger.counts().openRuns == 0)
        fake.state.reachable = false
        await #expect(throws: SchedulerError.self) { try await reconciler.poll(sweep: false) }
        fake.state.reachable = true
        fake.state.list = [seen(.pending, key: rest, at: 505_000_000, tasks: "1-2")]
        fake.state.stamp = 2
        try await reconciler.poll(sweep: false)
        #expect(try await bench.ledger.openRuns().map(\.key) == [rest])
    }

    @Test("a suspension that somebody saw between two lists that have the job running is over with the second")
    func suspendedBetween() async throws {
        let bench = try Bench()
        let fake = FakeScheduler()
        let reconciler = Reconciler(ledger: bench.ledger, scheduler: fake, logger: quiet)
        fake.state.list = [seen(.running, start: 490, at: 491_000_000)]
        try await reconciler.poll(sweep: false)
        try await bench.see(seen(.suspended, start: 490, at: 492_000_000))
        fake.state.list = [
            seen(.running, start: 490, at: 493_000_000), seen(.pending, key: JobKey(8), at: 493_000_000),
        ]
        fake.state.stamp = 2
        try await reconciler.poll(sweep: false)
        #expect(try await bench.story() == ["7 running", "7 suspended SUSPENDED", "7 resumed RUNNING", "8 pending"])
    }

    @Test("of too many jobs to be named all are spoken of")
    func spokenOf() {
        let spoken = SpokenOf()
        spoken.add([1, 2])
        spoken.add([2, 3])
        let taken = spoken.take()
        #expect(taken == .these([1, 2, 3]) && spoken.take() == .these([]))
        spoken.giveBack(taken)
        #expect(spoken.take() == taken)
        spoken.add(Array(0...UInt32(SpokenOf.limit)))
        #expect(spoken.take() == .all && spoken.take() == .these([]))
        var memory = JobListMemory()
        memory.begin()
        let first = memory.differs(1, submitTime: 1, digest: 1)
        _ = memory.end(stamp: 1)
        memory.begin()
        let second = memory.differs(1, submitTime: 1, digest: 1)
        _ = memory.end(stamp: 2)
        memory.outdate(.all)
        memory.begin()
        let third = memory.differs(1, submitTime: 1, digest: 1)
        #expect((first, second, third) == (true, false, true))
    }
}
