// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import JobLifecycle

@Suite("Jobs whose nodes boot")
struct ConfiguringTests {
    @Test("running is told when the nodes are up, with the start that slurmctld sets then")
    func start() async throws {
        let bench = try Bench()
        try await bench.see(
            seen(.pending), seen(.running, start: 490, at: 2000).configuring(),
            seen(.running, .accounting, restarts: nil, start: 490, at: 2500))
        #expect(try await bench.story() == ["7 pending"])
        try await bench.see(seen(.running, start: 700, at: 3000))
        let transitions = try await bench.ledger.transitions(after: 0, limit: 9)
        #expect(transitions.map(\.kind) == [.pending, .running])
        #expect(transitions.map(\.startTime) == [nil, 700])
        #expect(transitions.map(\.state) == [.pending, .running])
    }

    @Test("first seen while its nodes boot: it waits")
    func firstSeen() async throws {
        let bench = try Bench()
        try await bench.see(seen(.running, start: 490).configuring())
        let transitions = try await bench.ledger.transitions(after: 0, limit: 9)
        #expect(transitions.map(\.kind) == [.pending] && transitions.map(\.state) == [.pending])
        #expect(transitions.map(\.startTime) == [nil])
    }

    @Test("a hint of a start makes the agent look; slurmctld's answer decides")
    func hint() async throws {
        let bench = try Bench()
        let fake = FakeScheduler()
        let follower = HintFollower(ledger: bench.ledger, scheduler: fake, logger: quiet)
        func start() async throws {
            try await bench.ledger.fold(
                Ledger.Intake(hints: [JobHint(jobID: 7, reason: .start, time: bench.ledger.microseconds)]))
            while try await follower.followDue() {}
        }
        fake.state.list = [seen(.running, start: 490).configuring()]
        try await start()
        #expect(try await bench.story() == ["7 pending"])
        #expect(try await bench.ledger.counts().hints == 0)
        fake.state.list = [seen(.running, start: 700, at: 2000)]
        try await start()
        #expect(try await bench.story() == ["7 pending", "7 running"])
    }

    @Test(
        "slurmdbd's and the plugin's word that a job has begun is asked about",
        arguments: [JobObservation.Source.accounting, .plugin])
    func begun(_ source: JobObservation.Source) async throws {
        let bench = try Bench()
        try await bench.see(seen(.running, source, start: 490))
        #expect(try await bench.story() == ["7 pending"])
        #expect(try await bench.ledger.dueHints(limit: 9).map(\.reason) == [.settle])
    }

    struct End: CustomTestStringConvertible {
        var name: String
        var before: JobObservation
        var end: JobObservation
        var ran: Bool

        var testDescription: String { name }
    }

    @Test(
        "a job that ends before its nodes are up has an end and did not run",
        arguments: [
            End(
                name: "cancelled while they boot", before: seen(.running, start: 490, at: 2000).configuring(),
                end: seen(.cancelled, .plugin, completing: true, start: 490, end: 600), ran: false),
            End(
                name: "cancelled while they boot, says slurmdbd",
                before: seen(.running, start: 490, at: 2000).configuring(),
                end: seen(.cancelled, .accounting, restarts: nil, start: 490, end: 600), ran: false),
            End(
                name: "they do not boot", before: seen(.running, start: 490, at: 2000).configuring(),
                end: seen(.bootFail, start: 490, end: 600), ran: false),
            End(
                name: "over before anybody saw that they were up",
                before: seen(.running, start: 490, at: 2000).configuring(),
                end: seen(.completed, .plugin, start: 580, end: 600), ran: true),
            End(
                name: "cancelled right after they were up", before: seen(.running, start: 490, at: 2000).configuring(),
                end: seen(.cancelled, .plugin, start: 580, end: 600), ran: true),
            End(
                name: "a prolog at slurmctld, whose time Slurm counts",
                before: seen(.running, start: 490, at: 2000).configuring(poweringUp: false),
                end: seen(.completed, .plugin, start: 490, end: 600), ran: true),
        ])
    func end(_ row: End) async throws {
        let bench = try Bench()
        try await bench.see(seen(.pending), row.before, row.end)
        let kinds = try await bench.ledger.transitions(after: 0, limit: 9).map(\.kind)
        #expect(kinds == (row.ran ? [.pending, .running, .ended] : [.pending, .ended]))
        #expect(try await bench.ledger.verify().isEmpty)
    }

    @Test("put back into the queue while its nodes boot: no time is told that it did not run")
    func requeued() async throws {
        let bench = try Bench()
        try await bench.see(
            seen(.pending), seen(.running, start: 490, at: 2000).configuring(),
            seen(.pending, submit: 600, restarts: 1, at: 3000), force: true)
        let requeued = try #require(
            try await bench.ledger.transitions(after: 0, limit: 9).first { $0.kind == .requeued })
        #expect(requeued.elapsed == nil && requeued.state == nil)
        #expect(try await bench.story() == ["7 pending", "7 requeued", "7 pending"])
    }
}
