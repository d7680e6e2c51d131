// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import GRDB
import NIOConcurrencyHelpers
import Testing

@testable import JobLifecycle

@Suite("A ledger that grows")
struct LedgerGrowthTests {
    private static func deliver(_ ledger: Ledger, to gateway: String = "all", unless held: Set<String> = [])
        async throws
    {
        while true {
            let due = try await ledger.dueDeliveries(gateway, limit: 10_000).filter {
                !held.contains($0.transition.job ?? "")
            }
            if due.isEmpty { return }
            try await ledger.record(
                due.map { .init(sequence: $0.transition.sequence, outcome: .delivered, next: 0) }, of: gateway)
        }
    }

    private static func ended(_ numbers: ClosedRange<UInt32>) -> Ledger.Intake {
        Ledger.Intake(observations: numbers.map { seen(.completed, key: JobKey($0), start: 490, end: 495) })
    }

    // MARK: counters

    @Test("the counters are what is there, after all that can happen to a row")
    func counters() async throws {
        let bench = try Bench()
        let ledger = bench.ledger
        try await ledger.fold(Self.ended(1...20))
        try await bench.see(seen(.running, key: JobKey(30), start: 490), seen(.pending, key: JobKey(31)))
        _ = try await ledger.accept(JobOrder(gateway: "all", externalID: "a", request: []))
        // Two transitions a job: each can stop at either.
        for (sequence, outcome) in [
            (1, .delivered), (2, .retry("busy")), (3, .refused("never")), (5, .delivered), (6, .refused("never")),
        ] as [(Int64, Delivery)] {
            try await ledger.record(
                [.init(sequence: sequence, outcome: outcome, next: ledger.microseconds + 1)], of: "all")
        }
        try await ledger.addMissing([30, 31, 32])
        var counts = try await ledger.counts()
        #expect(
            counts
                == Ledger.Counts(
                    jobs: 23, openRuns: 2, openOrders: 1, waitingDeliveries: 38, parkedDeliveries: 2, hints: 3,
                    lastSequence: 42))
        #expect(try await ledger.verify().isEmpty)
        _ = try await ledger.adopt("all", "b", claim: 1, jobID: 30)
        _ = try await ledger.retryDeliveries()
        try await Self.deliver(ledger)
        bench.clock.advance(100)
        #expect(try await ledger.prune(olderThan: .seconds(1)) == 20)
        counts = try await ledger.counts()
        #expect(counts.jobs == 3 && counts.waitingDeliveries == 0 && counts.parkedDeliveries == 0)
        #expect(try await ledger.verify().isEmpty)
    }

    @Test("verify finds a counter that is wrong")
    func wrongCounter() async throws {
        let bench = try Bench()
        try await bench.see(seen(.pending))
        try await bench.ledger.transact {
            try $0.database.execute(sql: "UPDATE counters SET value = 7 WHERE name = 'waiting'")
        }
        #expect(try await bench.ledger.verify() == ["the counter waiting of all says 7, there are 1"])
    }

    // MARK: prune

    @Test("what has to stay does not keep what lies behind it, and each transaction takes little")
    func backlog() async throws {
        let bench = try Bench()
        try await bench.ledger.fold(Self.ended(1...1500))
        // The first 700 jobs are more than two looks full of what was not delivered.
        try await Self.deliver(bench.ledger, unless: Set((1...700).map { "\($0)" }))
        bench.clock.advance(100)
        #expect(try await bench.ledger.counts().waitingDeliveries == 1400)
        let transactions = NIOLockedValueBox(0)
        let pruned = try await bench.ledger.prune(olderThan: .seconds(1)) { _ in
            transactions.withLockedValue { $0 += 1 }
        }
        #expect(pruned == 800)
        // 250 jobs a look; the three small tables one each.
        #expect(transactions.withLockedValue { $0 } >= 3 + 800 / 250)
        #expect(try await bench.ledger.verify().isEmpty)
        try await Self.deliver(bench.ledger)
        #expect(try await bench.ledger.prune(olderThan: .seconds(1)) == 700)
    }

    @Test("a job that was requeued for days goes bit by bit, the ledger whole after each")
    func largeJob() async throws {
        let bench = try Bench()
        for run in Int64(0)..<300 {
            try await bench.see(
                seen(.running, submit: 500 + run * 10, restarts: UInt32(run), start: 501 + run * 10),
                seen(
                    .pending, .plugin, submit: 500 + run * 10, restarts: UInt32(run), requeueing: run < 299,
                    start: 501 + run * 10, end: 505 + run * 10))
        }
        try await bench.see(seen(.completed, submit: 3490, restarts: 299, start: 3491, end: 3495))
        try await Self.deliver(bench.ledger)
        bench.clock.advance(100)
        let before = try await bench.ledger.counts().lastSequence
        #expect(before >= 600)
        let ledger = bench.ledger
        let findings = NIOLockedValueBox<[String]>([])
        let steps = NIOLockedValueBox(0)
        let pruned = try await ledger.prune(olderThan: .seconds(1)) { _ in
            steps.withLockedValue { $0 += 1 }
            let found = (try? await ledger.verify()) ?? ["not to be read"]
            findings.withLockedValue { $0 += found }
        }
        #expect(pruned == 1 && steps.withLockedValue { $0 } >= 3 + 4)
        #expect(findings.withLockedValue { $0 } == [])
        #expect(try await ledger.counts().jobs == 0)
    }

    @Test("the walk: what it takes, and where it ends")
    func walk() {
        typealias Row = (sequence: Int64, job: Int64, recordedAt: Int64)
        let cases: [(rows: [Row], candidates: [Int64], isOver: Bool, name: String)] = [
            ([], [], true, "nothing there"),
            ([(1, 1, 10), (2, 1, 20), (3, 2, 30)], [1, 2], false, "all old"),
            ([(1, 1, 10), (2, 2, 100), (3, 1, 150)], [1], false, "the end of what is old is in this look"),
            ([(1, 1, 100), (2, 2, 120), (3, 1, 200)], [], true, "all young"),
            ([(1, 1, 9_000), (2, 2, 9_001), (3, 3, 9_002)], [], false, "dated by a clock that was wrong: passed over"),
            ([(1, 1, 9_000), (2, 2, 150), (3, 3, 9_002)], [], true, "a wrong clock, and young"),
            ([(1, 1, 10), (2, 2, 20)], [1, 2], true, "fewer than asked for: the last ones"),
        ]
        for one in cases {
            var walk = Ledger.PruneWalk(before: 100, now: 200)
            walk.take(one.rows, limit: 3)
            #expect(walk.candidates == one.candidates && walk.isOver == one.isOver, "\(one.name)")
            #expect(walk.sequence == one.rows.last?.sequence ?? 0)
        }
    }

    // MARK: gateways that are gone

    @Test(
        "what a gateway that is no longer configured was to be told is told of, kept for as long as jobs are, and dropped"
    )
    func unconfigured() async throws {
        let folder = try TemporaryFolder()
        let clock = TestClock()
        func open(_ gateways: String...) throws -> Ledger {
            try Ledger(
                path: folder.ledger, cluster: "lab",
                interests: gateways.map { .init(gateway: $0, scope: .everything) }, now: clock.now)
        }
        var ledger = try open("all", "gone")
        try await ledger.fold(Self.ended(1...3))
        try await Self.deliver(ledger)
        #expect(try await ledger.unconfigured().isEmpty)
        ledger.close()
        clock.advance(5000)
        ledger = try open("all")
        #expect(try await ledger.unconfigured() == [.init(gateway: "gone", deliveries: 6, since: 1_005_000)])
        #expect(try await ledger.prune(olderThan: .seconds(1000)) == 0)
        ledger.close()
        // Configured again in time: nothing is lost, and the time begins again.
        ledger = try open("all", "gone")
        clock.advance(5000)
        #expect(try await ledger.prune(olderThan: .seconds(1000)) == 0)
        #expect(try await ledger.dueDeliveries("gone", limit: 9).count == 6)
        ledger.close()
        ledger = try open("all")
        #expect(try await ledger.unconfigured().map(\.since) == [1_010_000])
        ledger.close()
        clock.advance(999)
        ledger = try open("all")
        #expect(try await ledger.prune(olderThan: .seconds(1000)) == 0)
        clock.advance(2)
        #expect(try await ledger.prune(olderThan: .seconds(1000)) == 3)
        #expect(try await ledger.unconfigured().isEmpty)
        #expect(try await ledger.verify().isEmpty)
        ledger.close()
    }

    @Test("what becomes of its own jobs while a gateway is not configured is kept for it, and named")
    func unconfiguredOwner() async throws {
        let folder = try TemporaryFolder()
        let clock = TestClock()
        func open(_ gateways: String...) throws -> Ledger {
            try Ledger(
                path: folder.ledger, cluster: "lab",
                interests: gateways.map { .init(gateway: $0, scope: .ownJobs) }, now: clock.now)
        }
        var ledger = try open("grid")
        for name in ["0xa", "0xb"] {
            try await ledger.accept(JobOrder(gateway: "grid", externalID: name, request: [1]))
        }
        ledger.close()
        // Nothing waits for it yet.
        ledger = try open()
        #expect(try await ledger.unconfigured().isEmpty)
        clock.advance(10)
        _ = try await ledger.withdraw("grid", "0xa", claim: 1, why: "not wanted")
        #expect(try await ledger.unconfigured() == [.init(gateway: "grid", deliveries: 1, since: 1_000_010)])
        ledger.close()
        ledger = try open("grid")
        #expect(try await ledger.unconfigured().isEmpty)
        #expect(try await ledger.dueDeliveries("grid", limit: 9).map(\.transition.externalID) == ["0xa"])
        ledger.close()
        // Given up: the jobs leave in the end.
        ledger = try open()
        clock.advance(10)
        _ = try await ledger.withdraw("grid", "0xb", claim: 1, why: "not wanted")
        #expect(try await ledger.unconfigured().map(\.deliveries) == [2])
        clock.advance(2000)
        #expect(try await ledger.prune(olderThan: .seconds(1000)) == 2)
        #expect(try await ledger.unconfigured().isEmpty)
        #expect(try await ledger.verify().isEmpty)
        ledger.close()
    }

    // MARK: the outbox

    @Test("a job's deliveries keep their order, whatever the limit and whichever is due first")
    func order() async throws {
        let bench = try Bench()
        let ledger = bench.ledger
        try await bench.see(
            seen(.pending, key: JobKey(1)), seen(.pending, key: JobKey(2)), seen(.running, key: JobKey(1), start: 490),
            seen(.running, key: JobKey(2), start: 490))
        let now = ledger.microseconds
        // Of job 1 the second is due before the first; of job 2 the first waits.
        for (sequence, next) in [(1, 200), (3, 100), (2, 900)] as [(Int64, Int64)] {
            try await ledger.record(
                [.init(sequence: sequence, outcome: .retry("busy"), next: now + next * 1_000_000)], of: "all")
        }
        func due(_ limit: Int) async throws -> [Int64] {
            try await ledger.dueDeliveries("all", limit: limit).map(\.transition.sequence)
        }
        #expect(try await due(9) == [])
        bench.clock.advance(150)
        #expect(try await due(9) == [], "3 waits for 1, 4 for 2")
        bench.clock.advance(100)
        #expect(try await due(9) == [1, 3])
        #expect(try await due(1) == [1])
        bench.clock.advance(800)
        #expect(try await due(9) == [1, 2, 3, 4])
        #expect(try await due(3) == [1, 2, 3])
        try await ledger.record([.init(sequence: 1, outcome: .refused("never"), next: 0)], of: "all")
        #expect(try await due(9) == [2, 4])
        #expect(try await ledger.nextDeliveryTime("all") == now + 100 * 1_000_000)
    }

    // MARK: the list

    @Test("list: each filter gives the newest, of all gateways")
    func list() async throws {
        let bench = try Bench([.init(gateway: "a", scope: .everything), .init(gateway: "b", scope: .everything)])
        let ledger = bench.ledger
        try await ledger.fold(Self.ended(1...6))
        try await bench.see(
            seen(.running, key: JobKey(7), start: 490), seen(.running, key: JobKey(8, .task(3)), id: 9, start: 490))
        try await Self.deliver(ledger, to: "a", unless: ["2", "8_3"])
        try await Self.deliver(ledger, to: "b", unless: ["4"])
        let parked = try #require(try await ledger.dueDeliveries("a", limit: 1).first).transition.sequence
        try await ledger.record([.init(sequence: parked, outcome: .refused("never"), next: 0)], of: "a")
        func jobs(_ filter: Ledger.Filter, _ limit: Int = 9) async throws -> [String?] {
            try await ledger.list(filter, limit: limit).map(\.job)
        }
        #expect(try await jobs(.all, 3) == ["8_3", "7", "6"])
        #expect(try await jobs(.open) == ["8_3", "7"])
        #expect(try await jobs(.waiting) == ["8_3", "4", "2"])
        #expect(try await jobs(.waiting, 2) == ["8_3", "4"])
        #expect(try await jobs(.parked) == ["2"])
        #expect(try await ledger.summaries(ofJob: 9).map(\.job) == ["8_3"])
        #expect(try await ledger.summaries(ofJob: 8).map(\.job) == ["8_3"])
        #expect(try await ledger.summary(ledgerJob: 2)?.trouble == "never")
        #expect(try await ledger.summary(ledgerJob: 4).map { [$0.waiting, $0.parked] } == [2, 0])
    }
}
