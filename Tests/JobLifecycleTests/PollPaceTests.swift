// SPDX-License-Identifier: GPL-3.0-or-later

import GRDB
import NIOConcurrencyHelpers
import Testing

@testable import JobLifecycle

@Suite("How often slurmctld's list is asked for")
struct PollPaceTests {
    /// What happens, each at a second after the start, and whether a poll is due then.
    enum Step {
        case list(Double)
        case noChange
        case failed
        case missed
        case due(Bool)
        case dueWithoutPlugins(Bool)
    }

    static let cases: [(name: String, steps: [(at: Double, step: Step)])] = [
        ("the first at once", [(0, .due(true))]),
        (
            "an idle poll costs nothing: each interval",
            [(0, .noChange), (4.9, .due(false)), (5, .due(true)), (5, .noChange), (10, .due(true))]
        ),
        ("a short list: each interval", [(0, .list(0.01)), (4.9, .due(false)), (5, .due(true))]),
        (
            "a long one: a hundredth of a thread",
            [
                (0, .list(0.65)), (5, .due(false)), (64, .due(false)), (64.5, .due(true)),
                (64.5, .dueWithoutPlugins(true)),
            ]
        ),
        (
            "plugins that do not work: each interval",
            [(0, .list(0.65)), (4.9, .dueWithoutPlugins(false)), (5, .dueWithoutPlugins(true))]
        ),
        (
            "no change after a long list does not bring the next one nearer",
            [(0, .list(0.65)), (64.5, .noChange), (69, .due(false)), (69.5, .due(true))]
        ),
        (
            "of two lists the cheaper counts: the other may have waited for a lock",
            [(0, .list(0.1)), (10, .list(9)), (14, .due(false)), (19, .due(false)), (20, .due(true))]
        ),
        (
            "twice as dear is dearer",
            [(0, .list(0.1)), (10, .list(2)), (100, .list(2)), (290, .due(false)), (298, .due(true))]
        ),
        ("no answer: again after the interval", [(0, .failed), (4.9, .due(false)), (5, .due(true))]),
        (
            "a list tells what a plugin should have told: not relied on for ten minutes",
            [
                (0, .list(0.65)), (0, .missed), (5, .due(true)), (599, .list(0.65)), (602, .due(false)),
                (604, .due(false)), (663.5, .due(true)),
            ]
        ),
    ]

    @Test("the table", arguments: cases.indices)
    func table(_ index: Int) {
        let (name, steps) = Self.cases[index]
        var pace = PollPace(interval: .seconds(5))
        let start = ContinuousClock.now
        for (at, step) in steps {
            let now = start + .seconds(at)
            switch step {
            case .list(let cost): pace.polled(now, list: .seconds(cost))
            case .noChange: pace.polled(now, list: nil)
            case .failed: pace.failed(now)
            case .missed: pace.missed(now)
            case .due(let wanted): #expect(pace.isDue(now, pluginsWork: true) == wanted, "\(name), at \(at)")
            case .dueWithoutPlugins(let wanted):
                #expect(pace.isDue(now, pluginsWork: false) == wanted, "\(name), at \(at), without plugins")
            }
        }
    }

    @Test("what is remembered of a list: what is new, differs, is gone")
    func memory() {
        var memory = JobListMemory()
        func read(_ records: [(UInt32, Int64, UInt64)], stamp: Int64) -> (changed: [UInt32], gone: [UInt32]) {
            memory.begin()
            let changed = records.filter { memory.differs($0.0, submitTime: $0.1, digest: $0.2) }.map(\.0)
            return (changed, memory.end(stamp: stamp).sorted())
        }
        #expect(memory.stamp == nil)
        #expect(read([(1, 10, 7), (2, 10, 8)], stamp: 5) == ([1, 2], []))
        #expect(read([(1, 10, 7), (2, 10, 9), (3, 11, 1)], stamp: 6) == ([2, 3], []))
        #expect(read([(1, 20, 7), (3, 11, 1)], stamp: 7) == ([1], [2]), "another run of the same number")
        #expect(memory.has(1, submitTime: 20) && !memory.has(1, submitTime: 10) && !memory.has(2, submitTime: 10))
        #expect(memory.stamp == 7 && memory.count == 2)
        #expect(read([], stamp: 8) == ([], [1, 3]))
    }

    @Test("a list that could not be taken in is taken in again; one that was costs its pause while the plugins work")
    func reconciler() async throws {
        let bench = try Bench()
        let fake = FakeScheduler()
        fake.state.list = [seen(.running, start: 999_999), seen(.pending, key: JobKey(8))]
        fake.state.listCost = .seconds(1)
        let plugins = NIOLockedValueBox(true)
        let reconciler = Reconciler(
            ledger: bench.ledger, scheduler: fake, logger: quiet, pluginsWork: { plugins.withLockedValue { $0 } })
        func polls() -> Int { fake.state.asked.filter { $0 == "jobs" }.count }
        let start = ContinuousClock.now
        let pages = try await bench.ledger.transact { try Int.fetchOne($0.database, sql: "PRAGMA page_count") ?? 0 }
        try await bench.ledger.setPageLimit(pages)
        fake.state.list += (100..<800).map { seen(.pending, key: JobKey($0), name: String(repeating: "x", count: 400)) }
        await reconciler.turn(now: start)
        #expect(try await bench.ledger.counts().openRuns < 702)
        try await bench.ledger.setPageLimit(1 << 20)
        await reconciler.turn(now: start + .seconds(101))
        #expect(try await bench.ledger.counts().openRuns == 702)
        #expect(polls() == 2)
        fake.state.stamp = 2
        await reconciler.turn(now: start + .seconds(150))
        #expect(polls() == 2, "99 s after a list that took one")
        plugins.withLockedValue { $0 = false }
        await reconciler.turn(now: start + .seconds(151))
        #expect(polls() == 3)
        plugins.withLockedValue { $0 = true }
        // A job that ended a minute ago, of which no plugin has told.
        fake.state.stamp = 3
        fake.state.list[0] = seen(.completed, start: 999_999, end: 999_940)
        await reconciler.turn(now: start + .seconds(251))
        #expect(polls() == 4)
        #expect(try await bench.ledger.openRuns(of: [7]).isEmpty)
        fake.state.stamp = 4
        await reconciler.turn(now: start + .seconds(257))
        #expect(polls() == 5)
    }

    @Test("memory is given back after a list and after a look for open runs, not after a poll that brought nothing")
    func memoryGivenBack() async throws {
        let bench = try Bench()
        let fake = FakeScheduler()
        fake.state.list = [seen(.pending)]
        let times = NIOLockedValueBox(0)
        let reconciler = Reconciler(
            ledger: bench.ledger, scheduler: fake, logger: quiet, afterPoll: { times.withLockedValue { $0 += 1 } })
        for (stamp, sweep, expected) in [(1, false, 1), (1, false, 1), (1, true, 2), (2, true, 3)]
            as [(Int64, Bool, Int)]
        {
            fake.state.stamp = stamp
            try await reconciler.poll(sweep: sweep)
            #expect(times.withLockedValue { $0 } == expected)
        }
        fake.state.reachable = false
        await #expect(throws: SchedulerError.self) { try await reconciler.poll(sweep: true) }
        #expect(times.withLockedValue { $0 } == 3)
    }
}
