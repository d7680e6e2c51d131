// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import GRDB
import Testing

@testable import JobLifecycle

@Suite("Counters of the ledger")
struct LedgerCountersTests {
    private static let interests: [Ledger.Interest] = [
        .init(gateway: "all", scope: .everything), .init(gateway: "own", scope: .ownJobs),
    ]

    private struct Undone: Error {}

    /// What of the counters is not what is there.
    private static func wrong(_ ledger: Ledger) async throws -> [String] {
        try await ledger.verify().filter { $0.hasPrefix("the counter ") }
    }

    // MARK: at random

    /// A ledger to which all things happen, in an order that its seed gives.
    private struct Story {
        let folder: TemporaryFolder
        let clock = TestClock()
        var ledger: Ledger
        var random: SeededGenerator
        var orders: [Int64] = []
        var external = 0

        init(seed: UInt64) throws {
            folder = try TemporaryFolder()
            random = SeededGenerator(seed)
            ledger = try Self.open(folder, clock, LedgerCountersTests.interests)
        }

        static func open(_ folder: TemporaryFolder, _ clock: TestClock, _ interests: [Ledger.Interest]) throws -> Ledger
        {
            try Ledger(path: folder.ledger, cluster: "lab", interests: interests, now: clock.now)
        }

        mutating func number(_ range: Range<Int>) -> Int { Int.random(in: range, using: &random) }

        mutating func observation() -> JobObservation {
            let base =
                [
                    SchedulerState.Base.pending, .running, .suspended, .completed, .failed, .cancelled, .nodeFail,
                ].randomElement(using: &random) ?? .pending
            let source = [JobObservation.Source.controller, .plugin, .accounting].randomElement(using: &random)
            let array = UInt32(20 + number(0..<2))
            let key =
                [
                    JobKey(UInt32(1 + number(0..<8))), JobKey(array, .rest),
                    JobKey(array, .task(UInt32(number(0..<3)))),
                ].randomElement(using: &random) ?? JobKey(1)
            let submit = Int64(489 + 20 * number(0..<3))
            return seen(
                base, source ?? .controller, key: key, id: key.part == .rest || number(0..<2) == 0 ? nil : 40,
                submit: submit, restarts: UInt32(number(0..<2)), requeueing: number(0..<6) == 0,
                start: base == .pending ? nil : submit + 1, end: base.isEnd ? submit + 5 : nil,
                at: Int64(1000 + number(0..<1000)) * 1_000_000, tasks: key.part == .rest ? "0-2" : nil)
        }

        mutating func step() async throws {
            switch number(0..<14) {
            case 0...3:
                let some = (0..<(1 + number(0..<6))).map { _ in observation() }
                try await ledger.fold(Ledger.Intake(observations: some), force: number(0..<3) == 0)
            case 4: try await deliver()
            case 5: try await hints()
            // Of an order that is gone, or a job that has one: refused, and all that it began undone.
            case 6: do { try await order() } catch is LedgerError {}
            case 7: _ = try await ledger.retryDeliveries(ofJob: number(0..<2) == 0 ? Int64(number(1..<12)) : nil)
            case 8:
                do {
                    _ = try await ledger.adopt("own", "adopted", claim: 1, jobID: UInt32(1 + number(0..<8)))
                } catch {}
            case 9: try await undo()
            case 10: try await prune()
            case 11: try await reopen()
            case 12: try await surplus()
            default: clock.advance(Double(number(1..<50)))
            }
        }

        private mutating func deliver() async throws {
            for gateway in ["all", "own"] {
                let due = try await ledger.dueDeliveries(gateway, limit: 1 + number(0..<20)).map(\.transition.sequence)
                // Some are told twice, and some do not exist.
                for sequence in due + [Int64(1 + number(0..<40))] {
                    let outcome: Delivery =
                        switch number(0..<5) {
                        case 0: .retry("busy")
                        case 1: .refused("never")
                        default: .delivered
                        }
                    let next = number(0..<2) == 0 ? ledger.microseconds + 1_000_000 : 0
                    try await ledger.record([.init(sequence: sequence, outcome: outcome, next: next)], of: gateway)
                }
            }
        }

        private mutating func hints() async throws {
            try await ledger.addMissing((0..<3).map { _ in UInt32(1 + number(0..<8)) })
            let due = try await ledger.dueHints(starts: 9, others: 9).hints
            var answers: [Ledger.HintAnswer] = []
            for id in Set(due.map(\.jobID)) {
                let job = HintedJob(jobID: id, hints: due.filter { $0.jobID == id })
                let records = number(0..<2) == 0 ? [] : [observation()]
                let content: Ledger.HintAnswer.Content =
                    switch number(0..<3) {
                    case 0: .records(records, asked: ledger.microseconds)
                    case 1: .start(UnclearJob(job: job, records: records))
                    default: .accounting(UnclearJob(job: job, records: []), rows: records)
                    }
                answers.append(.init(job: job, content: content))
            }
            _ = try await ledger.apply(answers, HintFollower.Settings())
        }

        private mutating func order() async throws {
            external += 1
            let id = try await ledger.accept(JobOrder(gateway: "own", externalID: "\(external)", request: [1]))
            orders.append(id)
            let one = orders[number(0..<orders.count)]
            switch number(0..<5) {
            case 0: try await ledger.noteRefused(one, .scheduler, why: "no")
            case 1: _ = try await ledger.withdraw("own", "\(external)", claim: 1, why: "no")
            case 2:
                try await ledger.noteAttempt(one)
                try await ledger.forgetAttempt(one)
            case 3:
                try await ledger.noteAttempt(id)
                _ = try await ledger.noteSubmitted(id, jobID: UInt32(1 + number(0..<8)))
                _ = try await ledger.noteReleased(id)
            default: break
            }
        }

        /// A piece that fails after it has changed much, beside others in the same transaction.
        private mutating func undo() async throws {
            let some = (0..<4).map { _ in observation() }
            let other = observation()
            let ledger = ledger
            async let kept: [JobTransition] = ledger.fold(Ledger.Intake(observations: [other]))
            await #expect(throws: (any Error).self) {
                try await ledger.transact { transaction in
                    for one in some { _ = try transaction.fold(one, force: true) }
                    _ = try transaction.unpark(of: "all", limit: 9)
                    try transaction.database.execute(sql: "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs LIMIT 2)")
                    throw Undone()
                }
            }
            _ = try await kept
        }

        private mutating func prune() async throws {
            clock.advance(50)
            try await ledger.prune(olderThan: .seconds(1 + number(0..<60)))
        }

        private mutating func surplus() async throws {
            try await ledger.noteSurplus([observation()], of: 1)
            for job in try await ledger.dueSurplus(limit: 2) {
                try await ledger.note(job, is: number(0..<2) == 0 ? .running : .over)
            }
        }

        /// As after a kill, and now and then without one of the gateways.
        private mutating func reopen() async throws {
            ledger.close()
            let interests = LedgerCountersTests.interests
            ledger = try Self.open(folder, clock, number(0..<2) == 0 ? interests : [interests[0]])
        }
    }

    @Test("whatever happens, in whatever order, they are what is there", arguments: 1...12)
    func story(_ seed: Int) async throws {
        var story = try Story(seed: UInt64(seed))
        for step in 0..<60 {
            try await story.step()
            let wrong = try await Self.wrong(story.ledger)
            try #require(wrong.isEmpty, "after step \(step): \(wrong)")
        }
        let counts = try await story.ledger.counts()
        #expect(counts.jobs > 0 && counts.lastSequence > 10, "something has happened: \(counts)")
        story.ledger.close()
    }

    // MARK: who counts

    @Test("an answer to a hint that cannot be taken in leaves them as they were; the others count")
    func savepoint() async throws {
        let bench = try Bench()
        let ledger = bench.ledger
        try await bench.see(seen(.running, key: JobKey(1), start: 490), seen(.running, key: JobKey(2), start: 490))
        try await ledger.addMissing([1, 2, 3])
        let due = try await ledger.dueHints(starts: 9, others: 9).hints
        // Its second record fails, after the first has ended a job and begun another.
        try await ledger.transact {
            try $0.database.execute(
                sql: """
                    CREATE TRIGGER failing BEFORE INSERT ON runs WHEN NEW.number = 99
                    BEGIN SELECT RAISE(FAIL, 'not to be taken in'); END
                    """)
        }
        let answers = [
            (1, [seen(.completed, key: JobKey(1), start: 490, end: 495), seen(.pending, key: JobKey(99))]),
            (2, [seen(.completed, key: JobKey(2), start: 490, end: 495)]), (3, [seen(.pending, key: JobKey(3))]),
        ].map { id, records in
            Ledger.HintAnswer(
                job: HintedJob(jobID: UInt32(id), hints: due.filter { $0.jobID == UInt32(id) }),
                content: .records(records, asked: ledger.microseconds))
        }
        _ = try await ledger.apply(answers, HintFollower.Settings())
        #expect(try await Self.wrong(ledger) == [])
        try await ledger.checkRunningRuns()
        let counts = try await ledger.counts()
        #expect(counts.jobs == 3 && counts.openRuns == 2 && counts.hints == 1, "\(counts)")
        #expect(try await ledger.summaries(ofJob: 1).map(\.isFinal) == [false], "its end was undone")
    }

    @Test("what is counted by its writer is written in one file only")
    func oneFile() throws {
        let folder =
            URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/../../Sources/JobLifecycle"
        let files = try #require(FileManager.default.enumerator(atPath: folder)).compactMap { $0 as? String }
            .filter { $0.hasSuffix(".swift") && !$0.contains("LedgerSchema") }
        func writers(_ statement: String) throws -> [String] {
            let pattern = try Regex(statement.replacing(" ", with: "\\s+"))
            return try files.filter { try String(contentsOfFile: folder + "/" + $0, encoding: .utf8).contains(pattern) }
        }
        for statement in [
            "INTO jobs\\b", "INTO runs\\b", "INTO deliveries\\b", "UPDATE runs SET[^\"]*\\bphase =[^\"]*WHERE",
            "UPDATE deliveries [^\"]*\\bstate = [^\"]*WHERE", "UPDATE OR", "REPLACE INTO",
        ] {
            let found = try writers(statement).filter { $0 != "Ledger/LedgerTransaction+Counted.swift" }
            #expect(found.isEmpty, "\(statement): \(found)")
        }
        let known = try writers("UPDATE runs SET[^\"]*\\bphase =[^\"]*WHERE")
        #expect(known.count == 1, "the pattern finds what it is for: \(known)")
    }

    @Test("a file whose triggers counted everything goes on as one that never had them")
    func upgrade() async throws {
        let folder = try TemporaryFolder()
        let clock = TestClock()
        let queue = try DatabaseQueue(path: folder.ledger)
        try await queue.write { database in
            for step in LedgerSchema.steps where step.version <= 4 { try database.execute(sql: step.sql) }
            try database.execute(
                sql: """
                    PRAGMA user_version = 4;
                    INSERT INTO meta VALUES ('cluster', 'lab');
                    INSERT INTO jobs (id, number, part, created_at) VALUES (1, 7, -1, 5), (2, 8, -1, 5);
                    INSERT INTO runs (job, number, part, submit_time, job_id, restarts, phase, state, details, as_of, told_running)
                        VALUES (1, 7, -1, 489, 7, 0, 'running', 'RUNNING', '{}', 0, 1),
                            (2, 8, -1, 489, 8, 0, 'vanished', NULL, '{}', 0, 0);
                    """)
        }
        try queue.close()
        let ledger = try Ledger(
            path: folder.ledger, cluster: "lab", interests: [.init(gateway: "all", scope: .everything)], now: clock.now)
        #expect(try await ledger.counts() == Ledger.Counts(jobs: 2, openRuns: 1, vanished: 1))
        try await ledger.fold(
            Ledger.Intake(observations: [
                seen(.completed, start: 490, end: 495), seen(.running, key: JobKey(9), start: 490),
            ]))
        #expect(
            try await ledger.counts()
                == Ledger.Counts(jobs: 3, openRuns: 1, waitingDeliveries: 2, vanished: 1, lastSequence: 2))
        let triggers = try await ledger.read {
            try String.fetchAll($0, sql: "SELECT name FROM sqlite_master WHERE type = 'trigger'")
        }
        #expect(Set(triggers).isDisjoint(with: LedgerSchema.countedByWriter.map { "count_\($0)" }))
        #expect(triggers.contains("count_open_runs_delete") && triggers.contains("count_open_orders_loss"))
        ledger.close()
    }
}
