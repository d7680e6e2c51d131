// SPDX-License-Identifier: GPL-3.0-or-later

import BigInt
import Foundation
import GRDB
import Persistence
import PlanCheck
import Testing

@testable import Ethereum

@Suite("Growth of the chain's ledger")
struct ChainPlanTests {
    /// `meta`: a handful of names. `gas`: ``GasTable/limit``. The two indexes: what is open.
    private static let small: Set<String> = ["sqlite_master", "meta", "gas", "intents_open", "attempts_open"]

    private static func block(_ number: UInt64) -> BlockReference {
        BlockReference(number: number, hash: Stage.hash(number))
    }

    private static func exercise(_ store: ChainStore) async throws {
        try await store.bind(chainID: 1, account: .zero)
        try await store.bind(chainID: 1337, account: Stage.key.address)
        _ = try await store.boundChainID()
        var stage = Stage()
        stage.poll()
        stage.submit("a", "b", gas: nil, call: "g")
        stage.machine.estimated(TransactionIntent(key: "", className: "status", recipient: .zero, call: "g"), 77_000)
        for index in 0..<200 { stage.machine.learn("call \(index)", 30_000, 4) }
        stage.submit("c", of: "claim")
        stage.pass(31)
        _ = stage.machine.cancel("b")
        stage.drive()
        stage.poll(count: 6)
        stage.receive(stage.last(5), succeeded: false, gasUsed: 77_000)
        stage.machine.suspect([3])
        stage.drive()
        stage.changes.append(.spent(day: 1, className: "claim", 5))
        if let pending = stage.machine.sending.values.first { stage.changes.append(.requeued(pending, nonce: 6)) }
        stage.changes.append(.ended(intent: 1, nonce: 5, .cancelled))
        try await store.commit(stage.changes, at: stage.now)
        _ = try await store.settled(nonce: 5)
        try await store.commit(
            [.explained(1), .settledBlock(1), .forgiven(nil), .reopened(intent: 1, nonce: 5)], at: stage.now)
        // One that is in flight.
        var other = Stage()
        other.machine.nextID = 1000
        other.poll()
        other.submit("d")
        try await store.commit(other.changes + [.wantsCancellation(intent: 1000)], at: stage.now)
        var machine = Stage().machine
        try await store.restore(&machine, at: stage.now)
        _ = try await store.intent("a")
        _ = try await store.knows(Stage.hash(1))
        for (key, onlyOpen) in [(nil, false), (nil, true), ("a", false), ("a", true)] {
            _ = try await store.list(key: key, onlyOpen: onlyOpen)
        }
        try await store.prune(before: stage.now + 1)
        try await logs(store)
    }

    private static func logs(_ store: ChainStore) async throws {
        try await store.setCursor("f", block(100))
        _ = try await store.cursor("f")
        let log = PlacedLog(
            log: ChainLog(
                address: Stage.contract, topics: [Stage.hash(1)], data: [1], block: block(101),
                transaction: Stage.hash(1),
                index: 4), place: 0)
        for _ in 0..<2 { _ = try await store.takeLogs("f", [log], cursor: block(101)) }
        _ = try await store.unhandledLogs("f", limit: 9)
        try await store.markHandled([1])
        _ = try await store.checkpoints("f")
        try await store.rewind("f", to: block(100))
        try await store.pruneLogs("f", below: 200)
        _ = try await store.align("f", to: 99)
        try await store.forget(feed: "f")
    }

    private func collected() async throws -> PlanCheck {
        let folder = NSTemporaryDirectory() + "chain-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let store = try ChainStore(path: folder + "/chain.sqlite")
        let plans = PlanCheck()
        try await store.queue.write { database in
            database.trace { if case .statement(let statement) = $0 { plans.collect(statement.sql) } }
        }
        try await Self.exercise(store)
        store.close()
        return plans
    }

    @Test("no statement looks at all rows of a table that grows; every statement in the sources is looked at")
    func scans() async throws {
        let plans = try await collected()
        let database = try DatabaseQueue()
        try await database.writeWithoutTransaction { try ChainSchema.migrate($0, path: "") }
        let scans = try await database.read { try plans.scans($0, small: Self.small) }
        #expect(scans.isEmpty, "\(scans.joined(separator: "\n"))")
        #expect(try await database.read { try PlanCheck.referencesWithoutIndex($0) } == [])
        let sources = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/../../Sources/Ethereum/Store"
        let unrun = try plans.unrun(inSourcesAt: sources)
        #expect(unrun.isEmpty, "call these in `exercise`:\n\(unrun.joined(separator: "\n"))")
    }

    @Test("a file of format 1 gets its index and keeps what is in it; prune takes what is old, however much it is")
    func upgrade() async throws {
        let folder = NSTemporaryDirectory() + "chain-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/chain.sqlite"
        let first = try ChainStore(path: path)
        try await first.queue.write { database in
            try database.execute(
                sql: """
                    DROP INDEX intents_ended; DROP INDEX attempts_nonce; ALTER TABLE inbox DROP COLUMN again;
                    PRAGMA user_version = 1
                    """)
            for index in 0..<1000 {
                try database.execute(
                    sql: """
                        INSERT INTO intents (key, class, recipient, value, data, call, made_at, state, ended_at, outcome)
                        VALUES (?, 'status', zeroblob(20), '0', x'', 'f', 0, ?, ?, 'cancelled')
                        """, arguments: ["k\(index)", index % 10 == 0 ? 0 : 2, index % 10 == 0 ? nil : index])
            }
        }
        first.close()
        let store = try ChainStore(path: path)
        var rounds = 1
        while try await store.prune(before: Date(timeIntervalSince1970: 900)) { rounds += 1 }
        #expect(rounds == 5)
        #expect(try await store.list(limit: 2000).count == 100 + 90)
        #expect(try await store.list(onlyOpen: true, limit: 2000).count == 100)
        #expect(try await store.queue.read { try Int.fetchOne($0, sql: "PRAGMA user_version") } == ChainSchema.current)
    }

    @Test("the table of gas forgets what was learned longest ago, in the file as well")
    func gas() async throws {
        var stage = Stage()
        stage.poll()
        for index in 0...GasTable.limit + 10 {
            stage.machine.learn("call \(index)", 30_000, 4)
            // Still in use.
            stage.machine.learn("call 0", 30_000, 4)
        }
        #expect(stage.machine.gas.entries.count == GasTable.limit)
        #expect(stage.machine.gas.entries["call 0"] != nil && stage.machine.gas.entries["call 1"] == nil)
        stage.drive()
        let forgotten = stage.changes.compactMap { if case .gasForgotten(let call) = $0 { call } else { nil } }
        #expect(forgotten == (1...11).map { "call \($0)" })
    }
}
