// SPDX-License-Identifier: GPL-3.0-or-later

import BigInt
import Ethereum
import Foundation
import GRDB
import Testing

@testable import DeepSquare

@Suite("Earnings by day, customer and month")
struct GridStatementTests {
    private static let day: Int64 = 86_400
    /// 2026-11-01T00:00:00Z
    private static let november: Int64 = 1_793_491_200

    private static func payment(_ at: Int64, _ job: String, _ wei: String, by customer: String, claim: Int64 = 1)
        -> GridEarnings.Payment
    {
        GridEarnings.Payment(at: november + at, job: job, claim: claim, wei: wei, customer: customer)
    }

    private static let payments = [
        payment(-1, "a", "5", by: "0xa"), payment(0, "b", "18446744073709551615", by: "0xb"),
        // Two transfers of one job.
        payment(day, "c", "1", by: "0xa"), payment(day, "c", "2", by: "0xa"),
        payment(day, "c", "4", by: "0xa", claim: 2),
        payment(day + 1, "d", "0", by: ""),
    ]

    private static func rows(_ grouping: GridStatement.Grouping) -> [String] {
        var sums = GridStatement.Sums(by: grouping)
        for payment in payments { sums.add(payment) }
        let statement = sums.statement(since: 7)
        #expect(statement.jobs == 5 && statement.credits == "18446744073709551627")
        #expect(statement.since == 7 && statement.by == grouping)
        return statement.rows.map { "\($0.name) \($0.jobs) \($0.credits)" }
    }

    @Test("sums")
    func sums() {
        #expect(
            Self.rows(.day) == ["2026-11-02 3 7", "2026-11-01 1 18446744073709551615", "2026-10-31 1 5"])
        #expect(Self.rows(.month) == ["2026-11 4 18446744073709551622", "2026-10 1 5"])
        #expect(Self.rows(.customer) == ["0xb 1 18446744073709551615", "0xa 3 12", "unknown 1 0"])
        #expect(GridStatement.Sums(by: .day).statement(since: 0).rows.isEmpty)
    }

    private static func paid(_ number: UInt64, at seconds: Int64) -> GridClaim {
        var claim = GridClaim(
            job: hash(number), number: 1, customer: number % 2 == 0 ? customer : provider, definition: definition,
            minutes: 60, place: GridClaim.Place(block: 100, index: 5), claimedAt: november, needsExamination: false)
        let payment = GridPayment(
            transaction: hash(1000 + number), place: 0, block: 1, learnedAt: november + seconds, wei: "3")
        claim.succeeded(
            .end, block: 1, transaction: payment.transaction, payments: [payment], now: payment.learnedAt)
        claim.closedAt = payment.learnedAt
        return claim
    }

    @Test("pages of the file are all payments since a time, each once, also many of one second")
    func pages() async throws {
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        let store = try GridStore(path: folder.file)
        try await store.save((1...30).map { Self.paid($0, at: Int64($0 / 10)) })
        for limit in [1, 7, 30, 31] {
            var place = GridStore.PaymentPlace(at: Self.november + 1)
            var found: [GridEarnings.Payment] = []
            while true {
                let page = try await store.payments(after: place, limit: limit)
                guard let last = page.last else { break }
                place = last.place
                found += page.map(\.payment)
            }
            #expect(found.count == 21 && Set(found.map(\.job)).count == 21)
            #expect(Set(found.map(\.customer)) == [customer.hex, provider.hex])
        }
    }

    @Test("a file of format 2 learns whose its payments are")
    func upgrade() async throws {
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        do {
            let store = try GridStore(path: folder.file)
            try await store.save([Self.paid(2, at: 0)])
            store.close()
            let queue = try DatabaseQueue(path: folder.file)
            try await queue.write {
                try $0.execute(
                    sql: """
                        INSERT INTO payments VALUES ('0x', 0, 'gone', 1, \(Self.november), 1, '1', '');
                        ALTER TABLE payments DROP COLUMN customer;
                        DROP TABLE taken;
                        PRAGMA user_version = 2;
                        """)
            }
            try queue.close()
        }
        let store = try GridStore(path: folder.file)
        let found = try await store.payments(since: 0)
        #expect(Set(found.map(\.customer)) == [customer.hex, ""])
    }

    @Test("payments outlive their claims: a year's accounts can be made")
    func kept() {
        #expect(GridStore.daysOfPayments >= 396)
    }
}
