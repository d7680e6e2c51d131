// SPDX-License-Identifier: GPL-3.0-or-later

import GRDB
import Testing

@testable import JobLifecycle

/// slurmctld put a job back, and was killed before it saved that.
@Suite("A requeue that slurmctld takes back")
struct RestoredTests {
    /// When slurmctld is asked after the requeue is in the ledger, which dates that by its own clock.
    private static let later: Int64 = 1_000_000_000_001

    private static func active(
        _ base: SchedulerState.Base = .running, at time: Int64 = later, restarts: UInt32 = 0, completing: Bool = false,
        revoked: Bool = false
    ) -> JobObservation {
        seen(base, restarts: restarts, completing: completing, revoked: revoked, start: 490, at: time)
    }

    private static func end(
        _ source: JobObservation.Source, _ base: SchedulerState.Base = .cancelled, end: Int64 = 683,
        at time: Int64 = later
    ) -> JobObservation {
        var row = seen(base, source, restarts: source == .accounting ? nil : 0, start: 490, end: end, at: time)
        row.isForgotten = source == .accounting
        return row
    }

    /// slurmdbd's row of the first run.
    private static var putBackAgain: JobObservation {
        var row = seen(.pending, .accounting, restarts: nil, requeueing: true, start: 490, end: 600, at: later)
        row.isForgotten = true
        return row
    }

    /// Ran from 490 to 493, was put back, and waits since 494.
    private func putBack(_ bench: Bench, key: JobKey = JobKey(7)) async throws {
        try await bench.see(
            seen(.running, key: key, start: 490),
            seen(.pending, .plugin, key: key, requeueing: true, start: 490, end: 493, at: 2000),
            seen(.pending, key: key, submit: 494, restarts: 1, at: 3000))
    }

    private static let before = ["7 running", "7 requeued", "7 pending"]

    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        /// Of the second run, before.
        var second: [JobObservation] = []
        var seen: [JobObservation]
        var story: [String]
        var phases: [RunRecord.Phase]

        var testDescription: String { name }
    }

    static let cases: [Case] = [
        Case(
            name: "it runs on, and ends", seen: [active(), end(.plugin, .completed, at: later + 1)],
            story: ["7 restored RUNNING", "7 ended COMPLETED final"], phases: [.ended, .undone]),
        Case(
            name: "over when slurmctld is asked again", seen: [end(.controller)],
            story: ["7 restored RUNNING", "7 ended CANCELLED final"], phases: [.ended, .undone]),
        Case(
            name: "slurmdbd alone knows how it ended", seen: [end(.accounting)],
            story: ["7 restored RUNNING", "7 ended CANCELLED final"], phases: [.ended, .undone]),
        Case(
            name: "slurmctld saved it before it started",
            seen: [active(.pending), active(at: later + 1), end(.plugin, at: later + 2)],
            story: ["7 restored PENDING", "7 resumed RUNNING", "7 ended CANCELLED final"], phases: [.ended, .undone]),
        Case(
            name: "slurmctld saved it while it was suspended", seen: [active(.suspended)],
            story: ["7 restored RUNNING", "7 suspended SUSPENDED"], phases: [.suspended, .undone]),
        Case(
            name: "the second run was told as running",
            second: [seen(.running, submit: 494, restarts: 1, start: 500, at: 4000)], seen: [active()],
            story: ["7 running", "7 restored RUNNING"], phases: [.running, .undone]),
        Case(
            name: "the second run had come to an end of its own",
            second: [
                seen(.running, submit: 494, restarts: 1, start: 500, at: 4000),
                seen(.nodeFail, .plugin, submit: 494, restarts: 1, start: 500, end: 503, at: 5000),
            ], seen: [active()],
            story: ["7 running", "7 restored RUNNING", "7 requeued NODE_FAIL"], phases: [.running, .undone]),
        Case(
            name: "put back once more",
            seen: [
                active(), seen(.pending, .plugin, requeueing: true, start: 490, end: 600, at: later + 1),
                seen(.pending, submit: 601, restarts: 1, at: later + 2),
            ], story: ["7 restored RUNNING", "7 requeued", "7 pending"], phases: [.requeued, .undone, .pending]),
        Case(
            name: "put back once more within the second",
            seen: [
                active(), seen(.pending, .plugin, requeueing: true, start: 490, end: 494, at: later + 1),
                seen(.pending, submit: 494, restarts: 1, at: later + 2),
            ], story: ["7 restored RUNNING", "7 requeued"], phases: [.requeued, .pending]),
        Case(
            name: "slurmdbd: put back once more",
            seen: [
                putBackAgain, seen(.running, submit: 601, restarts: 1, start: 602, at: later + 2),
            ], story: ["7 restored RUNNING", "7 requeued", "7 running"], phases: [.requeued, .undone, .running]),
        Case(
            name: "an answer about the second run comes late",
            seen: [active(), seen(.running, submit: 494, restarts: 1, start: 500, at: later - 1)],
            story: ["7 restored RUNNING"], phases: [.running, .undone]),
        Case(
            name: "slurmdbd has an end of the second run",
            seen: [
                active(),
                seen(.failed, .accounting, submit: 494, restarts: nil, start: 500, end: 510, at: later + 1),
            ], story: ["7 restored RUNNING", "7 running", "7 requeued FAILED"], phases: [.running, .undone]),
        Case(
            name: "two requeues are lost; and the run is put back once more",
            second: [
                seen(.running, submit: 494, restarts: 1, start: 500, at: 4000),
                seen(.pending, .plugin, submit: 494, restarts: 1, requeueing: true, start: 500, end: 503, at: 5000),
                seen(.pending, submit: 504, restarts: 2, at: 6000),
            ],
            seen: [
                active(), seen(.pending, .plugin, requeueing: true, start: 490, end: 600, at: later + 1),
                seen(.pending, submit: 601, restarts: 1, at: later + 2),
            ],
            story: [
                "7 running", "7 requeued", "7 pending", "7 restored RUNNING", "7 requeued", "7 pending",
            ], phases: [.requeued, .undone, .undone, .pending]),
        // What looks like it.
        Case(
            name: "slurmctld was asked before the requeue was known", seen: [active(at: later - 2)], story: [],
            phases: [.requeued, .pending]),
        Case(
            name: "the plugin's word", seen: [end(.plugin)], story: [], phases: [.requeued, .pending]),
        Case(
            name: "slurmdbd's row is of the requeue", seen: [end(.accounting, .nodeFail, end: 494)], story: [],
            phases: [.requeued, .pending]),
        Case(
            name: "its nodes are still being cleaned", seen: [active(.pending, restarts: 1, completing: true)],
            story: [], phases: [.requeued, .pending]),
        Case(
            name: "restarted, with the old submit time", seen: [active(.pending, restarts: 1)], story: [],
            phases: [.requeued, .pending]),
        Case(
            name: "another cluster of the federation has it", seen: [active(.pending, revoked: true)], story: [],
            phases: [.requeued, .pending]),
        Case(
            name: "the second run was told as the end",
            second: [seen(.completed, .plugin, submit: 494, restarts: 1, start: 500, end: 510, at: 5000)],
            seen: [active(), end(.controller, at: later + 1)], story: ["7 running", "7 ended COMPLETED final"],
            phases: [.requeued, .ended]),
        Case(
            name: "the number is another job's by now",
            second: [seen(.running, submit: 900, start: 901, at: 4000, name: "other")], seen: [active()],
            story: ["7 vanished PENDING final", "7 running"], phases: [.requeued, .vanished, .running]),
    ]

    @Test("life stories", arguments: cases)
    func stories(_ row: Case) async throws {
        let bench = try Bench()
        try await putBack(bench)
        #expect(try await bench.story() == Self.before)
        for one in row.second { try await bench.see(one, force: true) }
        for one in row.seen { try await bench.see(one) }
        #expect(try await Array(bench.story().dropFirst(3)) == row.story)
        #expect(try await phases(bench) == row.phases.map(\.rawValue))
        #expect(try await bench.ledger.verify() == [])
        // All of it once more brings nothing.
        let story = try await bench.story()
        for one in row.seen where one.state.base.isEnd { try await bench.see(one) }
        #expect(try await bench.story() == story)
    }

    private func phases(_ bench: Bench, number: Int = 7) async throws -> [String] {
        try await bench.ledger.read { database in
            try String.fetchAll(
                database, sql: "SELECT phase FROM runs WHERE number = ? ORDER BY submit_time", arguments: [number])
        }
    }

    @Test(
        "what is told: of the requeue that does not count its times, of the end slurmdbd's", arguments: [true, false])
    func content(_ byController: Bool) async throws {
        let bench = try Bench()
        try await putBack(bench)
        try await bench.see(byController ? Self.active() : Self.end(.accounting), Self.end(.accounting))
        let told = try await bench.ledger.transitions(after: 0, limit: 100).suffix(2)
        let restored = try #require(told.first)
        let ended = try #require(told.last)
        #expect(restored.kind == .restored && restored.submitTime == 489 && !restored.isFinal)
        #expect(restored.elapsed == 3 && restored.endTime == 493 && restored.startTime == 490)
        #expect(ended.kind == .ended && ended.submitTime == 489 && ended.isFinal)
        #expect(ended.elapsed == 193 && ended.endTime == 683 && ended.state == .cancelled)
        let summary = try #require(try await bench.ledger.summaries(ofJob: 7).first)
        #expect(summary.runs == 1 && summary.phase == "ended" && summary.elapsed == 193)
    }

    @Test("an array's task; a component of a heterogeneous job, the other one stays as it is")
    func others() async throws {
        let bench = try Bench()
        let task = JobKey(8, .task(3))
        for key in [JobKey(7), JobKey(9), task] { try await putBack(bench, key: key) }
        try await bench.see(Self.active(), seen(.running, key: task, start: 490, at: Self.later))
        #expect(try await phases(bench) == ["running", "undone"])
        #expect(try await phases(bench, number: 8) == ["running", "undone"])
        #expect(try await phases(bench, number: 9) == ["requeued", "pending"])
    }

    @Test("both are over and forgotten when the agent comes back: slurmdbd is asked, and the job does not vanish")
    func away() async throws {
        let bench = try Bench()
        let fake = FakeScheduler()
        try await putBack(bench)
        fake.state.accounting = [Self.end(.accounting)]
        try await follow(bench, fake)
        #expect(try await bench.story() == Self.before + ["7 restored RUNNING", "7 ended CANCELLED final"])
        bench.clock.advance(1000)
        try await follow(bench, fake)
        #expect(try await bench.story().count == 5)
        #expect(try await bench.ledger.counts().vanished == 0)
    }

    @Test("slurmdbd learns of it only after the job was told as vanished: a correction")
    func vanished() async throws {
        let bench = try Bench()
        let fake = FakeScheduler()
        try await putBack(bench)
        try await follow(bench, fake)
        bench.clock.advance(100)
        try await follow(bench, fake)
        #expect(try await bench.story() == Self.before + ["7 vanished PENDING final"])
        fake.state.accounting = [Self.end(.accounting)]
        bench.clock.advance(1000)
        try await follow(bench, fake)
        #expect(try await bench.story() == Self.before + ["7 vanished PENDING final", "7 corrected CANCELLED"])
        #expect(try await phases(bench) == ["ended", "undone"])
        #expect(try await bench.ledger.counts().vanished == 0)
        #expect(try await bench.ledger.verify() == [])
    }

    private func follow(_ bench: Bench, _ fake: FakeScheduler) async throws {
        try await bench.ledger.addMissing([7])
        let follower = HintFollower(ledger: bench.ledger, scheduler: fake, logger: quiet)
        while try await follower.followDue() {}
    }

    @Test("a run that was told as the job's end, and that slurmctld takes back, brings nothing more")
    func ended() async throws {
        let bench = try Bench()
        try await bench.see(Self.active(at: 1000), Self.end(.plugin, .completed, end: 493, at: 2000))
        try await bench.see(Self.active(), Self.end(.controller, .failed, at: Self.later + 1), Self.end(.accounting))
        #expect(try await bench.story() == ["7 running", "7 ended COMPLETED final"])
    }

    @Test("which questions count: asked after all that was seen of the later run, and after it was written here")
    func times() throws {
        let rule = RunFold(policy: RequeuePolicy())
        var known = try #require(rule.fold(nil, Self.active(at: 1000))?.run)
        let next = try #require(rule.fold(nil, seen(.pending, submit: 494, restarts: 1, at: 3000))?.run)
        known.phase = .requeued
        for (asked, written, counts) in [(2999, 0, false), (3000, 0, false), (3001, 0, true), (3001, 3001, false)] {
            let sequel = RunFold.Sequel(runs: [next], writtenAt: Int64(written))
            let outcome = rule.restored(known, by: Self.active(at: Int64(asked)), sequel)
            let told = outcome?.transitions ?? []
            #expect(told == (counts ? [.restored] : []), "\(asked) \(written)")
        }
        #expect(rule.restored(known, by: Self.active(), RunFold.Sequel(runs: [], writtenAt: 0)) == nil)
    }
}
