// SPDX-License-Identifier: GPL-3.0-or-later

internal import Ethereum
internal import GRDB
internal import Persistence

extension GridStore {
    /// For how long payments are kept: a year's accounts can be made in the month after.
    static let daysOfPayments: Int64 = 400

    /// A claim's payments, each in one row: told again it only learns its time.
    static func savePayments(of claim: GridClaim, _ database: Database) throws {
        for transaction in claim.lostEnds {
            try database.cachedStatement(sql: "DELETE FROM payments WHERE tx = ?").execute(arguments: ["\(transaction)"]
            )
        }
        for payment in claim.payments ?? [] {
            try database.cachedStatement(
                sql: """
                    INSERT INTO payments (tx, place, job, number, at, block, credits, customer)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                    ON CONFLICT DO UPDATE SET at = excluded.at, block = excluded.block, credits = excluded.credits,
                        customer = excluded.customer
                    """
            ).execute(arguments: [
                "\(payment.transaction)", payment.place, claim.name, claim.number, claim.time(of: payment),
                Int64(clamping: payment.block), payment.wei, claim.customer.hex,
            ])
        }
    }

    /// Those at or after a time, Unix seconds.
    func payments(since time: Int64) async throws(GridError) -> [GridEarnings.Payment] {
        try await read { database in
            try Row.fetchAll(
                database, sql: "SELECT at, job, number, credits, customer FROM payments WHERE at >= ?",
                arguments: [time]
            ).map { GridEarnings.Payment(at: $0[0], job: $0[1], claim: $0[2], wei: $0[3], customer: $0[4]) }
        }
    }

    /// Where a page of payments ends.
    struct PaymentPlace: Sendable, Hashable {
        /// Unix seconds.
        var at: Int64
        var transaction = ""
        var place: Int64 = -1
    }

    /// Those behind a place, in their order.
    func payments(
        after place: PaymentPlace, limit: Int
    ) async throws(GridError) -> [(place: PaymentPlace, payment: GridEarnings.Payment)] {
        try await read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT at, tx, place, job, number, credits, customer FROM payments
                    WHERE at >= ?1 AND (at, tx, place) > (?1, ?2, ?3) ORDER BY at, tx, place LIMIT ?4
                    """, arguments: [place.at, place.transaction, place.place, limit]
            ).map {
                (
                    PaymentPlace(at: $0[0], transaction: $0[1], place: $0[2]),
                    GridEarnings.Payment(at: $0[0], job: $0[3], claim: $0[4], wei: $0[5], customer: $0[6])
                )
            }
        }
    }
}
