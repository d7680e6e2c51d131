// SPDX-License-Identifier: GPL-3.0-or-later

internal import GRDB

extension GridStore {
    /// A claim's payments, each in one row: told again it only learns its time.
    static func savePayments(of claim: GridClaim, _ database: Database) throws {
        for payment in claim.payments ?? [] {
            try database.cachedStatement(
                sql: """
                    INSERT INTO payments (tx, place, job, number, at, block, credits) VALUES (?, ?, ?, ?, ?, ?, ?)
                    ON CONFLICT DO UPDATE SET at = excluded.at, block = excluded.block, credits = excluded.credits
                    """
            ).execute(arguments: [
                "\(payment.transaction)", payment.place, claim.name, claim.number, claim.time(of: payment),
                Int64(clamping: payment.block), payment.wei,
            ])
        }
    }

    /// Those at or after a time, Unix seconds.
    func payments(since time: Int64) async throws(GridError) -> [GridEarnings.Payment] {
        try await read { database in
            try Row.fetchAll(
                database, sql: "SELECT at, job, number, credits FROM payments WHERE at >= ?", arguments: [time]
            ).map { GridEarnings.Payment(at: $0[0], job: $0[1], claim: $0[2], wei: $0[3]) }
        }
    }
}
