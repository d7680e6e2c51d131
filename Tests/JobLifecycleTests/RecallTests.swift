// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import JobLifecycle

@Suite("What was put off while the clock was years ahead")
struct RecallTests {
    private static let years = 20.0 * 365 * 86_400
    private static let second: Int64 = 1_000_000

    private static func due(_ ledger: Ledger) async throws -> [Int] {
        [
            try await ledger.dueOrders(limit: 9).count, try await ledger.dueDeliveries("all", limit: 9).count,
            try await ledger.dueHints(starts: 9, others: 9).hints.count,
        ]
    }

    @Test("is due once the clock is right again; what waits for a while goes on waiting")
    func recall() async throws {
        let bench = try Bench([.init(gateway: "all", scope: .everything), .init(gateway: "grid", scope: .ownJobs)])
        let ledger = bench.ledger
        let order = try await ledger.accept(JobOrder(gateway: "grid", externalID: "a", request: [1]))
        try await bench.see(seen(.pending, key: JobKey(1)))
        try await ledger.addMissing([8])
        bench.clock.advance(Self.years)
        let before = try await Self.due(ledger)
        #expect(before.allSatisfy { $0 > 0 })
        let later = ledger.microseconds + Self.second
        try await ledger.postponeOrder(order, to: later, why: "busy")
        let deliveries = try await ledger.dueDeliveries("all", limit: 9).map {
            Ledger.DeliveryResult(sequence: $0.transition.sequence, outcome: .retry("away"), next: later)
        }
        try await ledger.record(deliveries, of: "all")
        let hints = try await ledger.dueHints(starts: 9, others: 9).hints
        let failed = Ledger.HintAnswer(
            job: HintedJob(jobID: 8, hints: hints), content: .failed("busy", .seconds(1)))
        _ = try await ledger.apply([failed], HintFollower.Settings())
        bench.clock.advance(-Self.years)
        let stuck = try await Self.due(ledger)
        #expect(stuck == [0, 0, 0])
        let count = try await ledger.recallPostponed()
        #expect(count == before.reduce(0, +))
        let after = try await Self.due(ledger)
        #expect(after == before)

        try await ledger.postponeOrder(order, to: ledger.microseconds + Self.second, why: "busy")
        let none = try await ledger.recallPostponed()
        let waiting = try await ledger.dueOrders(limit: 9)
        #expect(none == 0 && waiting.isEmpty)
    }
}
