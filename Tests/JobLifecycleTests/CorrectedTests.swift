// SPDX-License-Identifier: GPL-3.0-or-later

import GRDB
import Testing

@testable import JobLifecycle

/// A run was told as vanished, and slurmdbd learns its end later than `vanish-after`.
@Suite("A vanished run whose end comes to light")
struct CorrectedTests {
    private static let interests: [Ledger.Interest] = [
        .init(gateway: "journal", scope: .everything), .init(gateway: "grid", scope: .ownJobs),
    ]

    private func follow(_ bench: Bench, _ fake: FakeScheduler) async throws {
        let follower = HintFollower(ledger: bench.ledger, scheduler: fake, logger: quiet)
        while try await follower.followDue() {}
    }

    /// A request of the grid became job 7, which ran, and Slurm has forgotten it.
    private func vanished(
        _ bench: Bench, _ fake: FakeScheduler, running: JobObservation, then: [JobObservation] = []
    ) async throws {
        let order = try await bench.ledger.accept(JobOrder(gateway: "grid", externalID: "x", request: [1]))
        try await bench.ledger.noteAttempt(order)
        try await bench.ledger.noteSubmitted(order, jobID: 7, seen: [Self.tagged(running, try await tag(bench, order))])
        try await bench.ledger.noteReleased(order)
        try await bench.ledger.fold(Ledger.Intake(observations: then))
        try await bench.ledger.addMissing([7])
        try await follow(bench, fake)
        bench.clock.advance(100)
        try await follow(bench, fake)
        #expect(try await bench.ledger.counts().vanished == 1)
    }

    private func tag(_ bench: Bench, _ order: Int64) async throws -> String {
        try #require(try await bench.ledger.order(ledgerJob: order)).tag
    }

    private static func tagged(_ seen: JobObservation, _ tag: String) -> JobObservation {
        var seen = seen
        seen.details.adminComment = tag
        return seen
    }

    /// What a gateway is told, in order.
    private func told(_ bench: Bench, _ gateway: String) async throws -> [String] {
        try await bench.ledger.read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT t.kind, t.final FROM deliveries d JOIN transitions t ON t.sequence = d.sequence
                    WHERE d.gateway = ? ORDER BY d.sequence
                    """, arguments: [gateway]
            ).map { $0[0] as String + ($0[1] ? " final" : "") }
        }
    }

    /// Phase and state of the run that vanished.
    private func run(_ bench: Bench) async throws -> [String?] {
        try await bench.ledger.read { database in
            let row = try Row.fetchOne(
                database, sql: "SELECT phase, state FROM runs WHERE number = 7 AND submit_time = 489")
            return [row?[0], row?[1]]
        }
    }

    struct Case: Sendable {
        var name: String
        /// Heard of the run before it vanished.
        var before: [JobObservation] = []
        /// slurmdbd's rows, later.
        var rows: [JobObservation]
        /// Of slurmctld, then.
        var records: [JobObservation] = []
        /// What the journal gets after the end was told.
        var journal: [String]
        var phase: RunRecord.Phase
        var state: SchedulerState.Base?
        var vanished = 0
    }

    private static func row(
        _ base: SchedulerState.Base, submit: Int64 = 489, requeueing: Bool = false, start: Int64 = 490,
        end: Int64? = 800,
        exit: UInt32? = nil, name: String = "job"
    ) -> JobObservation {
        seen(
            base, .accounting, submit: submit, restarts: nil, requeueing: requeueing, start: start, end: end,
            exit: exit,
            name: name)
    }

    static let rows: [Case] = [
        Case(name: "COMPLETED", rows: [row(.completed)], journal: ["corrected"], phase: .ended, state: .completed),
        Case(
            name: "FAILED", rows: [row(.failed, exit: 512)], journal: ["corrected"], phase: .ended, state: .failed),
        Case(
            name: "its node failed, and it went no further", rows: [row(.nodeFail)], journal: ["corrected"],
            phase: .ended, state: .nodeFail),
        Case(
            name: "requeued, and over in its second run",
            rows: [row(.pending, requeueing: true), row(.completed, submit: 900, start: 901, end: 950)],
            journal: ["corrected", "running", "ended"], phase: .requeued, state: nil),
        Case(
            name: "requeued, and running again", rows: [row(.pending, requeueing: true)],
            records: [seen(.running, submit: 900, restarts: 1, start: 901, at: 2_000_000_000_000)],
            journal: ["corrected", "running"], phase: .requeued, state: nil),
        Case(
            name: "put back before it vanished, and over in its second run",
            before: [seen(.pending, .plugin, requeueing: true, start: 490, end: 495)],
            rows: [
                row(.pending, requeueing: true, end: 495), row(.completed, submit: 900, start: 901, end: 950),
            ], journal: ["running", "ended"], phase: .vanished, state: nil, vanished: 1),
        Case(
            name: "another run of the number, of another job",
            rows: [row(.completed, submit: 900, start: 901, end: 950, name: "other")],
            journal: ["running", "ended final"], phase: .vanished, state: .running, vanished: 1),
        Case(
            name: "the number is another job's by now", rows: [row(.completed)],
            records: [seen(.running, submit: 900, start: 901, at: 2_000_000_000_000, name: "other")],
            journal: ["corrected", "running"], phase: .ended, state: .completed),
        Case(
            name: "still running, for all that slurmdbd knows", rows: [row(.running, end: nil)], journal: [],
            phase: .vanished, state: .running, vanished: 1),
        Case(name: "nothing yet", rows: [], journal: [], phase: .vanished, state: .running, vanished: 1),
    ]

    @Test("the ledger and the journal learn it, the grid hears of no second end", arguments: rows.indices)
    func table(_ index: Int) async throws {
        let row = Self.rows[index]
        let bench = try Bench(Self.interests)
        let fake = FakeScheduler()
        try await vanished(bench, fake, running: seen(.running, start: 490), then: row.before)
        let grid = try await told(bench, "grid")
        #expect(grid.filter { $0.hasSuffix("final") } == ["vanished final"], "\(row.name)")
        let before = try await told(bench, "journal")

        fake.state.list = row.records
        fake.state.accounting = row.rows
        // Nobody has to tell of it: slurmdbd is asked again.
        bench.clock.advance(301)
        try await follow(bench, fake)
        #expect(try await told(bench, "grid") == grid, "\(row.name)")
        #expect(try await Array(told(bench, "journal").dropFirst(before.count)) == row.journal, "\(row.name)")
        #expect(try await run(bench) == [row.phase.rawValue, row.state?.rawValue], "\(row.name)")
        #expect(try await bench.ledger.counts().vanished == row.vanished, "\(row.name)")
        #expect(try await bench.ledger.verify() == [], "\(row.name)")

        // The same rows over and over bring nothing more.
        let story = try await bench.story()
        for _ in 0..<3 {
            bench.clock.advance(100_000)
            try await bench.ledger.addUnseenEnds(row.rows.filter(\.tellsEnd))
            try await follow(bench, fake)
        }
        #expect(try await bench.story() == story, "\(row.name)")
    }

    @Test("a correction has the end as Slurm knows it")
    func content() async throws {
        let bench = try Bench(Self.interests)
        let fake = FakeScheduler()
        try await vanished(bench, fake, running: seen(.running, start: 490))
        fake.state.accounting = [Self.row(.failed, exit: 512)]
        try await bench.ledger.addUnseenEnds(fake.state.accounting ?? [])
        try await follow(bench, fake)
        let last = try #require(try await bench.ledger.transitions(after: 0, limit: 100).last)
        #expect(last.kind == .corrected && !last.isFinal && last.source == .accounting)
        #expect(last.state == .failed && last.exitCode == 2 && last.endTime == 800 && last.elapsed == 310)
        #expect(try await bench.ledger.counts().hints == 0)
    }

    @Test("slurmdbd is asked for some days, then no more; without slurmdbd never", arguments: [true, false])
    func patience(_ hasAccounting: Bool) async throws {
        let bench = try Bench(Self.interests)
        let fake = FakeScheduler()
        if !hasAccounting { fake.state.accounting = nil }
        try await vanished(bench, fake, running: seen(.running, start: 490))
        let counts = try await bench.ledger.counts()
        #expect(counts.hints == 0, "nothing waits for it")
        #expect(counts.vanishedHints == (hasAccounting ? 1 : 0))
        fake.change { $0.asked = [] }
        for _ in 0..<60 {
            bench.clock.advance(6 * 3600)
            try await follow(bench, fake)
        }
        let asked = fake.state.asked.filter { $0.hasPrefix("accounting") }.count
        #expect(asked == (hasAccounting ? 40 : 0), "\(asked)")
        #expect(try await bench.ledger.counts().vanishedHints == 0)
    }
}
