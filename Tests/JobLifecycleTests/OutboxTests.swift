// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials
import GRDB
import NIOConcurrencyHelpers
import Testing

@testable import JobLifecycle

@Suite("Outbox")
struct OutboxTests {
    /// Answers as it is told, and remembers what it was asked.
    final class FakeGateway: Gateway {
        let name = "all"
        let scope = Ledger.Interest.Scope.everything
        let batchLimit = 10
        let answer: NIOLockedValueBox<@Sendable (JobTransition) -> Delivery?>
        let asked = NIOLockedValueBox<[String]>([])
        let away = NIOLockedValueBox(false)
        /// What runs, each time that it was told.
        let caughtUp = NIOLockedValueBox<[[UInt32]]>([])
        /// So many calls of it fail yet.
        let failures = NIOLockedValueBox(0)

        init(_ answer: @escaping @Sendable (JobTransition) -> Delivery? = { _ in .delivered }) {
            self.answer = NIOLockedValueBox(answer)
        }

        func deliver(_ transitions: [JobTransition]) async throws(GatewayUnavailable) -> [Delivery] {
            if away.withLockedValue({ $0 }) { throw GatewayUnavailable("away") }
            asked.withLockedValue { $0 += transitions.map { "\($0.job ?? "-") \($0.kind.rawValue)" } }
            let answer = answer.withLockedValue { $0 }
            return transitions.compactMap(answer)
        }

        func catchUp(_ running: [JobTransition]) async throws(GatewayUnavailable) {
            caughtUp.withLockedValue { $0.append(running.compactMap(\.jobID).sorted()) }
            let fails = failures.withLockedValue { count in
                count -= 1
                return count >= 0
            }
            if fails { throw GatewayUnavailable("away") }
        }
    }

    private func twoJobs() async throws -> Bench {
        let bench = try Bench()
        try await bench.see(
            seen(.pending, key: JobKey(1)), seen(.pending, key: JobKey(2)), seen(.running, key: JobKey(1), start: 490),
            seen(.running, key: JobKey(2), start: 490))
        return bench
    }

    @Test("in order, once")
    func order() async throws {
        let bench = try await twoJobs()
        let gateway = FakeGateway()
        let runner = OutboxRunner(ledger: bench.ledger, gateway: gateway, logger: quiet)
        #expect(try await runner.deliverDue())
        #expect(try await !runner.deliverDue())
        #expect(gateway.asked.withLockedValue { $0 } == ["1 pending", "2 pending", "1 running", "2 running"])
    }

    @Test("a job that has to wait holds up no other, and is tried again later each time")
    func retry() async throws {
        let bench = try await twoJobs()
        let gateway = FakeGateway { $0.job == "1" ? .retry("busy") : .delivered }
        let runner = OutboxRunner(ledger: bench.ledger, gateway: gateway, logger: quiet)
        try await runner.deliverDue()
        #expect(try await !runner.deliverDue())
        #expect(try await bench.ledger.counts().waitingDeliveries == 2)
        bench.clock.advance(0.6)
        try await runner.deliverDue()
        bench.clock.advance(0.6)
        #expect(try await !runner.deliverDue(), "the second pause is longer")
        gateway.answer.withLockedValue { $0 = { _ in .delivered } }
        bench.clock.advance(400)
        try await runner.deliverDue()
        #expect(try await bench.ledger.counts().waitingDeliveries == 0)
        #expect(try await bench.ledger.verify().isEmpty)
    }

    @Test("what is refused for good is parked: the job's later ones wait, other jobs go on, retry brings it back")
    func parked() async throws {
        let bench = try await twoJobs()
        let gateway = FakeGateway {
            $0.job == "1" ? ($0.kind == .pending ? .refused("never") : .retry("after it")) : .delivered
        }
        let runner = OutboxRunner(ledger: bench.ledger, gateway: gateway, logger: quiet)
        try await runner.deliverDue()
        bench.clock.advance(1000)
        #expect(try await !runner.deliverDue())
        #expect(try await bench.ledger.list(.parked, limit: 5).map(\.job) == ["1"])
        #expect(try await bench.ledger.list(.parked, limit: 5).first?.trouble == "never")
        let backlog = try #require(try await bench.ledger.backlogs().first { $0.gateway == gateway.name })
        #expect(backlog.parked == 1 && backlog.waiting == 1 && backlog.lastError == "never")
        #expect(backlog.oldest == Int64(bench.clock.now().timeIntervalSince1970) - 1000)
        gateway.answer.withLockedValue { $0 = { _ in .delivered } }
        #expect(try await bench.ledger.retryDeliveries() == 2)
        try await runner.deliverDue()
        #expect(try await bench.ledger.counts().parkedDeliveries == 0)
        #expect(try await bench.ledger.counts().waitingDeliveries == 0)
        #expect(try await bench.ledger.backlogs().first { $0.gateway == gateway.name }?.oldest == nil)
    }

    @Test("a gateway that answers for too few is asked again for the rest")
    func tooFew() async throws {
        let bench = try await twoJobs()
        let gateway = FakeGateway { $0.sequence <= 2 ? .delivered : nil }
        try await OutboxRunner(ledger: bench.ledger, gateway: gateway, logger: quiet).deliverDue()
        #expect(try await bench.ledger.counts().waitingDeliveries == 2)
    }

    @Test("a gateway that is away: what waited goes first when it is back, before what came later")
    func away() async throws {
        let bench = try await twoJobs()
        let gateway = FakeGateway()
        let runner = OutboxRunner(ledger: bench.ledger, gateway: gateway, logger: quiet)
        gateway.away.withLockedValue { $0 = true }
        await #expect(throws: GatewayUnavailable("away")) { try await runner.deliverDue() }
        try await bench.see(seen(.pending, key: JobKey(3)))
        gateway.away.withLockedValue { $0 = false }
        #expect(try await runner.deliverDue())
        #expect(
            gateway.asked.withLockedValue { $0 } == ["1 pending", "2 pending", "1 running", "2 running", "3 pending"])
    }

    @Test("one that begins late is told what runs, after what waits for it; and again when it could not take it")
    func late() async throws {
        let bench = try Bench([])
        try await bench.see(seen(.running, key: JobKey(1), start: 490), seen(.pending, key: JobKey(2)))
        bench.ledger.close()
        let ledger = try Ledger(
            path: bench.folder.ledger, cluster: "lab", interests: [.init(gateway: "all", scope: .everything)],
            now: bench.clock.now)
        defer { ledger.close() }
        try await ledger.fold(Ledger.Intake(observations: [seen(.running, key: JobKey(3), start: 490)]))
        let gateway = FakeGateway()
        gateway.failures.withLockedValue { $0 = 1 }
        let runner = OutboxRunner(ledger: ledger, gateway: gateway, logger: quiet)
        let task = Task { await runner.catchUp(pause: .milliseconds(1)) }
        try await runner.deliverDue()
        await task.value
        #expect(gateway.caughtUp.withLockedValue { $0 } == [[1, 3], [1, 3]])
        #expect(gateway.asked.withLockedValue { $0 } == ["3 running"])
    }

    @Test("a cluster that is never quiet keeps it no longer than so many looks")
    func neverQuiet() async throws {
        let bench = try await twoJobs()
        let gateway = FakeGateway()
        let begun = ContinuousClock.now
        await OutboxRunner(ledger: bench.ledger, gateway: gateway, logger: quiet).catchUp(
            looks: 3, pause: .milliseconds(50))
        // What waits for it goes first while it may.
        #expect(begun.duration(to: .now) >= .milliseconds(150))
        #expect(gateway.caughtUp.withLockedValue { $0 } == [[1, 2]])
    }

    @Test("what was delivered long ago costs nothing: the due ones are found by the indexes of what is open")
    func plan() async throws {
        let bench = try Bench()
        func plan(_ sql: String, _ arguments: StatementArguments) async throws -> [String] {
            try await bench.ledger.read { database in
                try Row.fetchAll(database, sql: "EXPLAIN QUERY PLAN " + sql, arguments: arguments).map {
                    $0["detail"] as String
                }
            }
        }
        let fresh = try await plan(Ledger.freshQuery, ["all", 10])
        #expect(fresh.contains { $0.contains("deliveries_fresh (gateway=?)") })
        #expect(fresh.contains { $0.contains("deliveries_held (gateway=? AND job=? AND sequence<?)") })
        let heads = try await plan(Ledger.headQuery, ["all", 0, 10])
        #expect(heads.contains { $0.contains("deliveries_postponed (gateway=? AND next_at>? AND next_at<?)") })
        #expect(heads.contains { $0.contains("deliveries_held (gateway=? AND job=? AND sequence<?)") })
        let tail = try await plan(Ledger.tailQuery, ["all", 1, 1, 0, 10])
        #expect(tail.contains { $0.contains("deliveries_held (gateway=? AND job=? AND sequence>?)") })
        #expect(!(fresh + heads + tail).contains { $0.contains("TEMP B-TREE") })
        withExtendedLifetime(bench) {}
    }
}
