// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import JobLifecycle

@Suite("A submission without an answer")
struct SubmissionDoubtTests {
    private static let second: Int64 = 1_000_000

    /// Looks as the verdicts say, until one is another than to look again.
    private func outcome(
        _ timing: SchedulerTiming = SchedulerTiming(), longest: Int64 = 0, firstLook: Int64 = 1, absent: Int64 = 0,
        restartedAt: Int64? = nil
    ) -> (verdict: SubmissionDoubt.Verdict, at: Int64, looks: Int) {
        var doubt = SubmissionDoubt(askedAt: 0, since: 0)
        var now = firstLook * Self.second
        for look in 1...100_000 {
            var timing = timing
            if let restartedAt, now >= restartedAt * Self.second {
                timing.runningFor = now / Self.second - restartedAt
            }
            let verdict = doubt.found(nothingAt: now, timing, longest: longest * Self.second)
            guard case .look(let next) = verdict else { return (verdict, now / Self.second, look) }
            now = max(next, look == 1 ? absent * Self.second : 0)
        }
        return (.unknowable, -1, 0)
    }

    @Test(
        "not given up before a dozen MessageTimeouts of the cluster's own",
        arguments: [(2, 24), (10, 120), (60, 720)] as [(Int64, Int64)])
    func patience(_ timeout: Int64, _ atLeast: Int64) {
        let (verdict, at, looks) = outcome(SchedulerTiming(messageTimeout: timeout))
        #expect(verdict == .askAgain && at >= atLeast && at <= atLeast + 2 * timeout && looks >= 12)
    }

    @Test(
        "the wait grows with the longest time that a submission took, up to an hour",
        arguments: [
            (25, 120), (50, 200), (100, 400), (1_000_000, 3600),
        ] as [(Int64, Int64)])
    func learned(_ longest: Int64, _ atLeast: Int64) {
        let (verdict, at, _) = outcome(SchedulerTiming(minimumJobAge: 300), longest: longest)
        #expect(verdict == .askAgain && at >= atLeast && at <= atLeast + 20)
    }

    @Test("a clock that is set back by years begins the wait again, and ends it")
    func clockSetBack() {
        let (wrong, right) = (700_000_000 * Self.second, 1_000_000 * Self.second)
        var doubt = SubmissionDoubt(askedAt: wrong, since: wrong)
        for seconds in [1, 20] as [Int64] {
            _ = doubt.found(nothingAt: wrong + seconds * Self.second, SchedulerTiming(), longest: 0)
        }
        var now = right
        for _ in 1...100 {
            let verdict = doubt.found(nothingAt: now, SchedulerTiming(), longest: 0)
            guard case .look(let next) = verdict else {
                #expect(verdict == .askAgain && now - right >= 120 * Self.second)
                return
            }
            now = next
        }
        Issue.record("it is never asked again")
    }

    @Test("a clock that is set forward ends no wait")
    func clockSetForward() {
        var doubt = SubmissionDoubt(askedAt: 0, since: 0)
        var now = 86_400 * Self.second
        for look in 1...6 {
            let verdict = doubt.found(nothingAt: now, SchedulerTiming(minimumJobAge: 0), longest: 0)
            guard case .look(let next) = verdict else {
                #expect(look == 6 && verdict == .askAgain)
                return
            }
            #expect(next - now == 10 * Self.second)
            now = next
        }
        Issue.record("never given up")
    }

    @Test("looks at once count once")
    func looksApart() {
        var doubt = SubmissionDoubt(askedAt: 0, since: 0)
        for millisecond in 0..<1000 {
            _ = doubt.found(nothingAt: 200 * Self.second + Int64(millisecond) * 1000, SchedulerTiming(), longest: 0)
        }
        #expect(doubt.looks == 1)
    }

    @Test("a time without a look in which it may have come, been ended and been forgotten")
    func forgotten() {
        #expect(outcome(SchedulerTiming(minimumJobAge: 300), firstLook: 301).verdict == .unknowable)
        #expect(outcome(SchedulerTiming(minimumJobAge: 300), absent: 310).verdict == .unknowable)
        #expect(outcome(SchedulerTiming(minimumJobAge: 300), firstLook: 290).verdict == .askAgain)
        // 0 is for ever (slurm.conf(5)).
        #expect(outcome(SchedulerTiming(minimumJobAge: 0), firstLook: 100_000).verdict == .askAgain)
        // A short memory is looked at often enough.
        #expect(outcome(SchedulerTiming(minimumJobAge: 4)).verdict == .askAgain)
    }

    @Test("a slurmctld that was started after the call knows nothing of it")
    func restarted() {
        let (verdict, at, looks) = outcome(restartedAt: 5)
        #expect(verdict == .askAgain && (25...35).contains(at) && looks >= 3)
        // One that has been running all the while does.
        #expect(outcome(restartedAt: 0).at >= 120)
        #expect(outcome(restartedAt: 1).at >= 120, "the clocks count whole seconds")
    }

    @Test("a call of an agent that was killed counts as over from the first look on")
    func killedAgent() {
        var doubt = SubmissionDoubt(askedAt: 0)
        var timing = SchedulerTiming()
        timing.runningFor = 30
        _ = doubt.found(nothingAt: 40 * Self.second, timing, longest: 0)
        #expect(doubt.since == 40 * Self.second)
        timing.runningFor = 60
        guard case .look(_) = doubt.found(nothingAt: 70 * Self.second, timing, longest: 0) else {
            Issue.record("slurmctld was started before the agent's call was over")
            return
        }
    }

    @Test("while a call of ours hangs no look counts, but each is one")
    func hangs() {
        var doubt = SubmissionDoubt(askedAt: 0)
        for look in 1...100 {
            let now = Int64(look) * 10 * Self.second
            let verdict = doubt.found(nothingAt: now, SchedulerTiming(), longest: 0, hangs: true)
            #expect(verdict == .look(at: now + 10 * Self.second))
        }
        #expect(doubt.looks == 0 && doubt.gap == 10 * Self.second && doubt.since == nil)
        var now = 1010 * Self.second
        while case .look(let next) = doubt.found(nothingAt: now, SchedulerTiming(), longest: 0) { now = next }
        #expect(now >= 1120 * Self.second)
    }

    @Test("nonsense from outside traps nowhere")
    func nonsense() {
        for value in [Int64.min, -1, 0, 1, Int64.max] {
            var doubt = SubmissionDoubt(askedAt: 0)
            let timing = SchedulerTiming(messageTimeout: value, minimumJobAge: value, runningFor: value)
            _ = doubt.found(nothingAt: 1_000_000, timing, longest: max(0, value))
        }
    }
}

@Suite("Which job of an order is kept")
struct SubmissionChoiceTests {
    private static func job(
        _ id: UInt32, _ base: SchedulerState.Base = .pending, submit: Int64 = 500, start: Int64? = nil,
        restarts: UInt32 = 0
    ) -> JobObservation {
        seen(
            base, key: JobKey(id), submit: submit, restarts: restarts, start: start,
            end: base == .cancelled || base == .completed ? 600 : nil)
    }

    @Test(
        "the one that started first, else the oldest that lives, else the oldest",
        arguments: [
            ([job(1), job(2)], 1),
            ([job(2), job(1)], 1),
            ([job(1, submit: 510), job(2, submit: 500)], 2),
            ([job(1), job(2, .running, start: 505)], 2),
            ([job(1, .running, start: 506), job(2, .running, start: 505)], 2),
            ([job(1, .cancelled), job(2)], 2),
            ([job(1, .cancelled), job(2, .cancelled)], 1),
            ([job(1), job(2, .completed, start: 505)], 2),
            ([job(1), job(2, restarts: 1)], 2),
        ] as [([JobObservation], UInt32)])
    func table(_ jobs: [JobObservation], _ kept: UInt32) {
        #expect(SubmissionChoice.keep(jobs)?.jobID == kept)
    }

    @Test func none() {
        #expect(SubmissionChoice.keep([]) == nil)
    }
}

@Suite("The tag")
struct OrderTagTests {
    private static let tag = "sga:12-0123456789abcdef"

    @Test(
        "found whatever stands around it",
        arguments: [
            tag, "a,\(tag)", "\(tag),a", "\(tag) seen by the plugin", "a;\(tag);b", "<\(tag)>", "x\(tag)y", "\(tag)0",
            "sga:\(tag)", "sga:1-\(tag)", "\"\(tag)\"", "é\(tag)é",
        ])
    func found(_ text: String) {
        #expect(OrderTag.all(in: text) == [Self.tag])
    }

    @Test(
        "not found",
        arguments: [
            "", "sga:", "sga:12", "sga:12-", "sga:12-0123456789abcde", "sga:-0123456789abcdef",
            "SGA:12-0123456789abcdef", "sga:12-0123456789ABCDEF", "sga:12 -0123456789abcdef",
        ])
    func absent(_ text: String) {
        #expect(OrderTag.all(in: text).isEmpty)
    }

    @Test func several() {
        let other = "sga:13-fedcba9876543210"
        #expect(OrderTag.all(in: "\(Self.tag)\(other) \(Self.tag)") == [Self.tag, other, Self.tag])
        #expect(OrderTag.all(in: nil).isEmpty)
        let made = OrderTag.make(7)
        #expect(OrderTag.all(in: made) == [made])
    }

    @Test("the second mark is no process's session, nor one of Slurm's reserved numbers")
    func session() {
        let marks = (1...1000).map { OrderTag.session(of: OrderTag.make($0)) }
        #expect(marks.allSatisfy { $0 >= 1 << 22 && $0 < 0x7fff_ffff })
        #expect(Set(marks).count > 990)
        #expect(OrderTag.session(of: Self.tag) == OrderTag.session(of: Self.tag))
    }
}
