// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import GRDB
import PlanCheck
import Support
import Testing

@testable import JobLifecycle

@Suite("Plans of the ledger's statements")
struct PlanTests {
    /// `meta`: a handful of names. `counters`: ten names and the gateways. `marks`: a row for each start of slurmctld within
    /// `retention`. `runs_open`: the runs that are not over, all of which a sweep is about.
    /// `hints_vanished`: the runs that Slurm forgot in some days.
    private static let small: Set<String> = [
        "sqlite_master", "sqlite_sequence", "meta", "counters", "marks", "runs_open", "jobs_open_orders",
        "hints_vanished",
    ]

    private static var sources: String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/../../Sources/JobLifecycle/Ledger"
    }

    /// Calls everything there is. What is new in the sources and not called fails the test below.
    private static func exercise(_ ledger: Ledger, _ clock: TestClock) async throws {
        try await runs(ledger, clock)
        try await hints(ledger, clock)
        try await orders(ledger)
        try await surplus(ledger, clock)
        try await commands(ledger)
        try await deliveries(ledger, clock)
        try await questions(ledger)
        try await ledger.recallPostponed()
        _ = try await ledger.verify()
        try await requeuedForDays(ledger)
        try await restored(ledger)
        // As an earlier release left it.
        try await ledger.transact {
            try $0.database.execute(sql: "DELETE FROM meta WHERE name = 'clock'")
            #expect(try Ledger.newestTime($0.database) != nil)
            try $0.note(ClockTrust.Leap(at: 1, by: 1))
        }
        clock.advance(1000)
        try await ledger.prune(olderThan: .seconds(1))
        var position = Ledger.CheckPosition()
        while try await ledger.check(&position) {}
    }

    private static func runs(_ ledger: Ledger, _ clock: TestClock) async throws {
        var intake = Ledger.Intake(
            observations: [
                seen(.running, start: 490), seen(.running, start: 490, at: 2000),
                seen(.completed, start: 490, end: 495),
                seen(.completed, .accounting, submit: 492, restarts: nil, start: 492, end: 494),
                seen(.running, key: JobKey(8), start: 490),
                seen(.running, key: JobKey(8), submit: 600, restarts: 1, start: 601),
                seen(.pending, key: JobKey(9, .rest), tasks: "1-3"), seen(.pending, key: JobKey(9, .task(2)), id: 10),
                seen(.pending, key: JobKey(9, .task(1)), id: 9),
                seen(.completed, key: JobKey(12), start: 490, end: 495, at: 1000),
                seen(.pending, key: JobKey(11), submit: 700),
                seen(.completed, key: JobKey(11), submit: 600, start: 601, end: 602),
                seen(.pending, key: JobKey(13, .rest), tasks: "1-3"),
                seen(.cancelled, key: JobKey(13, .rest), tasks: "1-3"),
            ], hints: [JobHint(jobID: 99, reason: .start, time: 1)])
        intake.marks = [Ledger.Mark(bootID: [1], sequence: 2, dropped: 0)]
        intake.refused = [Ledger.RefusedFrame(peer: "p", reason: "r", bytes: [1])]
        try await ledger.fold(intake)
        try await ledger.fold(
            Ledger.Intake(observations: [seen(.running, key: JobKey(8), submit: 600, restarts: 1, start: 601)]),
            force: true)
        _ = try await ledger.marks()
        _ = try await ledger.openRuns()
        _ = try await ledger.openRuns(of: [8])
        try await ledger.setCursor("c", 1)
        try await ledger.tryStorage()
        _ = try await ledger.cursor("c")
    }

    private static func hints(_ ledger: Ledger, _ clock: TestClock) async throws {
        try await ledger.addMissing([8, 9])
        try await ledger.addUnseenEnds([
            seen(.completed, .accounting, key: JobKey(77), submit: 300, restarts: nil, start: 301, end: 302)
        ])
        try await ledger.makeHintsDue()
        let due = try await ledger.dueHints(starts: 99, others: 99).hints
        let settings = HintFollower.Settings()
        func hinted(_ id: UInt32) -> HintedJob { HintedJob(jobID: id, hints: due.filter { $0.jobID == id }) }
        func apply(_ id: UInt32, _ content: Ledger.HintAnswer.Content) async throws {
            _ = try await ledger.apply([.init(job: hinted(id), content: content)], settings)
        }
        try await apply(8, .failed("busy", .zero))
        try await apply(8, .records([seen(.running, key: JobKey(80), restarts: 1)], asked: ledger.microseconds))
        for _ in 0..<2 {
            try await apply(8, .accounting(UnclearJob(job: hinted(8), records: []), rows: nil))
            clock.advance(100)
        }
        // It has vanished, and slurmdbd has no end of it.
        let row = seen(.running, .accounting, key: JobKey(8), restarts: nil, start: 490)
        try await apply(8, .accounting(UnclearJob(job: hinted(8), records: []), rows: [row]))
        try await apply(99, .accounting(UnclearJob(job: hinted(99), records: []), rows: nil))
        try await apply(77, .records([seen(.completed, key: JobKey(77), submit: 300, start: 301, end: 302)], asked: 0))
    }

    private static func surplus(_ ledger: Ledger, _ clock: TestClock) async throws {
        let order = try await ledger.accept(JobOrder(gateway: "own", externalID: "s", request: [1]))
        try await ledger.noteAttempt(order)
        try await ledger.note(
            SubmissionDoubt(askedAt: 1), of: order, lookAt: ledger.microseconds, why: "no answer")
        try await ledger.forgetAttempt(order, unsent: true)
        try await ledger.noteAttempt(order)
        let record = try #require(try await ledger.order(ledgerJob: order))
        // Seen before its number is known, as nobody's, and by its number alone.
        try await ledger.fold(Ledger.Intake(observations: [seen(.pending, key: JobKey(90), submit: 2_000_000)]))
        try await ledger.noteSubmitted(
            order, jobID: 90, seen: [seen(.pending, key: JobKey(90), submit: 2_000_000, tag: record.tag)],
            took: 5_000_000)
        try await ledger.noteSurplus([seen(.pending, key: JobKey(91), tag: record.tag)], of: order)
        try await ledger.fold(
            Ledger.Intake(observations: [seen(.pending, key: JobKey(92), tag: record.tag)]))
        for job in try await ledger.dueSurplus(limit: 9) { try await ledger.note(job, is: .over) }
        _ = try await ledger.nextSurplusTime()
        _ = try await ledger.longestSubmission()
        let lost = try await ledger.accept(JobOrder(gateway: "own", externalID: "l", request: [1]))
        try await ledger.noteAttempt(lost)
        _ = try await ledger.withdraw("own", "l", claim: 1, why: "not wanted any more")
        try await ledger.noteSubmitted(lost, jobID: 95)
        _ = try await ledger.noteLost(lost)
        let claimed = try await ledger.accept(JobOrder(gateway: "own", externalID: "t", request: [1]))
        try await ledger.noteAttempt(claimed)
        let tag = try #require(try await ledger.order(ledgerJob: claimed)).tag
        try await ledger.fold(Ledger.Intake(observations: [seen(.pending, key: JobKey(93), tag: tag)]))
        let again = try await ledger.accept(JobOrder(gateway: "own", externalID: "u", request: [1]))
        try await ledger.noteAttempt(again)
        try await ledger.forgetAttempt(again)
        try await ledger.noteAttempt(again)
        let second = try #require(try await ledger.order(ledgerJob: again)).tag
        var marked = seen(.pending, key: JobKey(94), tag: second)
        marked.session = OrderTag.session(of: second)
        try await ledger.fold(Ledger.Intake(observations: [marked]))
        try await ledger.forget(
            SurplusJob(jobID: 94, submitTime: 489, ledgerJob: again, phase: .found, hasStarted: false, tries: 0))
    }

    private static func orders(_ ledger: Ledger) async throws {
        let order = JobOrder(gateway: "own", externalID: "a", request: [1])
        let id = try await ledger.accept(order)
        _ = try await ledger.dueOrders(limit: 9)
        _ = try await ledger.nextOrderTime()
        try await ledger.noteAttempt(id)
        try await ledger.forgetAttempt(id)
        try await ledger.postponeOrder(id, to: 0, why: "busy")
        try await ledger.noteAttempt(id)
        let tag = try #require(try await ledger.order("own", "a", claim: 1)).tag
        try await ledger.noteSubmitted(id, jobID: 50)
        try await ledger.fold(Ledger.Intake(observations: [seen(.pending, key: JobKey(50), tag: tag)]))
        try await ledger.noteReleased(id)
        // slurmctld lost that, and then its end.
        let later = ledger.microseconds + 1
        var held = seen(.pending, key: JobKey(50), at: later, tag: tag)
        held.isHeld = true
        try await ledger.fold(Ledger.Intake(observations: [held]))
        try await ledger.noteReleased(id)
        let end = seen(.cancelled, key: JobKey(50), end: 495, at: later + 1, tag: tag)
        try await ledger.fold(Ledger.Intake(observations: [end]))
        try await ledger.fold(Ledger.Intake(observations: [seen(.pending, key: JobKey(50), at: later + 2, tag: tag)]))
        let refused = try await ledger.accept(JobOrder(gateway: "own", externalID: "b", request: [1]))
        try await ledger.noteRefused(refused, .scheduler, why: "no")
        _ = try await ledger.withdraw("own", "b", claim: 1, why: "taken back")
        _ = try await ledger.adopt("own", "c", claim: 1, jobID: 7)
        _ = try await ledger.transitions(of: "own", "a", claim: 1)
    }

    private static func commands(_ ledger: Ledger) async throws {
        let id = try await ledger.accept(JobOrder(gateway: "own", externalID: "d", request: [1]))
        try await ledger.noteAttempt(id)
        try await ledger.ask(.timeLimit(minutes: 5), of: "own", "d", claim: 1)
        try await ledger.noteSubmitted(id, jobID: 51)
        _ = try await ledger.nextCommandTime()
        let due = try #require(try await ledger.dueCommands(limit: 9).first)
        try await ledger.postpone(due, to: 0, why: "busy")
        try await ledger.note(due, is: .done)
        try await ledger.note(due, wasLost: true)
        try await ledger.ask(.cancel(why: "not wanted"), of: "own", "d", claim: 1, isUrgent: true)
        _ = try await ledger.commands(ofLedgerJob: id)
        let tag = try #require(try await ledger.order(ledgerJob: id)).tag
        try await ledger.fold(
            Ledger.Intake(observations: [seen(.cancelled, key: JobKey(51), submit: 2_000_000, end: 2_000_001, tag: tag)]
            ))
    }

    private static func deliveries(_ ledger: Ledger, _ clock: TestClock) async throws {
        for round in 0..<3 {
            clock.advance(100)
            let due = try await ledger.dueDeliveries("all", limit: 9)
            try await ledger.record(
                due.map {
                    .init(
                        sequence: $0.transition.sequence,
                        outcome: $0.transition.sequence % 3 == 0
                            ? .refused("no") : round == 0 ? .retry("busy") : .delivered,
                        next: ledger.microseconds + 1)
                }, of: "all")
        }
        _ = try await ledger.nextDeliveryTime("all")
        for filter in [Ledger.Filter.all, .open, .waiting, .parked] { _ = try await ledger.list(filter, limit: 9) }
        _ = try await ledger.retryDeliveries(ofJob: 1)
        _ = try await ledger.retryDeliveries()
    }

    private static func restored(_ ledger: Ledger) async throws {
        let key = JobKey(95)
        let story = [
            seen(.running, key: key, start: 490), seen(.pending, key: key, submit: 494, restarts: 1, at: 3000),
            seen(.running, key: key, start: 490, at: ledger.microseconds + 1),
        ]
        try await ledger.fold(Ledger.Intake(observations: story), force: true)
    }

    private static func requeuedForDays(_ ledger: Ledger) async throws {
        try await ledger.fold(
            Ledger.Intake(
                observations: (0...101).flatMap { run -> [JobObservation] in
                    let (submit, restarts) = (Int64(1000 + run * 10), UInt32(run))
                    return [
                        seen(.running, key: JobKey(60), submit: submit, restarts: restarts, start: submit + 1),
                        run == 101
                            ? seen(
                                .completed, key: JobKey(60), submit: submit, restarts: restarts, start: submit + 1,
                                end: submit + 2)
                            : seen(
                                .pending, .plugin, key: JobKey(60), submit: submit, restarts: restarts,
                                requeueing: true,
                                start: submit + 1, end: submit + 2),
                    ]
                }), force: true)
        let due = try await ledger.dueDeliveries("all", limit: 1000)
        try await ledger.record(
            due.map { .init(sequence: $0.transition.sequence, outcome: .delivered, next: 0) }, of: "all")
    }

    private static func questions(_ ledger: Ledger) async throws {
        _ = try await ledger.counts()
        _ = try await ledger.backlogs()
        _ = try await ledger.unconfigured()
        _ = try await ledger.summary(ledgerJob: 1)
        _ = try await ledger.summaries(ofJob: 7)
        _ = try await ledger.transitions(ofLedgerJob: 1)
        try await ledger.number(above: 1_000_000)
        _ = try await ledger.acceptedAt(1)
        _ = try await ledger.transitions(after: 0, limit: 9)
        _ = try await ledger.runs(ofJob: 7)
    }

    /// What `exercise` ran, on a ledger that has something for a gateway that is gone.
    private func collected() async throws -> PlanCheck {
        let folder = try TemporaryFolder()
        let clock = TestClock()
        let plans = PlanCheck()
        let gone = try Ledger(
            path: folder.ledger, cluster: "lab", interests: [.init(gateway: "gone", scope: .everything)],
            now: clock.now,
            trace: plans.collect)
        try await gone.fold(Ledger.Intake(observations: [seen(.completed, key: JobKey(1), start: 490, end: 495)]))
        gone.close()
        let ledger = try Ledger(
            path: folder.ledger, cluster: "lab",
            interests: [.init(gateway: "all", scope: .everything), .init(gateway: "own", scope: .ownJobs)],
            now: clock.now, trace: plans.collect)
        try await Self.exercise(ledger, clock)
        ledger.close()
        return plans
    }

    @Test("no statement that is run again and again looks at all rows of a table that grows")
    func scans() async throws {
        let plans = try await collected()
        let database = try DatabaseQueue()
        try await database.writeWithoutTransaction { try LedgerSchema.migrate($0) }
        let scans = try await database.read { try plans.scans($0, small: Self.small) }
        #expect(scans.isEmpty, "\(scans.joined(separator: "\n"))")
        // It would be seen.
        plans.collect("SELECT count(*) FROM deliveries WHERE state = 0")
        plans.collect("SELECT id FROM jobs WHERE final = 0")
        #expect(try await database.read { try plans.scans($0, small: Self.small).count } == 2)
    }

    @Test("every statement in the sources is among those")
    func complete() async throws {
        let unrun = try await collected().unrun(inSourcesAt: Self.sources)
        #expect(unrun.isEmpty, "call these in `exercise`:\n\(unrun.joined(separator: "\n"))")
    }

    @Test("a row that goes takes others with it by their indexes")
    func cascades() async throws {
        let database = try DatabaseQueue()
        try await database.writeWithoutTransaction { try LedgerSchema.migrate($0) }
        #expect(try await database.read { try PlanCheck.referencesWithoutIndex($0) } == [])
    }
}
