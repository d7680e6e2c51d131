// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import JobLifecycle

@Suite("Catching up with slurmdbd")
struct CatchUpTests {
    private func settings(overlap: Int64 = 100, slice: Int64 = 50) -> CatchUpPlan.Settings {
        var settings = CatchUpPlan.Settings()
        settings.overlap = overlap
        settings.slice = slice
        settings.least = 10
        settings.longAnswer = 40
        return settings
    }

    @Test("slice by slice up to now, longer while answers are short, and the cursor with each")
    func slices() {
        var plan = CatchUpPlan(cursor: 1000, settings: settings())
        var asked: [ClosedRange<Int64>] = []
        var isOver = false
        while !isOver {
            let window = plan.next(now: 1500)
            asked.append(window)
            isOver = plan.succeeded(window, rows: 0)
            #expect(plan.cursor == max(1000, window.upperBound))
        }
        #expect(asked == [900...949, 950...1049, 1050...1249, 1250...1500])
    }

    @Test("the first time there is nothing to catch up with")
    func firstTime() {
        var plan = CatchUpPlan(cursor: nil, settings: settings(slice: 1000))
        let window = plan.next(now: 5000)
        #expect(window == 4900...5000)
        let isOver = plan.succeeded(window, rows: 3)
        #expect(isOver && plan.cursor == 5000)
    }

    @Test("a failure costs nothing that was taken in: the same slice again, smaller and later each time")
    func failures() {
        var plan = CatchUpPlan(cursor: 1000, settings: settings())
        let first = plan.next(now: 1500)
        let isOver = plan.succeeded(first, rows: 20)
        #expect(!isOver)
        #expect(plan.next(now: 1500) == 950...999)
        #expect(plan.failed() == .seconds(2))
        #expect(plan.next(now: 1600) == 950...974)
        #expect(plan.failed() == .seconds(4))
        #expect(plan.next(now: 9000) == 950...961)
        for _ in 0..<20 { _ = plan.failed() }
        #expect(plan.next(now: 9000) == 950...959, "never less than the least")
        #expect(plan.failed() == .seconds(300))
        #expect(plan.cursor == 1000)
    }

    @Test("long answers make the slices shorter")
    func longAnswers() {
        var plan = CatchUpPlan(cursor: 1000, settings: settings())
        let first = plan.next(now: 1500)
        let isOver = plan.succeeded(first, rows: 41)
        #expect(!isOver)
        #expect(plan.next(now: 1500) == 950...974)
    }

    @Test("after an outage the same time is asked for twice: slurmctld kept for slurmdbd what ended meanwhile")
    func twice() {
        var plan = CatchUpPlan(cursor: 1000, settings: settings(slice: 10_000))
        func round(_ now: Int64) -> ClosedRange<Int64> {
            let window = plan.next(now: now)
            let isOver = plan.succeeded(window, rows: 20)
            #expect(isOver)
            return window
        }
        #expect(round(4000) == 900...4000, "the agent was away")
        #expect(round(4300) == 900...4300)
        #expect(round(4600) == 4200...4600)
        _ = plan.next(now: 4900)
        _ = plan.failed()
        #expect(round(9000) == 4500...4900, "what was under way")
        #expect(round(9300) == 4500...9300)
        #expect(round(9600) == 9200...9600)
    }

    @Test("a clock that is set back asks for no window that ends before it begins")
    func clockSetBack() {
        var plan = CatchUpPlan(cursor: 5000, settings: settings(slice: 1000))
        let window = plan.next(now: 50)
        #expect(window == 0...50)
        let isOver = plan.succeeded(window, rows: 0)
        #expect(isOver && plan.cursor == 5000)
    }

    @Test("an unseen end becomes a hint, and Slurm is asked about the job; what the ledger knows does not")
    func unseen() async throws {
        let clock = VirtualClock()
        let folder = try TemporaryFolder()
        let ledger = try Ledger(path: folder.ledger, cluster: "lab", now: clock.date)
        let slurm = SlowScheduler(clock)
        let known = seen(.completed, .accounting, restarts: nil, start: 999_700, end: 999_990)
        try await ledger.fold(Ledger.Intake(observations: [known]))
        // An array whose rest was split up, and taken back by a slurmctld that was killed.
        try await ledger.fold(
            Ledger.Intake(observations: [
                seen(.pending, key: JobKey(9, .rest), tasks: "1"),
                seen(.completed, key: JobKey(9, .task(1)), start: 490, end: 495),
            ]))
        let rest = seen(.cancelled, .accounting, key: JobKey(9, .rest), restarts: nil, end: 999_992)
        slurm.state.rows = [
            rest,
            known, seen(.failed, .accounting, key: JobKey(8), restarts: nil, start: 999_700, end: 999_991),
            // A row that slurmdbd began when job 7 changed its size.
            seen(.completed, .accounting, submit: 999_800, restarts: nil, start: 999_800, end: 999_990),
        ]
        let catchUp = AccountingCatchUp(
            ledger: ledger, scheduler: slurm, interval: .seconds(300), settings: CatchUpPlan.Settings(), logger: quiet,
            clock: clock)
        #expect(await catchUp.step() == .seconds(300))
        #expect(try await ledger.dueHints(limit: 9).map(\.jobID) == [8, 9])
        #expect(try await ledger.cursor(AccountingCatchUp.cursor) == 1_000_000)
        let follower = HintFollower(ledger: ledger, scheduler: slurm, logger: quiet, clock: clock)
        while try await follower.followDue() {}
        let told = try await ledger.transitions(after: 0, limit: 20).filter { $0.job == "8" }
        #expect(told.map(\.kind) == [.running, .ended])
        #expect(Set(slurm.state.asked.filter { $0.hasPrefix("look") }) == ["look 8", "look 9"])
    }

    @Test("slurmdbd away: later each time, the cursor stays, and each slice that worked is kept")
    func away() async throws {
        let clock = VirtualClock()
        let folder = try TemporaryFolder()
        let ledger = try Ledger(path: folder.ledger, cluster: "lab", now: clock.date)
        try await ledger.setCursor(AccountingCatchUp.cursor, 990_000)
        let slurm = SlowScheduler(clock)
        let catchUp = AccountingCatchUp(
            ledger: ledger, scheduler: slurm, interval: .seconds(300), settings: CatchUpPlan.Settings(), logger: quiet,
            clock: clock)
        #expect(await catchUp.step() == .zero)
        #expect(try await ledger.cursor(AccountingCatchUp.cursor) == 990_899)
        #expect(await catchUp.step() == .zero)
        #expect(try await ledger.cursor(AccountingCatchUp.cursor) == 994_499)
        slurm.state.accountingFails = true
        #expect(await catchUp.step() == .seconds(2))
        #expect(await catchUp.step() == .seconds(4))
        #expect(try await ledger.cursor(AccountingCatchUp.cursor) == 994_499)
        slurm.state.accountingFails = false
        #expect(await catchUp.step() == .zero)
        #expect(
            slurm.state.asked == [
                "ended in 989100...990899", "ended in 990900...994499", "ended in 994500...1000000",
                "ended in 994500...998099", "ended in 994500...996299",
            ])
        #expect(try await ledger.cursor(AccountingCatchUp.cursor) == 996_299)
    }
}
