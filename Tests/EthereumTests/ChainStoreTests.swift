// SPDX-License-Identifier: GPL-3.0-or-later

import BigInt
import Foundation
import GRDB
import Testing

@testable import Ethereum

@Suite("The chain's ledger")
struct ChainStoreTests {
    private func withStore(_ body: (ChainStore, String) async throws -> Void) async throws {
        let folder = NSTemporaryDirectory() + "chain-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/chain.sqlite"
        try await body(try ChainStore(path: path), path)
    }

    private func commit(_ stage: inout Stage, to store: ChainStore) async throws {
        try await store.commit(stage.changes, at: stage.now)
        stage.changes = []
    }

    @Test("reaches the disk, and nobody else may read it")
    func durable() async throws {
        try await withStore { store, path in
            let (synchronous, mode) = try await store.queue.read { database in
                (
                    try Int.fetchOne(database, sql: "PRAGMA synchronous"),
                    try String.fetchOne(database, sql: "PRAGMA journal_mode")
                )
            }
            #expect(synchronous == 2 && mode == "wal")
            let permissions = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
            #expect(permissions == 0o600)
        }
    }

    @Test("what a nonce was used for is found again when the chain loses it, and is open after that")
    func reopened() async throws {
        try await withStore { store, path in
            var stage = Stage()
            stage.poll()
            stage.submit("a", "b")
            let bytes = stage.last(5)?.raw
            stage.poll(count: 6, head: 101)
            stage.receive(stage.last(5))
            try await commit(&stage, to: store)
            #expect(try await store.settled(nonce: 6) == nil, "it is open")
            #expect(try await store.settled(nonce: 4) == nil)
            let settled = try #require(try await store.settled(nonce: 5))
            #expect(settled.intent.intent.key == "a" && settled.attempt.versions.map(\.transaction.raw) == [bytes])

            stage.poll(count: 5, head: 102)
            stage.poll(count: 5, head: 103)
            stage.machine.gapAnswer(5, settled, at: stage.now)
            stage.drive()
            try await commit(&stage, to: store)
            var machine = Stage().machine
            try await ChainStore(path: path).restore(&machine, at: stage.now)
            #expect(machine.attempts.map(\.nonce) == [5, 6] && machine.queue.isEmpty)
            #expect(try await store.list(key: "a").first?.state == "sent")
            #expect(machine.settledBlock == 101 && machine.explainedAt == 101 && machine.ownFloor == 7)

            stage.poll(count: 6, head: 104)
            stage.receive(stage.last(5), block: 104)
            try await commit(&stage, to: store)
            #expect(try await store.list(key: "a").first?.state == "succeeded")
        }
    }

    @Test("numbers below zero in a damaged file are an error, not the end of the process")
    func negativeNumbers() async throws {
        try await withStore { store, _ in
            try await store.setCursor("f", BlockReference(number: 7, hash: Stage.hash(7)))
            var stage = Stage()
            stage.poll()
            stage.submit("a")
            try await commit(&stage, to: store)
            try await store.queue.write { database in
                try database.execute(
                    sql: """
                        UPDATE cursors SET number = -1;
                        UPDATE attempts SET gas = -1, first_block = -1;
                        UPDATE intents SET minimum_gas = -1, gas = -1;
                        INSERT INTO inbox (feed, tx, place, digest, address, topics, data, number, block, log_index)
                            VALUES ('f', zeroblob(32), 0, x'', zeroblob(20), x'', x'', -1, zeroblob(32), -1);
                        """)
            }
            await #expect(throws: ChainStoreError.self) { try await store.cursor("f") }
            await #expect(throws: ChainStoreError.self) { try await store.unhandledLogs("f", limit: 9) }
            var machine = Stage().machine
            try await store.restore(&machine, at: stage.now)
            #expect(machine.attempts.map(\.gasLimit) == [0])
        }
    }

    @Test("a nonce that somebody else used has nothing to send again")
    func settledByAnother() async throws {
        try await withStore { store, _ in
            var stage = Stage()
            stage.poll()
            stage.submit("a")
            stage.poll(count: 6)
            stage.machine.found(5, NonceOccupant(hash: Stage.hash(1), block: 100), downTo: 100, at: stage.now)
            stage.drive()
            stage.poll(count: 7)
            stage.receive(stage.last(6))
            try await commit(&stage, to: store)
            #expect(try await store.settled(nonce: 5) == nil, "its bytes would do once more what is done")
            #expect(try await store.settled(nonce: 6) != nil)
        }
    }

    @Test("a file of the first format is brought up to date")
    func firstFormat() async throws {
        try await withStore { store, path in
            try await store.queue.write {
                try $0.execute(
                    sql:
                        "DROP INDEX attempts_nonce; DROP INDEX intents_ended; ALTER TABLE inbox DROP COLUMN again; PRAGMA user_version = 1"
                )
            }
            store.close()
            let again = try ChainStore(path: path)
            let (version, indexes) = try await again.queue.read { database in
                (
                    try Int.fetchOne(database, sql: "PRAGMA user_version"),
                    try String.fetchAll(database, sql: "SELECT name FROM sqlite_master WHERE name = 'attempts_nonce'")
                )
            }
            #expect(version == ChainSchema.current && indexes == ["attempts_nonce"])
        }
    }

    @Test("what was open is open again: intents, nonces, every version, gas, spending, foreign nonces")
    func restore() async throws {
        try await withStore { store, path in
            var stage = Stage()
            stage.poll()
            stage.submit("a", "b")
            stage.submit("c", of: "claim")
            stage.pass(31)
            _ = stage.machine.cancel("b")
            stage.drive()
            stage.machine.estimated(
                TransactionIntent(key: "", className: "status", recipient: .zero, call: "g"), 77_000)
            stage.poll(count: 6)
            stage.receive(stage.last(5))
            stage.machine.signingRestsUntil = stage.now + 1000
            stage.submit("waits", gas: 60_000)
            stage.machine.suspect([3])
            stage.drive()
            try await commit(&stage, to: store)

            let again = try ChainStore(path: path)
            var machine = Stage().machine
            try await again.restore(&machine, at: stage.now)
            #expect(machine.queue == stage.machine.queue && machine.sending == stage.machine.sending)
            #expect(machine.nonceFloor == 6 && machine.foreign == [3] && machine.nextID == 5)
            #expect(machine.gas == stage.machine.gas)
            #expect(machine.spending == stage.machine.spending)
            #expect(machine.attempts.map(\.nonce) == [6, 7])
            #expect(
                machine.attempts.map { $0.versions.map(\.hash) }
                    == stage.machine.attempts.map { $0.versions.map(\.hash) })
            #expect(machine.attempts[0].wantsCancellation && machine.attempts[0].versions.last?.isCancellation == true)
            let age = machine.attempts[0].versions.map { stage.now.timeIntervalSince($0.madeAt) }
            #expect(age.allSatisfy { (0...20).contains($0) }, "overdue ones wait ten seconds more")
            #expect(try await again.intent("a")?.1 != nil)
            #expect(try await again.intent("c")?.1 == nil)
            #expect(try await again.list().map(\.state) == ["waiting", "sent", "sent", "succeeded"])
            #expect(try await again.list(onlyOpen: true).count == 3)
            #expect(try await again.list(key: "b").first?.hashes.count == 3)
            try await again.prune(before: stage.now + 1)
            #expect(try await again.list().count == 3)
        }
    }

    @Test("another account or chain is refused while anything is open")
    func binding() async throws {
        try await withStore { store, _ in
            let account = Stage.key.address
            try await store.bind(chainID: 1337, account: account)
            try await store.bind(chainID: 1, account: account)
            try await store.bind(chainID: 1337, account: account)
            var stage = Stage()
            stage.poll()
            stage.submit("a")
            try await commit(&stage, to: store)
            for (chainID, other) in [(UInt64(1), account), (1337, Address.zero)] {
                let error = await #expect(throws: ChainStoreError.self) {
                    try await store.bind(chainID: chainID, account: other)
                }
                #expect(error?.code == .otherAccount && error?.message.contains("1 open") == true)
            }
            stage.poll(count: 6)
            stage.receive(stage.last(5))
            try await commit(&stage, to: store)
            try await store.bind(chainID: 1, account: account)
            var machine = Stage().machine
            try await store.restore(&machine, at: stage.now)
            #expect(machine.nonceFloor == nil, "another chain counts again")
        }
    }

    @Test("a damaged file is refused, never replaced; so is one of a later release")
    func damage() async throws {
        try await withStore { store, path in
            try await store.queue.write { try $0.execute(sql: "PRAGMA user_version = 99") }
            store.close()
            #expect((#expect(throws: ChainStoreError.self) { try ChainStore(path: path) })?.code == .newer)
            try Data(repeating: 7, count: 9000).write(to: URL(fileURLWithPath: path))
            #expect((#expect(throws: ChainStoreError.self) { try ChainStore(path: path) })?.code == .damaged)
            #expect(FileManager.default.contents(atPath: path)?.count == 9000)
        }
    }

    fileprivate static func log(_ transaction: UInt64, _ number: UInt64, fork: UInt8 = 0) -> PlacedLog {
        PlacedLog(
            log: ChainLog(
                address: Stage.contract, topics: [Stage.hash(1), Stage.hash(2)], data: [1, 2, 3],
                block: BlockReference(number: number, hash: Stage.hash(number, fork: fork)),
                transaction: Stage.hash(transaction), index: 4),
            place: 0)
    }

    @Test("each log once: read twice, from a receipt, on another fork")
    func inbox() async throws {
        try await withStore { store, _ in
            func end(_ number: UInt64, fork: UInt8 = 0) -> BlockReference {
                BlockReference(number: number, hash: Stage.hash(number, fork: fork))
            }
            try await store.setCursor("f", end(100))
            #expect(try await store.takeLogs("f", [Self.log(1, 101)], cursor: nil) == 1)
            #expect(try await store.takeLogs("f", [Self.log(1, 101), Self.log(2, 102)], cursor: end(102)) == 1)
            let first = try await store.unhandledLogs("f", limit: 10)
            #expect(first.map(\.log) == [Self.log(1, 101).log, Self.log(2, 102).log])
            try await store.markHandled([first[0].sequence])

            try await store.rewind("f", to: end(100))
            #expect(try await store.cursor("f") == end(100))
            #expect(try await store.checkpoints("f").map(\.number) == [100])
            #expect(try await store.unhandledLogs("f", limit: 10).isEmpty, "what the fork took back waits")
            #expect(
                try await store.takeLogs(
                    "f", [Self.log(1, 103, fork: 1), Self.log(2, 103, fork: 1)], cursor: end(103, fork: 1)) == 0)
            let second = try await store.unhandledLogs("f", limit: 10)
            #expect(second.map(\.sequence) == [first[1].sequence] && second[0].log.block == end(103, fork: 1))
            #expect(try await store.takeLogs("other", [Self.log(1, 101)], cursor: nil) == 1, "feeds are apart")
            try await store.markHandled(second.map(\.sequence))
            try await store.pruneLogs("f", below: 200)
            #expect(try await store.checkpoints("f").map(\.number) == [103])

            try await store.forget(feed: "f")
            #expect(try await store.cursor("f") == nil)
            #expect(try await store.checkpoints("f").isEmpty)
            #expect(
                try await store.takeLogs("f", [Self.log(1, 101)], cursor: nil) == 1, "handled or not, it comes again")
            #expect(try await store.takeLogs("other", [Self.log(1, 101)], cursor: nil) == 0)
        }
    }
}

extension ChainStoreTests {
    /// The reader's block; the cursor; what comes of it, and which of three logs (blocks 101, 105 and 110, the last one not handled)
    /// are delivered then.
    struct Alignment: CustomTestStringConvertible {
        var testDescription: String
        var read: UInt64
        var cursor: UInt64? = 120
        var wanted: ChainStore.Alignment
        var delivered: [UInt64]
    }

    static let alignments = [
        Alignment(testDescription: "both know the same", read: 120, wanted: .same, delivered: [110]),
        Alignment(
            testDescription: "the reader lacks one that was handled", read: 103, wanted: .same, delivered: [105, 110]),
        Alignment(testDescription: "the reader lacks all", read: 100, wanted: .same, delivered: [101, 105, 110]),
        Alignment(testDescription: "the reader lacks what is forgotten here", read: 60, wanted: .begun, delivered: []),
        Alignment(testDescription: "this file is an old copy", read: 121, wanted: .behind, delivered: []),
        Alignment(testDescription: "this file is new", read: 50, cursor: nil, wanted: .behind, delivered: []),
    ]

    @Test("a feed in line with a reader whose file says how far it has come", arguments: alignments)
    func aligned(_ row: Alignment) async throws {
        try await withStore { store, _ in
            if let cursor = row.cursor {
                let end = BlockReference(number: cursor, hash: Stage.hash(cursor))
                let logs = [Self.log(1, 101), Self.log(2, 105), Self.log(3, 110)]
                #expect(try await store.takeLogs("f", logs, cursor: end) == 3)
                try await store.markHandled(try await store.unhandledLogs("f", limit: 2).map(\.sequence))
            }
            #expect(try await store.align("f", to: row.read, memory: 60) == row.wanted)
            let logs = try await store.unhandledLogs("f", limit: 9)
            #expect(logs.map(\.log.block.number) == row.delivered)
            #expect(logs.filter(\.isAgain).map(\.log.block.number) == row.delivered.filter { $0 < 110 })
            #expect((try await store.cursor("f") == nil) == (row.wanted != .same))
        }
    }
}

@Suite("The end of the chain's ledger", .timeLimit(.minutes(1)))
struct ChainStoreClosingTests {
    @Test("whatever is asked of it then is an error; a caller that is cancelled gets its answer")
    func closed() async throws {
        let folder = NSTemporaryDirectory() + "chain-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let store = try ChainStore(path: folder + "/chain.sqlite")
        let (ready, continuation) = AsyncStream<Void>.makeStream()
        let task = Task {
            for await _ in ready {}
            try await store.setCursor("feed", BlockReference(number: 5, hash: Hash32([UInt8](repeating: 1, count: 32))))
            return try await store.cursor("feed")?.number
        }
        task.cancel()
        continuation.finish()
        #expect(try await task.value == 5)
        store.close()
        for _ in 0..<20 {
            do {
                _ = try await store.cursor("feed")
                Issue.record("it was read")
            } catch {
                #expect(error.code == .closed)
            }
            do {
                try await store.forget(feed: "feed")
                Issue.record("it was written")
            } catch {
                #expect(error.code == .closed)
            }
        }
    }
}
