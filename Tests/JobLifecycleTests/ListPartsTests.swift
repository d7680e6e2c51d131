// SPDX-License-Identifier: GPL-3.0-or-later

import GRDB
import NIOConcurrencyHelpers
import Testing

@testable import JobLifecycle

@Suite("A long list of slurmctld's")
struct ListPartsTests {
    private static let count: UInt32 = 2_300

    /// Every tenth runs.
    private static func job(_ number: UInt32) -> JobObservation {
        number % 10 == 0
            ? seen(.running, key: JobKey(number), start: 490) : seen(.pending, key: JobKey(number))
    }

    private struct Part: Equatable {
        var range: Range<Int>
        /// In the ledger before it was made.
        var runs: Int
    }

    @Test("is taken in part by part: what is made of it is little, and those that run come first")
    func parts() async throws {
        let bench = try Bench()
        let fake = FakeScheduler()
        let parts = NIOLockedValueBox<[Part]>([])
        let reader = bench.ledger.reader
        fake.state.list = (1...Self.count).map(Self.job)
        fake.change {
            $0.onPart = { range in
                let runs = try? reader.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM runs") }
                parts.withLockedValue { $0.append(Part(range: range, runs: (runs ?? nil) ?? -1)) }
            }
        }
        let reconciler = Reconciler(ledger: bench.ledger, scheduler: fake, logger: quiet)
        try await reconciler.poll(sweep: true)
        // Each is made once the one before is on the disk.
        let size = Reconciler.partSize
        #expect(
            parts.withLockedValue { $0 }
                == stride(from: 0, to: Int(Self.count), by: size).map { start in
                    Part(range: start..<min(start + size, Int(Self.count)), runs: start)
                })
        let first = try await bench.ledger.transitions(after: 0, limit: Int(Self.count / 10))
        #expect(first.allSatisfy { $0.kind == .running })
        #expect(try await bench.ledger.counts().openRuns == Int(Self.count))
        #expect(try await bench.ledger.counts().hints == 0)
    }

    @Test("what is missing in it is missing in the whole of it", arguments: [1, 700, 2_300])
    func missing(_ number: UInt32) async throws {
        let bench = try Bench()
        let fake = FakeScheduler()
        fake.state.list = (1...Self.count).map(Self.job)
        let before = Reconciler(ledger: bench.ledger, scheduler: fake, logger: quiet)
        try await before.poll(sweep: true)
        fake.state.list.removeAll { $0.jobID == number }
        fake.state.stamp = 2
        // A start, whose first list it is, and one that remembers the list before.
        for reconciler in [Reconciler(ledger: bench.ledger, scheduler: fake, logger: quiet), before] {
            try await reconciler.poll(sweep: true)
            #expect(try await bench.ledger.dueHints(starts: 9, others: 9).hints.map(\.jobID) == [number])
        }
    }

    @Test("a part that cannot be written is asked for again, with all after it")
    func failure() async throws {
        let bench = try Bench()
        let fake = FakeScheduler()
        fake.state.list = (1...Self.count).map(Self.job)
        let reconciler = Reconciler(ledger: bench.ledger, scheduler: fake, logger: quiet)
        try await bench.sql(
            "CREATE TRIGGER fault BEFORE INSERT ON runs WHEN NEW.number = 1201 BEGIN SELECT RAISE(ABORT, 'fault'); END")
        await #expect(throws: LedgerError.self) { try await reconciler.poll(sweep: true) }
        #expect(try await bench.ledger.counts().openRuns < Int(Self.count))
        try await bench.sql("DROP TRIGGER fault")
        try await reconciler.poll(sweep: true)
        #expect(try await bench.ledger.counts().openRuns == Int(Self.count))
    }
}

extension Bench {
    fileprivate func sql(_ statement: String) async throws {
        let pool = try #require(ledger.reader as? DatabasePool)
        try await pool.write { try $0.execute(sql: statement) }
    }
}
