// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials
import NIOConcurrencyHelpers
import Testing
import Waiting

@testable import JobLifecycle

/// An order whose job is in Slurm, and who carries commands on it out.
private struct CommandBench {
    let bench: Bench
    let fake: FakeScheduler
    let submitter: Submitter
    let commander: JobCommander

    var ledger: Ledger { bench.ledger }

    /// - Parameter rule: what is late of Slurm.
    init(_ rule: LateScheduler.Rule? = nil, meanwhile: @escaping @Sendable (Ledger) async -> Void = { _ in }) throws {
        bench = try Bench([.init(gateway: "grid", scope: .ownJobs)])
        fake = FakeScheduler(clock: bench.clock)
        let ledger = bench.ledger
        let slurm = LateScheduler(fake, bench.clock, rule) { await meanwhile(ledger) }
        submitter = Submitter(ledger: ledger, scheduler: fake, logger: quiet)
        commander = JobCommander(ledger: ledger, scheduler: slurm, logger: quiet, clock: TestTime(clock: bench.clock))
    }

    @discardableResult
    func accept(_ name: String = "0xa", request: [UInt8] = [1]) async throws -> Int64 {
        try await ledger.accept(JobOrder(gateway: "grid", externalID: name, request: request))
    }

    /// One whose job stays held when the core has let go of it.
    @discardableResult
    func acceptHeld() async throws -> Int64 {
        var spec = JobSpec(userID: 1001, script: "#!/bin/sh", name: "held")
        spec.options.staysHeld = true
        return try await accept(request: try spec.stored)
    }

    /// - Returns: the ledger's number of the job.
    @discardableResult
    func submitted(_ name: String = "0xa") async throws -> Int64 {
        let id = try await accept(name)
        while try await submitter.stepDue() {}
        #expect(try await order(name)?.phase == .released)
        return id
    }

    func order(_ name: String = "0xa") async throws -> OrderRecord? {
        try await ledger.order("grid", name, claim: 1)
    }

    @discardableResult
    func ask(_ command: JobCommand, _ name: String = "0xa") async throws -> JobCommand.State {
        try await ledger.ask(command, of: "grid", name, claim: 1).state
    }

    /// `cancel done`, `time-limit 60 impossible: …`, in that order.
    func commands(_ name: String = "0xa") async throws -> [String] {
        let id = try #require(try await order(name)).ledgerJob
        return try await ledger.commands(ofLedgerJob: id).map { record in
            let what =
                switch record.command {
                case .cancel: "cancel"
                case .timeLimit(let minutes): "time-limit \(minutes)"
                case .release: "release"
                }
            return switch record.state {
            case .open: "\(what) open"
            case .done: "\(what) done"
            case .impossible(let why): "\(what) impossible: \(why)"
            }
        }
    }

    func steps() async throws { while try await commander.stepDue() {} }

    /// Until nothing is open.
    func settle() async throws {
        for _ in 0..<60 {
            try await steps()
            guard try await ledger.nextCommandTime() != nil else { return }
            bench.clock.advance(10)
        }
        Issue.record("never done")
    }
}

@Suite("Commands on jobs")
struct CommandTests {
    private static let cancel = JobCommand.cancel(why: "not wanted any more")
    private static let both = [cancel, .timeLimit(minutes: 60)]
    private static let all = both + [.release]

    @Test("a job that was there before the agent, and is an order's now, is cancelled as any other")
    func adopted() async throws {
        let bench = try CommandBench()
        try await bench.ledger.fold(Ledger.Intake(observations: [seen(.running, key: JobKey(7), start: 490)]))
        #expect(try await bench.ledger.adopt("grid", "0xa", claim: 1, jobID: 7))
        #expect(try await bench.ask(.cancel(why: "wanted")) == .open)
        #expect(try await bench.commander.stepDue())
        #expect(try await bench.commands() == ["cancel done"])
        #expect(bench.fake.state.cancelled == [7])
    }

    @Test("one that is open is asked for once, one that is over again")
    func once() async throws {
        let bench = try CommandBench()
        try await bench.submitted()
        for command in Self.both.reversed() {
            for _ in 0..<2 { #expect(try await bench.ask(command) == .open) }
            try await bench.steps()
        }
        #expect(bench.fake.state.cancelled == [101] && bench.fake.state.limits == [60])
        #expect(try await bench.commands() == ["cancel done", "time-limit 60 done"])
        for _ in 0..<2 { #expect(try await bench.ask(Self.cancel) == .open) }
        try await bench.steps()
        #expect(bench.fake.state.cancelled == [101, 101])
    }

    @Test("no answer is not done, in an agent that is started again either", arguments: both)
    func noAnswer(_ command: JobCommand) async throws {
        let bench = try CommandBench()
        try await bench.submitted()
        bench.fake.change { $0.reachable = false }
        try await bench.ask(command)
        try await bench.steps()
        let open = try #require(try await bench.ledger.commands(ofLedgerJob: 1).first)
        #expect(open.state == .open && open.text.hasSuffix(", open, failed 1 times so far: slurmctld is away"))
        // Not before its time.
        #expect(try await !bench.commander.stepDue())
        bench.ledger.close()
        let again = try Ledger(path: bench.bench.folder.ledger, cluster: "lab", now: bench.bench.clock.now)
        bench.fake.change { $0.reachable = true }
        bench.bench.clock.advance(1)
        try await JobCommander(ledger: again, scheduler: bench.fake, logger: quiet).stepDue()
        #expect(bench.fake.state.cancelled.count + bench.fake.state.limits.count == 1)
        #expect(try await again.commands(ofLedgerJob: 1).map(\.state) == [.done])
    }

    @Test("a Slurm that is late", arguments: LateScheduler.Rule.all([.cancel, .setTimeLimit]))
    func late(_ rule: LateScheduler.Rule) async throws {
        let bench = try CommandBench(rule)
        try await bench.submitted()
        try await bench.ask(.timeLimit(minutes: 60))
        try await bench.settle()
        try await bench.ask(.timeLimit(minutes: 90))
        try await bench.settle()
        #expect(bench.fake.state.limits.last == 90)
        try await bench.ask(Self.cancel)
        try await bench.settle()
        #expect(bench.fake.jobs.allSatisfy { $0.state == .cancelled })
        #expect(try await bench.commands() == ["cancel done", "time-limit 90 done"])
    }

    @Test("a later limit takes an open one's place, and has the last word over a call that hangs")
    func replaced() async throws {
        let bench = try CommandBench()
        try await bench.submitted()
        bench.fake.change { $0.reachable = false }
        try await bench.ask(.timeLimit(minutes: 60))
        try await bench.steps()
        try await bench.ask(.timeLimit(minutes: 90))
        bench.fake.change {
            $0.reachable = true
            $0.unsettled = true
        }
        // At once.
        try await bench.commander.stepDue()
        #expect(try await bench.commands() == ["time-limit 90 open"])
        bench.fake.change { $0.unsettled = false }
        try await bench.settle()
        #expect(bench.fake.state.limits == [90, 90])
        #expect(try await bench.commands() == ["time-limit 90 done"])
    }

    @Test("what is done of a limit whose place was taken meanwhile is not the later one's")
    func replacedUnderWay() async throws {
        let bench = try CommandBench(.init(call: .setTimeLimit, lateness: .lateAnswer)) { ledger in
            _ = try? await ledger.ask(.timeLimit(minutes: 90), of: "grid", "0xa", claim: 1)
        }
        try await bench.submitted()
        try await bench.ask(.timeLimit(minutes: 60))
        try await bench.commander.stepDue()
        #expect(try await bench.commands() == ["time-limit 90 open"])
        try await bench.settle()
        #expect(bench.fake.state.limits == [60, 90])
    }

    @Test("a cancel overtakes a limit")
    func overtakes() async throws {
        let bench = try CommandBench()
        try await bench.submitted()
        bench.fake.change { $0.reachable = false }
        try await bench.ask(.timeLimit(minutes: 60))
        try await bench.steps()
        try await bench.ask(Self.cancel)
        let over = ["cancel open", "time-limit 60 impossible: the job is being cancelled"]
        #expect(try await bench.commands() == over)
        #expect(try await bench.ask(.timeLimit(minutes: 60)) == .impossible("the job is being cancelled"))
        bench.fake.change { $0.reachable = true }
        try await bench.settle()
        #expect(bench.fake.state.cancelled == [101] && bench.fake.state.limits == [])
    }

    @Test("what Slurm refuses is impossible, and is tried again when it is asked for again")
    func refused() async throws {
        let bench = try CommandBench()
        try await bench.submitted()
        bench.fake.change { $0.refusesLimits = true }
        try await bench.ask(.timeLimit(minutes: 60))
        try await bench.steps()
        #expect(try await bench.commands() == ["time-limit 60 impossible: a job_submit plugin says no"])
        bench.fake.change { $0.refusesLimits = false }
        try await bench.ask(.timeLimit(minutes: 60))
        try await bench.steps()
        #expect(try await bench.commands() == ["time-limit 60 done"])
    }

    // MARK: jobs that are over, or none yet

    @Test("a job that is over needs nothing", arguments: all, [false, true])
    func over(_ command: JobCommand, isOpen: Bool) async throws {
        let bench = try CommandBench()
        let id = try await bench.submitted()
        let tag = try #require(try await bench.order()).tag
        if isOpen { try await bench.ask(command) }
        try await bench.bench.see(
            seen(.completed, key: JobKey(101), submit: 1_000_000, start: 1_000_010, end: 1_000_020, tag: tag))
        #expect(try await bench.ledger.commands(ofLedgerJob: id).map(\.state) == (isOpen ? [.done] : []))
        #expect(try await bench.ask(command) == .done)
        #expect(try await !bench.commander.stepDue())
    }

    @Test("a cancel of an order that nothing was asked of Slurm for withdraws it")
    func withdrawn() async throws {
        let bench = try CommandBench()
        try await bench.accept()
        #expect(try await bench.ask(Self.cancel) == .done)
        let told = try await bench.ledger.transitions(of: "grid", "0xa", claim: 1)
        #expect(told.map(\.refusal) == [.withdrawn] && told.first?.message == "not wanted any more")
        #expect(try await !bench.submitter.stepDue())
    }

    @Test("a cancel of one whose submission has no answer ends its job before it is let go")
    func cancelInDoubt() async throws {
        let bench = try CommandBench()
        bench.fake.state.submission = .lateEffect(25)
        try await bench.accept()
        try await bench.submitter.stepDue()
        #expect(try await bench.ask(Self.cancel) == .open)
        for _ in 0..<6 {
            #expect(try await bench.commands() == ["cancel open"])
            try await bench.steps()
            bench.bench.clock.advance(10)
            while try await bench.submitter.stepDue() {}
            if bench.fake.state.cancelled.count > 0 { break }
        }
        try await bench.settle()
        #expect(try await bench.commands() == ["cancel done"])
        #expect(bench.fake.state.released == [] && bench.fake.jobs.map(\.state) == [.cancelled])
    }

    // MARK: release

    @Test("a job that stays held is released once it is wanted, and not by the core before")
    func release() async throws {
        let bench = try CommandBench()
        try await bench.acceptHeld()
        while try await bench.submitter.stepDue() {}
        #expect(bench.fake.state.released == [] && bench.fake.jobs.first?.isHeld == true)
        bench.fake.change { $0.reachable = false }
        #expect(try await bench.ask(.release) == .open)
        try await bench.steps()
        bench.fake.change { $0.reachable = true }
        try await bench.settle()
        #expect(bench.fake.state.released == [101] && bench.fake.jobs.first?.isHeld == false)
        #expect(try await bench.commands() == ["release done"])
        // What is not held needs none.
        #expect(try await bench.ask(.release) == .open)
        try await bench.settle()
        #expect(bench.fake.state.released == [101])
    }

    @Test("the core's own hold is not ended before it has looked that there is one job")
    func releaseWaits() async throws {
        let bench = try CommandBench()
        let id = try await bench.acceptHeld()
        try await bench.ledger.noteAttempt(id)
        bench.fake.change { $0.submitted = [.init(id: 51, tag: "t", appearsAt: 0)] }
        try await bench.ledger.noteSubmitted(id, jobID: 51)
        #expect(try await bench.ask(.release) == .open)
        #expect(try await !bench.commander.stepDue())
        #expect(try await bench.ledger.nextCommandTime() == nil)
        try await bench.ledger.noteReleased(id)
        try await bench.settle()
        #expect(bench.fake.state.released == [51])
    }

    @Test("a hold that an administrator has set meanwhile stays")
    func releaseOfAdministrator() async throws {
        let bench = try CommandBench()
        try await bench.acceptHeld()
        while try await bench.submitter.stepDue() {}
        bench.fake.hold(101, byAdministrator: true)
        try await bench.ask(.release)
        try await bench.settle()
        #expect(bench.fake.state.released == [] && bench.fake.jobs.first?.isHeld == true)
        #expect(try await bench.commands() == ["release impossible: an administrator holds the job"])
    }

    @Test("a cancel overtakes a release")
    func releaseOvertaken() async throws {
        let bench = try CommandBench()
        try await bench.acceptHeld()
        while try await bench.submitter.stepDue() {}
        try await bench.ask(.release)
        try await bench.ask(Self.cancel)
        #expect(try await bench.commands() == ["cancel open", "release impossible: the job is being cancelled"])
        try await bench.settle()
        #expect(bench.fake.state.cancelled == [101] && bench.fake.state.released == [])
    }

    @Test("a limit of an order waits for its job")
    func waits() async throws {
        let bench = try CommandBench()
        try await bench.accept()
        #expect(try await bench.ask(.timeLimit(minutes: 60)) == .open)
        #expect(try await !bench.commander.stepDue())
        #expect(try await bench.ledger.nextCommandTime() == nil)
        try await bench.submitted()
        try await bench.steps()
        #expect(bench.fake.state.limits == [60])
    }

    // MARK: a slurmctld that is killed before it saves

    /// What it had saved of the job when it was killed, and which commands had been done since.
    private struct Loss {
        var staysHeld = false
        /// The job had begun before the commands.
        var runs = false
        /// The plugin told of the end that a cancel brought.
        var isTold = false
        /// slurmctld was started again.
        var restarts = true
        /// Its gateway asks for the same once more.
        var asksAgain = false
        /// What somebody has done since.
        var since: (FakeScheduler) -> Void = { _ in }
    }

    private func after(_ commands: [JobCommand], _ loss: Loss = Loss()) async throws -> CommandBench {
        let bench = try CommandBench()
        let clock = bench.bench.clock
        if loss.staysHeld { try await bench.acceptHeld() } else { try await bench.accept() }
        while try await bench.submitter.stepDue() {}
        if loss.runs { bench.fake.start(101) }
        bench.fake.change { $0.startedAt = Int64(clock.now().timeIntervalSince1970) - 1000 }
        func see() async throws {
            var seen = try #require(bench.fake.jobs.first).observation
            seen.time = bench.ledger.microseconds
            try await bench.ledger.fold(Ledger.Intake(observations: [seen]))
        }
        try await see()
        let before = try #require(bench.fake.jobs.first)
        clock.advance(1)
        for command in commands {
            try await bench.ask(command)
            try await bench.steps()
        }
        if loss.isTold { try await see() }
        clock.advance(1)
        bench.fake.takeBack(101, to: before)
        if loss.restarts { bench.fake.change { $0.startedAt = Int64(clock.now().timeIntervalSince1970) } }
        loss.since(bench.fake)
        if loss.asksAgain {
            for command in commands { try await bench.ask(command) }
        }
        clock.advance(61)
        // A round for what is looked at, one for what is done again, and one in which nothing is left.
        for _ in 0..<3 {
            try await bench.steps()
            clock.advance(61)
        }
        #expect(try await bench.ledger.nextCommandTime() == nil)
        return bench
    }

    @Test("a cancel that slurmctld lost is done again, also of a job whose end was told")
    func cancelLost() async throws {
        for (runs, isTold, asksAgain) in [
            (false, false, false), (true, false, false), (true, true, false), (true, true, true),
        ] {
            let bench = try await after([Self.cancel], Loss(runs: runs, isTold: isTold, asksAgain: asksAgain))
            #expect(bench.fake.state.cancelled == [101, 101])
            #expect(try await bench.commands() == ["cancel done"])
        }
    }

    @Test("a release that slurmctld lost is done again, but for a job that somebody has held since")
    func releaseLost() async throws {
        func released(
            _ since: @escaping (FakeScheduler) -> Void = { _ in }, restarts: Bool = true
        ) async throws -> [UInt32] {
            let loss = Loss(staysHeld: true, restarts: restarts, since: since)
            return try await after([.release], loss).fake.state.released
        }
        #expect(try await released() == [101, 101])
        #expect(try await released({ $0.hold(101, byAdministrator: true) }) == [101])
        // The user's hold leaves the mark of the release.
        #expect(
            try await released {
                $0.change { $0.submitted[0].comment = OrderTag.released($0.submitted[0].tag, nil) }
                $0.hold(101)
            } == [101])
        #expect(try await released(restarts: false) == [101])
    }

    @Test("a time limit that slurmctld lost is set again, one that somebody has changed since stays")
    func limitLost() async throws {
        let command = JobCommand.timeLimit(minutes: 60)
        #expect(try await after([command]).fake.state.limits == [60, 60])
        let byHand = try await after([command], Loss(restarts: false) { $0.change { $0.submitted[0].limit = 45 } })
        #expect(byHand.fake.state.limits == [60])
    }

    @Test("of a job that was to be cancelled nothing but that is done again")
    func onlyCancelled() async throws {
        let commands: [JobCommand] = [.release, .timeLimit(minutes: 60), Self.cancel]
        let state = try await after(commands, Loss(staysHeld: true)).fake.state
        #expect(state.cancelled == [101, 101] && state.released == [101] && state.limits == [60])
    }

    @Test("a number that slurmctld has given to another job meanwhile is left alone")
    func numberOfAnother() async throws {
        let others = Loss { fake in
            fake.change { ($0.submitted[0].comment, $0.submitted[0].tag) = (nil, "another job's") }
        }
        let bench = try await after([Self.cancel], others)
        #expect(bench.fake.state.cancelled == [101])
    }

    // MARK: waiting

    @Test("who waits is told of trouble, and what became of it; the service does it")
    func waiting() async throws {
        let bench = try CommandBench()
        for name in ["0xa", "0xb"] { try await bench.submitted(name) }
        let commander = JobCommander(ledger: bench.ledger, scheduler: bench.fake, logger: quiet)
        bench.fake.change { $0.reachable = false }
        let told = NIOLockedValueBox<[String]>([])
        let service = Task { try await commander.run() }
        defer { service.cancel() }
        let fake = bench.fake
        let clock = bench.bench.clock
        let state = try await bench.ledger.carryOut(Self.cancel, of: "grid", "0xa", claim: 1) { tries, why in
            told.withLockedValue { $0.append("\(tries) \(why)") }
            fake.change { $0.reachable = true }
            clock.advance(1)
        }
        #expect(state == .done && told.withLockedValue { $0 } == ["1 slurmctld is away"])
        #expect(try await bench.ledger.carryOut(.timeLimit(minutes: 5), of: "grid", "0xb", claim: 1) == .done)
        await #expect(throws: LedgerError.self) {
            try await bench.ledger.carryOut(Self.cancel, of: "grid", "0xc", claim: 1)
        }
    }

    @Test("who wants one answer has the first, at once also of what waits for its next try, and it goes on")
    func attempts() async throws {
        let bench = try CommandBench()
        try await bench.submitted()
        let (ledger, fake, clock) = (bench.ledger, bench.fake, bench.bench.clock)
        @Sendable func attempt(_ command: JobCommand, within limit: Duration = .seconds(60)) async throws
            -> JobCommand.Answer
        {
            try await ledger.attempt(command, of: "grid", "0xa", claim: 1, within: limit)
        }
        // Nobody carries it out.
        #expect(try await attempt(.timeLimit(minutes: 60), within: .milliseconds(1)) == .none)
        let service = Task { [ledger] in
            try await JobCommander(ledger: ledger, scheduler: fake, logger: quiet).run()
        }
        defer { service.cancel() }
        #expect(try await attempt(.timeLimit(minutes: 60)) == .done)
        fake.change { $0.reachable = false }
        // Its next try is half a second away, by a clock that stands.
        for _ in 0..<3 { #expect(try await attempt(Self.cancel) == .failed("slurmctld is away")) }
        #expect(try await bench.commands() == ["cancel open", "time-limit 60 done"])
        #expect(try await attempt(.timeLimit(minutes: 5)) == .impossible("the job is being cancelled"))
        fake.change { $0.reachable = true }
        clock.advance(30)
        #expect(try await attempt(Self.cancel) == .done)
        #expect(fake.state.cancelled == [101])
    }

    @Test("who waits no more leaves it open; one whose place is taken is told so")
    func waitingEnds() async throws {
        let bench = try CommandBench()
        try await bench.submitted()
        let ledger = bench.ledger
        let first = Task { try await ledger.carryOut(.timeLimit(minutes: 60), of: "grid", "0xa", claim: 1) }
        try await waitUntil { try await ledger.nextCommandTime() != nil }
        let second = Task { try await ledger.carryOut(.timeLimit(minutes: 90), of: "grid", "0xa", claim: 1) }
        #expect(try await first.value == .impossible("a later one has taken its place"))
        second.cancel()
        #expect(try await second.value == .open)
        #expect(try await bench.commands() == ["time-limit 90 open"])
    }

    @Test("they go with their job")
    func pruned() async throws {
        let bench = try CommandBench()
        let id = try await bench.submitted()
        let tag = try #require(try await bench.order()).tag
        try await bench.ask(Self.cancel)
        try await bench.bench.see(seen(.cancelled, key: JobKey(101), submit: 1_000_000, end: 1_000_020, tag: tag))
        let due = try await bench.ledger.dueDeliveries("grid", limit: 9)
        try await bench.ledger.record(
            due.map { .init(sequence: $0.transition.sequence, outcome: .delivered, next: 0) }, of: "grid")
        bench.bench.clock.advance(1000)
        #expect(try await bench.ledger.prune(olderThan: .seconds(1)) == 1)
        #expect(try await bench.ledger.commands(ofLedgerJob: id) == [])
    }
}
