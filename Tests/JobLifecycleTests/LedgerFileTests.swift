// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import GRDB
import NIOConcurrencyHelpers
import Testing
import Waiting

@testable import JobLifecycle

@Suite("The ledger's file")
struct LedgerFileTests {
    @Test("a commit reaches the disk: WAL and synchronous=FULL on the writer; nobody else may read it")
    func durable() async throws {
        let bench = try Bench()
        let modes = try await bench.ledger.transact { transaction in
            [
                try String.fetchOne(transaction.database, sql: "PRAGMA journal_mode") ?? "",
                try String.fetchOne(transaction.database, sql: "PRAGMA synchronous") ?? "",
            ]
        }
        #expect(modes == ["wal", "2"])
        for suffix in ["", "-wal", "-shm"] {
            let attributes = try FileManager.default.attributesOfItem(atPath: bench.folder.ledger + suffix)
            #expect(attributes[.posixPermissions] as? Int == 0o600)
        }
    }

    @Test("what was committed is there again; another cluster, a later format are refused with what to do")
    func reopened() async throws {
        let folder = try TemporaryFolder()
        do {
            let ledger = try Ledger(path: folder.ledger, cluster: "lab")
            #expect(ledger.opening == .created)
            try await ledger.fold(Ledger.Intake(observations: [seen(.pending)]))
            ledger.close()
        }
        let again = try Ledger(path: folder.ledger, cluster: "lab")
        #expect(again.opening == .existing)
        #expect(try await again.counts().openRuns == 1)
        again.close()
        #expect(throws: LedgerError.self) { try Ledger(path: folder.ledger, cluster: "other") }
        let database = try DatabaseQueue(path: folder.ledger)
        try await database.writeWithoutTransaction { try $0.execute(sql: "PRAGMA user_version = 99") }
        try database.close()
        do {
            _ = try Ledger(path: folder.ledger, cluster: "lab")
            Issue.record("a later format was opened")
        } catch {
            #expect(error.code == .newer && error.message.contains("99"))
        }
        #expect(throws: LedgerError.self) { try Ledger(path: folder.path + "/none/ledger.sqlite", cluster: "lab") }
    }

    @Test("a damaged file is set aside under its own name, and said so", arguments: [0, 1])
    func damaged(page: Int) async throws {
        let folder = try TemporaryFolder()
        do {
            let ledger = try Ledger(path: folder.ledger, cluster: "lab")
            try await ledger.fold(Ledger.Intake(observations: (1...200).map { seen(.pending, key: JobKey($0)) }))
            ledger.close()
        }
        let file = try #require(FileHandle(forUpdatingAtPath: folder.ledger))
        try file.seek(toOffset: page == 0 ? 0 : 4096 * 6)
        try file.write(contentsOf: Data((0..<8192).map { _ in UInt8.random(in: 0...255) }))
        try file.close()
        let size = try Data(contentsOf: URL(fileURLWithPath: folder.ledger)).count
        let ledger = try Ledger(path: folder.ledger, cluster: "lab")
        guard case .replaced(let aside, let why) = ledger.opening else {
            Issue.record("opened as \(ledger.opening)")
            return
        }
        #expect(!why.isEmpty)
        #expect(try Data(contentsOf: URL(fileURLWithPath: aside)).count >= size)
        try await ledger.fold(Ledger.Intake(observations: [seen(.pending)]))
        #expect(try await ledger.counts().openRuns == 1)
    }

    @Test("a full disk: nothing half-written, a clear error, and it goes on when there is room")
    func full() async throws {
        let bench = try Bench()
        try await bench.see(seen(.pending))
        let pages = try await bench.ledger.transact { try Int.fetchOne($0.database, sql: "PRAGMA page_count") ?? 0 }
        try await bench.ledger.setPageLimit(pages)
        let many = (100..<2000).map { seen(.pending, key: JobKey($0), name: String(repeating: "x", count: 400)) }
        do {
            try await bench.ledger.fold(Ledger.Intake(observations: many))
            Issue.record("there was room")
        } catch {
            #expect(error.code == .full)
        }
        #expect(try await bench.ledger.counts().openRuns == 1)
        // Nobody takes on new work meanwhile.
        #expect(bench.ledger.storageTrouble?.contains("make room") == true)
        try await bench.ledger.setPageLimit(1 << 20)
        try await bench.ledger.tryStorage()
        #expect(bench.ledger.storageTrouble == nil)
        try await bench.ledger.fold(Ledger.Intake(observations: many))
        #expect(try await bench.ledger.counts().openRuns == 1901)
        #expect(try await bench.ledger.verify().isEmpty)
    }

    @Test("what keeps anything from being written is told from what is wrong with one piece of it")
    func storage() {
        for code in [ResultCode.SQLITE_FULL, .SQLITE_IOERR, .SQLITE_READONLY, .SQLITE_BUSY, .SQLITE_CANTOPEN] {
            #expect(Ledger.isOfStorage(DatabaseError(resultCode: code)), "\(code)")
        }
        #expect(Ledger.isOfStorage(LedgerError(.full, "")))
        for error in [
            DatabaseError(resultCode: .SQLITE_CONSTRAINT), LedgerError(.notFound, ""), LedgerError(.closed, ""),
            CancellationError(),
        ] as [any Error] { #expect(!Ledger.isOfStorage(error), "\(error)") }
    }

    @Test("a burst of callers shares few commits; one that fails undoes only itself")
    func groups() async throws {
        let bench = try Bench()
        let commits = CommitCounter()
        try await bench.ledger.transact { $0.database.add(transactionObserver: commits, extent: .databaseLifetime) }
        // The first piece holds the writer until all the others wait.
        let gate = NIOLockedValueBox(false)
        let entered = NIOLockedValueBox(false)
        let ledger = bench.ledger
        async let first: Void = ledger.transact { _ in
            entered.withLockedValue { $0 = true }
            while !gate.withLockedValue({ $0 }) { usleep(500) }
        }
        try await waitUntil { entered.withLockedValue({ $0 }) }
        let failures = try await withThrowingTaskGroup(of: Bool.self) { group in
            for number in UInt32(1)...200 {
                group.addTask {
                    do {
                        if number == 50 {
                            try await ledger.transact { transaction in
                                try transaction.addHint(JobHint(jobID: 50, reason: .start, time: 0))
                                throw LedgerError(.conflict, "on purpose")
                            }
                        }
                        try await ledger.fold(Ledger.Intake(observations: [seen(.pending, key: JobKey(number))]))
                        return false
                    } catch {
                        return true
                    }
                }
            }
            try await waitUntil { ledger.waitingPieces >= 200 }
            gate.withLockedValue { $0 = true }
            return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        try await first
        #expect(failures == 1)
        #expect(commits.count.withLockedValue { $0 } < 10)
        #expect(try await ledger.counts().openRuns == 199)
        #expect(try await ledger.counts().hints == 0)
    }

    @Test("a ledger opened to be looked at shows the same and changes nothing")
    func reading() async throws {
        let bench = try Bench()
        try await bench.see(seen(.completed, start: 490, end: 495))
        let reader = try Ledger(reading: bench.folder.ledger)
        #expect(try await reader.list(limit: 5) == (try await bench.ledger.list(limit: 5)))
        await #expect(throws: LedgerError.self) { try await reader.fold(Ledger.Intake(observations: [seen(.pending)])) }
        #expect(throws: LedgerError.self) { try Ledger(reading: bench.folder.path + "/none.sqlite") }
    }

    @Test(
        "verify finds each rule broken",
        arguments: [
            ("UPDATE jobs SET final = 0", "not final"), ("DELETE FROM transitions", "without a final"),
            (
                "INSERT INTO transitions (job, kind, final, recorded_at, body) SELECT job, kind, 1, 0, body FROM transitions WHERE final = 1",
                "more than one"
            ),
            ("UPDATE deliveries SET state = 1 WHERE sequence = 2", "out of order"),
            ("UPDATE runs SET phase = 'requeued'", "without a transition"),
        ])
    func verify(_ sql: String, _ finding: String) async throws {
        let bench = try Bench()
        try await bench.see(seen(.completed, start: 490, end: 495))
        #expect(try await bench.ledger.verify().isEmpty)
        try await bench.ledger.transact { try $0.database.execute(sql: sql) }
        #expect(try await bench.ledger.verify().contains { $0.contains(finding) })
    }

    @Test("prune takes what is over, delivered and old; the rest stays")
    func prune() async throws {
        let bench = try Bench()
        try await bench.see(
            seen(.completed, key: JobKey(1), start: 490, end: 495),
            seen(.completed, key: JobKey(2), start: 490, end: 495),
            seen(.running, key: JobKey(3), start: 490))
        // Job 2 is not delivered yet.
        let due = try await bench.ledger.dueDeliveries("all", limit: 10).filter { $0.transition.job != "2" }
        try await bench.ledger.record(
            due.map { .init(sequence: $0.transition.sequence, outcome: .delivered, next: 0) }, of: "all")
        #expect(try await bench.ledger.prune(olderThan: .seconds(60)) == 0)
        bench.clock.advance(120)
        #expect(try await bench.ledger.prune(olderThan: .seconds(60)) == 1)
        #expect(try await bench.ledger.list(limit: 10).compactMap(\.job).sorted() == ["2", "3"])
        #expect(try await bench.ledger.verify().isEmpty)
    }
}

private final class CommitCounter: TransactionObserver, Sendable {
    let count = NIOLockedValueBox(0)
    func observes(eventsOfKind eventKind: DatabaseEventKind) -> Bool { true }
    func databaseDidChange(with event: DatabaseEvent) {}
    func databaseDidCommit(_ db: Database) { count.withLockedValue { $0 += 1 } }
    func databaseDidRollback(_ db: Database) {}
}

extension Ledger {
    /// Of the writer's connection; stands for a disk of that size.
    func setPageLimit(_ pages: Int) async throws {
        try await transact { try $0.database.execute(sql: "PRAGMA max_page_count = \(pages)") }
    }

    var waitingPieces: Int { writer?.waitingPieces ?? 0 }
}
