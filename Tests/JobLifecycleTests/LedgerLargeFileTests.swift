// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import GRDB
import NIOConcurrencyHelpers
import Testing

@testable import JobLifecycle

@Suite("A large ledger's file")
struct LedgerLargeFileTests {
    private static func ended(_ numbers: ClosedRange<UInt32>) -> Ledger.Intake {
        Ledger.Intake(observations: numbers.map { seen(.completed, key: JobKey($0), start: 490, end: 495) })
    }

    // MARK: the check of the file

    @Test("a file too large for the check at the start is read in slices later")
    func slices() async throws {
        let folder = try TemporaryFolder()
        var ledger = try Ledger(
            path: folder.ledger, cluster: "lab", interests: [.init(gateway: "all", scope: .everything)])
        try await ledger.fold(Self.ended(1...300))
        ledger.close()
        ledger = try Ledger(path: folder.ledger, cluster: "lab", checkLimit: .zero)
        #expect(!ledger.wasChecked)
        var position = Ledger.CheckPosition()
        var slices = 1
        while try await ledger.check(&position, rows: 100) { slices += 1 }
        // 300 jobs, 300 runs, 600 transitions and 600 deliveries, each to an empty slice, and five small tables.
        #expect(slices == 4 + 4 + 7 + 7 + 5)
        ledger.close()
        #expect(try Ledger(path: folder.ledger, cluster: "lab").wasChecked)
    }

    @Test(
        "damage that is found then makes the next start look closer, and set the file aside", arguments: [true, false])
    func damageFoundLater(_ isReal: Bool) async throws {
        let folder = try TemporaryFolder()
        var ledger = try Ledger(path: folder.ledger, cluster: "lab")
        try await ledger.fold(Self.ended(1...2000))
        ledger.close()
        if isReal {
            let file = try #require(FileHandle(forUpdatingAtPath: folder.ledger))
            try file.seek(toOffset: try file.seekToEnd() / 2 / 4096 * 4096)
            try file.write(contentsOf: Data(repeating: 0xA5, count: 4096 * 20))
            try file.close()
        }
        ledger = try Ledger(path: folder.ledger, cluster: "lab", checkLimit: .zero)
        #expect(ledger.opening == .existing)
        var position = Ledger.CheckPosition()
        var found: LedgerError?
        do throws(LedgerError) {
            while try await ledger.check(&position) {}
        } catch {
            found = error
        }
        #expect(found?.code == (isReal ? .damaged : nil))
        ledger.noteDamage()
        ledger.close()
        let steps = NIOLockedValueBox<[Ledger.OpeningStep]>([])
        ledger = try Ledger(
            path: folder.ledger, cluster: "lab", checkLimit: .zero,
            progress: { step in steps.withLockedValue { $0.append(step) } })
        #expect(steps.withLockedValue { $0 }.first == .checking)
        if isReal {
            guard case .replaced = ledger.opening else {
                Issue.record("opened as \(ledger.opening)")
                return
            }
        } else {
            #expect(ledger.opening == .existing && ledger.wasChecked)
        }
        ledger.close()
        #expect(try !Ledger(path: folder.ledger, cluster: "lab", checkLimit: .zero).wasChecked, "once")
    }

    // MARK: upgrades

    /// A file as the first release left it.
    private static func makeFirst(_ path: String) throws {
        let queue = try DatabaseQueue(path: path)
        let body = """
            {"details":{},"final":true,"job":"1","kind":"ended","ledger_job":1,"recorded_at_us":5,"sequence":1}
            """
        try queue.write { database in
            try database.execute(sql: LedgerSchema.steps[0].sql)
            try database.execute(
                sql: """
                    PRAGMA user_version = 1;
                    INSERT INTO meta VALUES ('cluster', 'lab');
                    INSERT INTO jobs (id, number, part, final, created_at) VALUES (1, 1, -1, 1, 5), (2, 2, -1, 0, 5), (3, 3, -1, 1, 5);
                    INSERT INTO jobs (id, final, created_at, gateway, external_id, claim, order_phase)
                        VALUES (4, 0, 5, 'all', 'a', 1, 'accepted');
                    INSERT INTO runs (job, number, part, submit_time, job_id, phase, details, as_of, told_running)
                        VALUES (1, 1, -1, 1, 1, 'ended', '{}', 5, 1), (2, 2, -1, 1, 2, 'running', '{}', 5, 1),
                            (3, 3, -1, 1, 3, 'vanished', '{}', 5, 1);
                    INSERT INTO hints (job_id, reason, time, parked) VALUES (2, 'start', 5, 0), (9, 'record', 5, 1);
                    INSERT INTO refused_frames (at, peer, reason, bytes) VALUES (5, 'p', 'r', x'00');
                    """)
            for (job, kind, final) in [(1, "ended", true), (2, "running", false), (3, "vanished", true)] {
                try database.execute(
                    sql: "INSERT INTO transitions (job, kind, final, recorded_at, body) VALUES (?, ?, ?, 5, ?)",
                    arguments: [job, kind, final, body])
            }
            try database.execute(
                sql: """
                    INSERT INTO deliveries (gateway, sequence, job, state, next_at, error) VALUES ('all', 1, 1, 1, 0, NULL),
                        ('all', 2, 2, 0, 0, NULL), ('all', 3, 3, 0, 7, 'busy'), ('gone', 1, 1, 2, 0, 'never')
                    """)
        }
        try queue.close()
    }

    @Test("a file of format 1: told, counted, and all of it still there")
    func upgrade() async throws {
        let folder = try TemporaryFolder()
        try Self.makeFirst(folder.ledger)
        #expect(throws: LedgerError.self, "an agent of this release must have opened it") {
            try Ledger(reading: folder.ledger)
        }
        let steps = NIOLockedValueBox<[Ledger.OpeningStep]>([])
        for _ in 0..<2 {
            let clock = TestClock()
            let ledger = try Ledger(
                path: folder.ledger, cluster: "lab", interests: [.init(gateway: "all", scope: .everything)],
                now: clock.now,
                progress: { step in steps.withLockedValue { $0.append(step) } })
            #expect(
                try await ledger.counts()
                    == Ledger.Counts(
                        jobs: 4, openRuns: 1, openOrders: 1, waitingDeliveries: 2, parkedDeliveries: 1, hints: 1,
                        parkedHints: 1, refusedFrames: 1, vanished: 1, lastSequence: 3))
            #expect(try await ledger.verify().isEmpty)
            #expect(try await ledger.backlogs().map { [$0.waiting, $0.parked] } == [[2, 0]])
            #expect(try await ledger.backlogs().first?.lastError == "busy")
            #expect(try await ledger.unconfigured().map(\.gateway) == ["gone"])
            #expect(try await ledger.dueDeliveries("all", limit: 9).map(\.transition.sequence) == [2, 3])
            #expect(try await ledger.list(.open, limit: 9).map(\.ledgerJob) == [4, 2])
            ledger.close()
        }
        #expect(steps.withLockedValue { $0 } == [.upgrading(from: 1, to: LedgerSchema.current)])
    }
}
