// SPDX-License-Identifier: GPL-3.0-or-later

internal import GRDB

extension Ledger {
    struct Waiting: Sendable {
        var transition: JobTransition
        var attempts: Int
    }

    /// By the partial indexes: left to itself SQLite walks all that was ever delivered, for each row once more.
    static let dueQuery = """
        SELECT d.sequence, t.body, d.attempts
        FROM deliveries d INDEXED BY deliveries_waiting JOIN transitions t USING (sequence)
        WHERE d.gateway = ?1 AND d.state = 0 AND d.next_at <= ?2 AND NOT EXISTS (
            SELECT 1 FROM deliveries e INDEXED BY deliveries_held WHERE e.gateway = ?1 AND e.job = d.job AND e.state <> 1
                AND e.sequence < d.sequence AND (e.state = 2 OR e.next_at > ?2))
        ORDER BY d.sequence LIMIT ?3
        """

    /// What a gateway should be told now: in order, and nothing of a job whose earlier transition waits for its next
    /// try or is parked.
    func dueDeliveries(_ gateway: String, limit: Int) async throws(LedgerError) -> [Waiting] {
        let now = microseconds
        return try await read { database in
            try Row.fetchAll(
                database, sql: Self.dueQuery,
                arguments: [gateway, now, limit]
            ).map { row in
                Waiting(
                    transition: try LedgerTransaction.transition(sequence: row[0], body: row[1]), attempts: row[2])
            }
        }
    }

    func nextDeliveryTime(_ gateway: String) async throws(LedgerError) -> Int64? {
        try await read {
            try Int64.fetchOne(
                $0, sql: "SELECT min(next_at) FROM deliveries WHERE gateway = ? AND state = 0 AND next_at > 0",
                arguments: [gateway])
        }
    }

    struct DeliveryResult: Sendable {
        var sequence: Int64
        var outcome: Delivery
        /// For a retry, Unix microseconds.
        var next: Int64
    }

    func record(_ results: [DeliveryResult], of gateway: String) async throws(LedgerError) {
        try await transact { transaction in
            for result in results {
                let (state, error): (Int, String?) =
                    switch result.outcome {
                    case .delivered: (1, nil)
                    case .retry(let why): (0, why)
                    case .refused(let why): (2, why)
                    }
                try transaction.database.cachedStatement(
                    sql: """
                        UPDATE deliveries SET state = ?, error = ?, next_at = ?, attempts = attempts + 1
                        WHERE gateway = ? AND sequence = ?
                        """
                ).execute(arguments: [state, error, result.next, gateway, result.sequence])
            }
        }
    }

    /// Lets parked and waiting deliveries be tried at once: of one job, or all.
    /// - Returns: how many.
    public func retryDeliveries(ofJob job: Int64? = nil) async throws(LedgerError) -> Int {
        try await transact { transaction in
            try transaction.database.execute(
                sql: """
                    UPDATE deliveries SET state = 0, next_at = 0, attempts = 0
                    WHERE state <> 1 AND (state = 2 OR next_at > 0) AND (?1 IS NULL OR job = ?1)
                    """,
                arguments: [job])
            transaction.changedOrders = true
            return transaction.database.changesCount
        }
    }
}
