// SPDX-License-Identifier: GPL-3.0-or-later

internal import GRDB

extension Ledger {
    /// A gateway's newest submission under this name, by its claim; nil: there is none.
    public func newestOrder(_ gateway: String, _ externalID: String) async throws(LedgerError) -> OrderRecord? {
        try await read { database in
            try Row.fetchOne(
                database,
                sql: """
                    SELECT \(Self.orderColumns) FROM jobs WHERE gateway = ? AND external_id = ? ORDER BY claim DESC LIMIT 1
                    """,
                arguments: [gateway, externalID]
            ).flatMap(Self.order)
        }
    }

    /// A gateway's newest submission that became this Slurm job; Slurm uses its numbers again.
    public func newestOrder(_ gateway: String, jobID: UInt32) async throws(LedgerError) -> OrderRecord? {
        try await read { database in
            try Row.fetchOne(
                database,
                sql: """
                    SELECT \(Self.orderColumns) FROM jobs INDEXED BY jobs_order_number
                    WHERE number = ? AND order_phase IS NOT NULL AND gateway = ? ORDER BY id DESC LIMIT 1
                    """,
                arguments: [jobID, gateway]
            ).flatMap(Self.order)
        }
    }
}
