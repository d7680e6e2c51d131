// SPDX-License-Identifier: GPL-3.0-or-later

internal import GRDB
internal import Support

/// The times at which things are due are the wall clock's, so that they count across a restart. What is put off while that clock
/// is years ahead would wait for those years once it has been set right.
extension Ledger {
    /// Longer than anything is ever put off, microseconds: slurmdbd is asked about vanished runs every six hours.
    private static let longestWait: Int64 = 24 * 3600 * 1_000_000

    /// Of all that waits for its time. A delivery that was tried stays one: 0 is what was not.
    private static let recalls = [
        """
        UPDATE jobs INDEXED BY jobs_open_orders SET next_at = 0
        WHERE order_phase IN ('accepted', 'attempted', 'submitted') AND next_at > ?
        """,
        "UPDATE surplus INDEXED BY surplus_due SET next_at = 0 WHERE phase IN ('found', 'running') AND next_at > ?",
        """
        UPDATE commands INDEXED BY commands_due SET next_at = 0
        WHERE (state = 'open' OR done_at IS NOT NULL) AND next_at > ?
        """,
        "UPDATE hints INDEXED BY hints_due_starts SET next_at = 0 WHERE parked = 0 AND \(Ledger.mayBeStart) AND next_at > ?",
        "UPDATE hints INDEXED BY hints_due_others SET next_at = 0 WHERE parked = 0 AND \(Ledger.isOther) AND next_at > ?",
    ]
    private static let recallDeliveries = """
        UPDATE deliveries INDEXED BY deliveries_postponed SET next_at = 1
        WHERE gateway = ? AND state = 0 AND next_at > 0 AND next_at > ?
        """

    /// Makes due what was put off by a clock that was wrong. To be called now and then; whoever waits looks once a minute.
    /// - Returns: how much that was.
    @discardableResult
    public func recallPostponed() async throws(LedgerError) -> Int {
        let gateways = interests.map(\.gateway)
        return try await transact(.background) { transaction in
            let (database, latest) = (transaction.database, transaction.now.saturatingAdd(Self.longestWait))
            var count = 0
            for sql in Self.recalls {
                try database.execute(sql: sql, arguments: [latest])
                count += database.changesCount
            }
            for gateway in gateways {
                try database.execute(sql: Self.recallDeliveries, arguments: [gateway, latest])
                count += database.changesCount
            }
            return count
        }
    }
}
