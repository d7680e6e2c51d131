// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import GRDB
import Persistence
import Testing

@testable import DeepSquare
@testable import Ethereum

@Suite("The gateway's file")
struct GridStoreTests {
    /// A file in a folder of its own.
    private struct Shelf {
        let folder: TemporaryFolder
        let store: GridStore

        init() throws {
            folder = try TemporaryFolder()
            store = try GridStore(path: folder.file)
        }
    }

    private static func claim(
        _ job: UInt64, number: Int64 = 1, closed: Bool = false, _ acts: [ClaimStage.Act] = []
    ) -> GridClaim {
        var claim = GridClaim(
            job: hash(job), number: number, customer: customer, definition: definition, minutes: 60,
            place: GridClaim.Place(block: 100, index: 5), claimedAt: ClaimStage.epoch, needsExamination: false)
        if !acts.isEmpty { claim = ClaimStage(acts).claim.numbered(number) }
        if closed { claim.closedAt = 1 }
        return claim
    }

    @Test("what was saved is there after the file was closed, in every phase of a claim")
    func reopens() async throws {
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        let store = try GridStore(path: folder.file)
        let rows = GridClaimTests.life + GridClaimTests.reports + GridClaimTests.customers + GridClaimTests.refusals
        let claims = rows.enumerated().map { Self.claim(1, number: Int64($0.offset + 1), $0.element.acts) }
        try await store.save(claims)
        store.close()

        let again = try GridStore(path: folder.file)
        #expect(try await again.claims(ofJob: hash(1)) == claims)
        #expect(Set(try await again.openClaims()) == Set(claims.filter { !$0.isClosed }))
        #expect(try await again.claim(hash(1).description, 3) == claims[2])
        #expect(try await again.claim(hash(2).description, 1) == nil)
    }

    @Test("a claim is written over, and closed")
    func changes() async throws {
        let shelf = try Shelf()
        var claim = Self.claim(1)
        try await shelf.store.save([claim, Self.claim(2)])
        claim.verdict = .accepted
        claim.closedAt = 5
        claim.revision += 1
        try await shelf.store.save([claim])
        // A save that was overtaken by the one after it.
        try await shelf.store.save([Self.claim(1)])
        #expect(try await shelf.store.openClaims().map(\.job) == [hash(2)])
        #expect(try await shelf.store.claims(ofJob: hash(1)) == [claim])
        #expect(try await shelf.store.recentClaims(limit: 1) == [claim])
        #expect(try await shelf.store.recentClaims(limit: 9).count == 2)
    }

    /// Of a transaction of its own, with that number in the chain's file.
    static func delivered(_ sequence: Int64, transaction: UInt64? = nil, block: UInt64 = 100) -> DeliveredLog {
        DeliveredLog(
            sequence: sequence, place: 0, isAgain: false,
            log: ChainLog(
                address: contracts.metaScheduler, topics: [], data: [],
                block: BlockReference(number: block, hash: hash(block)),
                transaction: hash(transaction ?? UInt64(sequence)), index: 0))
    }

    @Test(
        "logs that are in the claims are known by their names, whatever number another file of the chain's gives them")
    func logs() async throws {
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        let store = try GridStore(path: folder.file)
        let logs = [3, 4, 9].map { Self.delivered($0) }
        try await store.save([Self.claim(1)], logs: logs.map(TakenLog.init))
        try await store.save([], logs: [TakenLog(logs[2])])
        #expect(
            try await store.known([Self.delivered(1), logs[0], logs[2]]) == [TakenLog(logs[0]), TakenLog(logs[2])])
        store.close()
        let again = try GridStore(path: folder.file)
        // The chain's file was made again.
        let renumbered = [Self.delivered(1, transaction: 4), Self.delivered(4, transaction: 77)]
        #expect(try await again.known(renumbered) == [TakenLog(renumbered[0])])
    }

    @Test("how far the chain was read, and which logs are remembered for that")
    func read() async throws {
        let shelf = try Shelf()
        #expect(try await shelf.store.readBlock() == nil)
        let logs = [Self.delivered(1, block: 5), Self.delivered(2, block: 4000)]
        try await shelf.store.save([], logs: logs.map(TakenLog.init))
        try await shelf.store.setReadBlock(4100)
        #expect(try await shelf.store.readBlock() == 4100)
        #expect(try await shelf.store.known(logs) == [TakenLog(logs[1])])
    }

    @Test("what the other files must know: the ledger's newest transition, and the newest transaction of this agent")
    func others() async throws {
        let shelf = try Shelf()
        #expect(GridStore.highestTransition(path: shelf.folder.path + "/none.sqlite") == nil)
        var claim = Self.claim(1, GridClaimTests.runs)
        let sequence = claim.slurm.sequence
        #expect(sequence > 0)
        try await shelf.store.save([claim])
        #expect(GridStore.highestTransition(path: shelf.folder.file) == sequence)
        #expect(try await shelf.store.ownTransaction(now: Date()) == nil)
        claim.succeeded(.running, block: 101, transaction: hash(44), now: Int64(Date().timeIntervalSince1970))
        claim.revision += 1
        try await shelf.store.save([claim, Self.claim(2)])
        #expect(GridStore.highestTransition(path: shelf.folder.file) == sequence)
        #expect(try await shelf.store.ownTransaction(now: Date()) == hash(44))
        #expect(try await shelf.store.ownTransaction(now: Date() + 61 * 86_400) == nil)
    }

    @Test("what cannot be written leaves neither claims nor logs")
    func atomic() async throws {
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        let store = try GridStore(path: folder.file)
        let queue = try DatabaseQueue(path: folder.file)
        try await queue.write {
            try $0.execute(sql: "CREATE TRIGGER full BEFORE INSERT ON taken BEGIN SELECT RAISE(ABORT, 'full'); END")
        }
        let error = await #expect(throws: GridError.self) {
            try await store.save([Self.claim(1)], logs: [TakenLog(Self.delivered(1))])
        }
        #expect(error?.code == .storage)
        #expect(try await store.openClaims().isEmpty)
    }

    @Test("values, and a first start once more")
    func values() async throws {
        let shelf = try Shelf()
        #expect(try await shelf.store.value("drained") == nil)
        try await shelf.store.set("drained", "yes")
        try await shelf.store.set("drained", "no")
        try await shelf.store.save([Self.claim(1, closed: true)], logs: [TakenLog(Self.delivered(1))])
        #expect(try await shelf.store.value("drained") == "no")
        try await shelf.store.set("drained", nil)
        #expect(try await shelf.store.value("drained") == nil)
        try await shelf.store.set("binding", "1 2 3")
        try await shelf.store.save([Self.paid(2)])
        try await shelf.store.forgetBinding()
        #expect(try await shelf.store.payments(since: 0).isEmpty)
        #expect(try await shelf.store.value("binding") == nil)
        #expect(try await shelf.store.known([Self.delivered(1)]).isEmpty)
    }

    @Test("old claims that are closed are forgotten, open ones never")
    func prunes() async throws {
        let shelf = try Shelf()
        try await shelf.store.save([Self.claim(1), Self.claim(2, closed: true), Self.paid(3)])
        let day = Date(timeIntervalSince1970: Double(ClaimStage.epoch))
        try await shelf.store.prune(before: day, paymentsBefore: day)
        #expect(try await shelf.store.recentClaims(limit: 9).count == 3)
        #expect(try await shelf.store.payments(since: 0).count == 1)
        try await shelf.store.prune(before: Date() + 3600, paymentsBefore: day + 3600)
        #expect(try await shelf.store.recentClaims(limit: 9).map(\.job) == [hash(1)])
        #expect(try await shelf.store.payments(since: 0).isEmpty)
    }

    // MARK: payments and times

    private static func paid(_ job: UInt64, at seconds: Int64 = 10, _ wei: String = "12") -> GridClaim {
        var claim = claim(job)
        let payment = GridPayment(
            transaction: ClaimStage.transaction(100 + job), place: 0, block: 100 + job,
            learnedAt: ClaimStage.epoch + seconds, wei: wei)
        claim.succeeded(
            .end, block: payment.block, transaction: payment.transaction, payments: [payment], now: payment.learnedAt)
        claim.closedAt = payment.learnedAt
        return claim
    }

    @Test("a payment is one row, however often its claim is saved, and learns its time")
    func payments() async throws {
        let shelf = try Shelf()
        var claim = Self.paid(1)
        let epoch = ClaimStage.epoch
        func row(_ at: Int64) -> GridEarnings.Payment {
            GridEarnings.Payment(at: epoch + at, job: claim.name, claim: 1, wei: "12", customer: customer.hex)
        }
        try await shelf.store.save([claim])
        #expect(try await shelf.store.payments(since: epoch) == [row(10)])
        claim.revision += 1
        try await shelf.store.save([claim])
        #expect(try await shelf.store.payments(since: epoch) == [row(10)])
        let early = claim
        claim.revision += 1
        claim.times = GridClaim.Times(end: epoch + 4)
        try await shelf.store.save([claim])
        // A save that was overtaken.
        try await shelf.store.save([early])
        #expect(try await shelf.store.payments(since: epoch) == [row(4)])
        #expect(try await shelf.store.payments(since: epoch + 4).count == 1)
        #expect(try await shelf.store.payments(since: epoch + 5).isEmpty)
        // Of another job's transaction.
        try await shelf.store.save([Self.paid(2, at: 20, "5")])
        #expect(Set(try await shelf.store.payments(since: epoch).map(\.wei)) == ["12", "5"])
    }

    @Test("claims whose times are to be asked for: those that are over, until they are known")
    func times() async throws {
        let shelf = try Shelf()
        let (open, first, second) = (Self.claim(1), Self.claim(2, closed: true), Self.claim(3, closed: true))
        try await shelf.store.save([open])
        try await shelf.store.save([first])
        try await shelf.store.save([second])
        #expect(try await shelf.store.claimsWithoutTimes(since: Date() - 60, limit: 9) == [second, first])
        #expect(try await shelf.store.claimsWithoutTimes(since: Date() - 60, limit: 1) == [second])
        #expect(try await shelf.store.claimsWithoutTimes(since: Date() + 60, limit: 9).isEmpty)
        var known = first
        known.revision += 1
        known.close(with: nil, provider: provider, claimed: nil)
        try await shelf.store.save([known], isNews: false)
        #expect(try await shelf.store.claimsWithoutTimes(since: Date() - 60, limit: 9) == [second])
        // It is no newer for that.
        #expect(try await shelf.store.recentClaims(limit: 9) == [second, known, open])
    }

    @Test("files that are not ours to read say what to do")
    func badFiles() async throws {
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        try Data(String(repeating: "no database ", count: 100).utf8).write(
            to: URL(fileURLWithPath: folder.file))
        let fresh = try GridStore(path: folder.file, now: Date(timeIntervalSince1970: 9))
        #expect(fresh.setAside?.aside == folder.file + ".damaged-9")
        #expect(try await fresh.openClaims().isEmpty)

        let newer = folder.path + "/newer.sqlite"
        try GridStore(path: newer).close()
        let queue = try DatabaseQueue(path: newer)
        try await queue.write { try $0.execute(sql: "PRAGMA user_version = 99") }
        try queue.close()
        let later = #expect(throws: GridError.self) { try GridStore(path: newer) }
        #expect(later?.code == .configuration && later?.message.contains("install the later release") == true)

        let missing = #expect(throws: GridError.self) { try GridStore(reading: folder.path + "/missing.sqlite") }
        #expect(missing?.code == .storage)
        let homeless = #expect(throws: GridError.self) { try GridStore(path: folder.path + "/none/x.sqlite") }
        #expect(homeless?.code == .storage)
    }

    @Test("a file with a claim that cannot be read is set aside, as nobody would know of the job")
    func unreadable() async throws {
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        let store = try GridStore(path: folder.file)
        try await store.save([Self.claim(1)])
        try await store.queue.write {
            try $0.execute(sql: "UPDATE claims SET body = replace(body, '\"minutes\"', '\"minutds\"')")
        }
        store.close()
        #expect(try GridStore(path: folder.file).setAside != nil)
    }

    @Test("others can look at it beside the one who writes")
    func reading() async throws {
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        let store = try GridStore(path: folder.file)
        let reader = try GridStore(reading: folder.file)
        try await store.save([Self.claim(1)])
        #expect(try await reader.openClaims().count == 1)
    }
}

extension GridStoreTests {
    @Test("whatever is asked of a closed file is an error")
    func closed() async throws {
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        let store = try GridStore(path: folder.file)
        store.close()
        for _ in 0..<20 {
            await #expect(throws: GridError.self) { try await store.openClaims() }
            await #expect(throws: GridError.self) { try await store.set("drained", "yes") }
        }
    }
}
