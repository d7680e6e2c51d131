// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import GRDB
import JobLifecycle
import Persistence
import PlanCheck
import Testing

@testable import DeepSquare

@Suite("Growth of the gateway's file")
struct GridPlanTests {
    @Test("no statement looks at all rows of a table that grows; every statement in the sources is looked at")
    func scans() async throws {
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        let store = try GridStore(path: folder.file)
        let plans = PlanCheck()
        try await store.queue.write { database in
            database.trace { if case .statement(let statement) = $0 { plans.collect(statement.sql) } }
        }
        try await store.set("a", "1")
        _ = try await store.value("a")
        try await store.set("a", nil)
        var claim = GridClaim(
            job: hash(1), number: 1, customer: customer, definition: definition, minutes: 60,
            place: GridClaim.Place(block: 100, index: 5), claimedAt: 1000, needsExamination: false)
        let payment = GridPayment(transaction: hash(9), place: 0, block: 1, learnedAt: 1000, wei: "1")
        claim.final = GridClaim.Report(kind: .end, status: .finished, attempt: 1)
        claim.succeeded(.end, block: 1, transaction: hash(9), payments: [payment], now: 1000)
        try await store.save([claim], logs: [TakenLog(transaction: hash(1), place: 0, block: 1)])
        claim.take(ClaimStage.transition(.submitted, sequence: 1), now: 1000)
        claim.revision += 1
        try await store.save([claim])
        _ = claim.lose(attempt: 1)
        claim.revision += 1
        try await store.save([claim])
        _ = try await store.openClaims()
        try await store.read { try GridStore.inspect($0) }
        _ = try await store.recentClaims(limit: 9)
        _ = try await store.claims(ofJob: hash(1))
        _ = try await store.claim("a", 1)
        _ = try await store.claimsWithoutTimes(since: .distantPast, limit: 9)
        _ = try await store.known([GridStoreTests.delivered(1), GridStoreTests.delivered(2)])
        try await store.setReadBlock(5)
        _ = try await store.readBlock()
        _ = try await store.ownTransaction(now: Date())
        try await store.forgetNumberedLogs()
        try await store.setIdentity(.fresh())
        _ = try await store.identity()
        _ = try await store.payments(since: 0)
        _ = try await store.payments(after: .init(at: 0), limit: 9)
        try await store.prune(before: Date(), paymentsBefore: Date())
        try await store.forgetBinding()
        store.close()

        let database = try DatabaseQueue()
        try await database.writeWithoutTransaction { try GridSchema.migrate($0, path: "") }
        let scans = try await database.read { try plans.scans($0, small: ["sqlite_master", "meta"]) }
        #expect(scans.isEmpty, "\(scans.joined(separator: "\n"))")
        let sources =
            URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/../../Sources/DeepSquare/Store"
        let unrun = try plans.unrun(inSourcesAt: sources)
        #expect(unrun.isEmpty, "call these here:\n\(unrun.joined(separator: "\n"))")
    }
}
