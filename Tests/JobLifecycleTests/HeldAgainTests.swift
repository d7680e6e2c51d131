// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import JobLifecycle

/// What a slurmctld that was killed had not saved yet.
@Suite("A release, and an end before the start, that slurmctld has lost")
struct HeldAgainTests {
    private static let order = JobOrder(gateway: "grid", externalID: "0xa", request: Array("job".utf8))

    /// An order whose job, 101, was released.
    private func released(_ bench: Bench, _ fake: FakeScheduler) async throws {
        try await bench.ledger.accept(Self.order)
        try await drive(bench, fake)
        #expect(fake.state.released == [101])
        #expect(try await phase(bench) == .released)
    }

    /// The same, of which slurmctld has lost that.
    private func lost(_ bench: Bench, _ fake: FakeScheduler) async throws {
        try await released(bench, fake)
        fake.lose(101, comment: fake.state.submitted[0].tag)
        try await poll(bench, fake)
        #expect(try await phase(bench) == .submitted)
    }

    private func drive(_ bench: Bench, _ fake: FakeScheduler) async throws {
        let submitter = Submitter(ledger: bench.ledger, scheduler: fake, logger: quiet)
        for _ in 0..<5 {
            while try await submitter.stepDue() {}
            bench.clock.advance(5)
        }
    }

    private func phase(_ bench: Bench) async throws -> OrderPhase? {
        try await bench.ledger.order("grid", "0xa", claim: 1)?.phase
    }

    /// A poll's answer that was asked for so many seconds from now.
    private func poll(_ bench: Bench, _ fake: FakeScheduler, in seconds: Double = 1) async throws {
        bench.clock.advance(seconds)
        for var seen in fake.jobs.map(\.observation) {
            seen.time = bench.ledger.microseconds
            try await bench.see(seen)
        }
    }

    @Test("a job that is held and not marked is released once more, each time")
    func releaseLost() async throws {
        let bench = try Bench()
        let fake = FakeScheduler(clock: bench.clock)
        try await released(bench, fake)
        for round in 2...3 {
            fake.lose(101, comment: fake.state.submitted[0].tag)
            try await poll(bench, fake)
            #expect(try await phase(bench) == .submitted)
            try await drive(bench, fake)
            #expect(fake.state.released.count == round)
            #expect(try await phase(bench) == .released)
        }
        #expect(fake.state.submitted.count == 1)
    }

    @Test("one that is held by somebody else stays so, and so does one of an answer from before its release")
    func othersHold() async throws {
        let bench = try Bench()
        let fake = FakeScheduler(clock: bench.clock)
        try await bench.ledger.accept(Self.order)
        let asked = bench.ledger.microseconds
        try await drive(bench, fake)
        var old = try #require(fake.jobs.first).observation
        (old.isHeld, old.time, old.details.adminComment) = (true, asked, fake.state.submitted[0].tag)
        try await bench.see(old)
        fake.hold(101)
        try await poll(bench, fake)
        try await drive(bench, fake)
        #expect(fake.state.released == [101])
        #expect(try await phase(bench) == .released)
    }

    @Test("one that its gateway wants held is left alone, and released by nobody here")
    func staysHeld() async throws {
        let bench = try Bench()
        let fake = FakeScheduler(clock: bench.clock)
        var spec = JobSpec(userID: 1000, script: "#!/bin/sh\n", name: "n")
        spec.options.staysHeld = true
        try await bench.ledger.accept(JobOrder(gateway: "grid", externalID: "0xa", request: try spec.stored))
        try await drive(bench, fake)
        for _ in 1...2 {
            fake.hold(101)
            try await poll(bench, fake)
            #expect(try await phase(bench) == .released)
            try await drive(bench, fake)
            #expect(fake.state.released.isEmpty && fake.state.submitted.count == 1)
        }
    }

    @Test("a plugin that lets nobody change the admin comment keeps no job from its release")
    func refused() async throws {
        let bench = try Bench()
        let fake = FakeScheduler(clock: bench.clock)
        fake.state.refusesComments = true
        try await released(bench, fake)
        #expect(fake.state.submitted[0].comment == fake.state.submitted[0].tag)
        // What an administrator does with such a job stays, though no mark tells it from a lost release.
        fake.hold(101, byAdministrator: true)
        try await poll(bench, fake)
        #expect(try await phase(bench) == .released)
    }

    @Test("a job whose order is withdrawn while it is let go is cancelled, whoever dies in between")
    func withdrawnMeanwhile() async throws {
        let bench = try Bench()
        let fake = FakeScheduler(clock: bench.clock)
        try await lost(bench, fake)
        let order = try #require(try await bench.ledger.order("grid", "0xa", claim: 1))
        #expect(try await !bench.ledger.withdraw("grid", "0xa", claim: 1, why: "no answer in time"))
        // The step that lets it go had begun before that, and nothing of this process comes after its commit.
        try await bench.ledger.noteReleased(order.ledgerJob)
        let commander = JobCommander(ledger: bench.ledger, scheduler: fake, logger: quiet)
        while try await commander.stepDue() {}
        #expect(fake.state.cancelled == [101])
    }

    @Test("a job that slurmctld made before a clock was set back is let go, by its tag")
    func clockSetBack() async throws {
        let bench = try Bench()
        let fake = FakeScheduler(clock: bench.clock)
        try await lost(bench, fake)
        fake.change { $0.submitted[0].appearsAt -= 900 }
        try await drive(bench, fake)
        #expect(fake.state.released == [101, 101])
    }

    @Test("a job whose release and cancel were lost is ended, not released")
    func cancelledToo() async throws {
        let bench = try Bench()
        let fake = FakeScheduler(clock: bench.clock)
        try await released(bench, fake)
        try await bench.ledger.ask(.cancel(why: "not wanted"), of: "grid", "0xa", claim: 1)
        let commander = JobCommander(ledger: bench.ledger, scheduler: fake, logger: quiet)
        while try await commander.stepDue() {}
        fake.lose(101, comment: fake.state.submitted[0].tag)
        try await poll(bench, fake)
        try await drive(bench, fake)
        #expect(fake.state.released == [101] && fake.state.cancelled == [101, 101])
    }

    @Test("the mark stands beside what a plugin has put there, once")
    func mark() {
        let tag = OrderTag.make(7)
        #expect(OrderTag.released(tag, tag) == "\(tag),sga-released")
        #expect(OrderTag.released(tag, "site 7") == "site 7,\(tag),sga-released")
        #expect(OrderTag.released(tag, nil) == "\(tag),sga-released")
        #expect(OrderTag.released(tag, "\(tag),sga-released") == "\(tag),sga-released")
        #expect(OrderTag.all(in: OrderTag.released(tag, nil)) == [tag])
    }

    @Test(
        "a job whose end before its start was told is ended once more, waiting or running; one that ran is left alone")
    func endLost() async throws {
        for (isRunning, hasRun) in [(false, false), (true, false), (false, true)] {
            let bench = try Bench()
            let fake = FakeScheduler(clock: bench.clock)
            try await released(bench, fake)
            if hasRun {
                fake.start(101)
                try await poll(bench, fake)
            }
            fake.scancel(101)
            try await poll(bench, fake)
            bench.clock.advance(3)
            fake.lose(101, comment: fake.state.submitted[0].comment)
            if isRunning { fake.start(101) }
            try await poll(bench, fake)
            try await drive(bench, fake)
            #expect(fake.state.cancelled == (hasRun ? [] : [101]))
            #expect(try await phase(bench) == .released)
        }
    }
}
