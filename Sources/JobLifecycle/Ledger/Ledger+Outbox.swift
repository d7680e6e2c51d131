// SPDX-License-Identifier: GPL-3.0-or-later

internal import GRDB

extension Ledger {
    struct Waiting: Sendable {
        var transition: JobTransition
        var attempts: Int
    }

    /// What was never tried, of jobs that nothing earlier keeps. Left to itself SQLite walks all that was ever delivered.
    static let freshQuery = """
        SELECT d.sequence, t.body, d.attempts
        FROM deliveries d INDEXED BY deliveries_fresh CROSS JOIN transitions t ON t.sequence = d.sequence
        WHERE d.gateway = ?1 AND d.state = 0 AND d.next_at = 0 AND NOT EXISTS (
            SELECT 1 FROM deliveries e INDEXED BY deliveries_held WHERE e.gateway = ?1 AND e.job = d.job AND e.state <> 1
                AND e.sequence < d.sequence AND (e.state = 2 OR e.next_at > 0))
        ORDER BY d.sequence LIMIT ?2
        """

    /// The first that a job has to be told of, when its next try is due.
    static let headQuery = """
        SELECT d.sequence, t.body, d.attempts, d.job
        FROM deliveries d INDEXED BY deliveries_postponed CROSS JOIN transitions t ON t.sequence = d.sequence
        WHERE d.gateway = ?1 AND d.state = 0 AND d.next_at > 0 AND d.next_at <= ?2 AND NOT EXISTS (
            SELECT 1 FROM deliveries e INDEXED BY deliveries_held WHERE e.gateway = ?1 AND e.job = d.job AND e.state <> 1
                AND e.sequence < d.sequence)
        ORDER BY d.next_at LIMIT ?3
        """

    /// What comes after it, of the same job.
    static let tailQuery = """
        SELECT d.sequence, t.body, d.attempts, d.state = 0 AND d.next_at <= ?4
        FROM deliveries d INDEXED BY deliveries_held CROSS JOIN transitions t ON t.sequence = d.sequence
        WHERE d.gateway = ?1 AND d.job = ?2 AND d.state <> 1 AND d.sequence > ?3 ORDER BY d.sequence LIMIT ?5
        """

    /// What a gateway should be told now: in order, and nothing of a job whose earlier transition waits for its next
    /// try or is parked.
    func dueDeliveries(_ gateway: String, limit: Int) async throws(LedgerError) -> [Waiting] {
        let now = microseconds
        return try await read { database in
            var due = try Row.fetchAll(
                database.cachedStatement(sql: Self.freshQuery), arguments: [gateway, limit]
            ).map(Self.waiting)
            let heads = try Row.fetchAll(
                database.cachedStatement(sql: Self.headQuery), arguments: [gateway, now, limit])
            for head in heads {
                due.append(try Self.waiting(head))
                let tail = try Row.fetchAll(
                    database.cachedStatement(sql: Self.tailQuery),
                    arguments: [gateway, head[3] as Int64, head[0] as Int64, now, limit])
                for row in tail.prefix(while: { $0[3] as Bool }) { due.append(try Self.waiting(row)) }
            }
            due.sort { $0.transition.sequence < $1.transition.sequence }
            return Array(due.prefix(limit))
        }
    }

    private static func waiting(_ row: Row) throws -> Waiting {
        Waiting(transition: try LedgerTransaction.transition(sequence: row[0], body: row[1]), attempts: row[2])
    }

    func nextDeliveryTime(_ gateway: String) async throws(LedgerError) -> Int64? {
        try await read {
            try Int64.fetchOne(
                $0,
                sql: """
                    SELECT min(next_at) FROM deliveries INDEXED BY deliveries_postponed
                    WHERE gateway = ? AND state = 0 AND next_at > 0
                    """,
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
            for result in results { try transaction.update(result, of: gateway) }
        }
    }

    /// Lets parked and waiting deliveries be tried at once: of one job, or all, some hundreds in a transaction.
    /// - Returns: how many.
    public func retryDeliveries(ofJob job: Int64? = nil) async throws(LedgerError) -> Int {
        defer { feed.publish([]) }
        let again = "SET next_at = 0, attempts = 0"
        do {
            let parked = try await read { try Self.gateways($0, "parked") }
            if let job {
                let waiting = try await change(
                    """
                    UPDATE deliveries INDEXED BY deliveries_sequence \(again)
                    WHERE sequence IN (SELECT sequence FROM transitions WHERE job = ?) AND state = 0 AND next_at > 0
                    """, [job])
                return try await transact { transaction in
                    try parked.reduce(waiting) { try $0 + transaction.unpark(ofJob: job, of: $1) }
                }
            }
            var count = 0
            for gateway in try await read({ try Self.gateways($0, "waiting") }) {
                let rows = "INDEXED BY deliveries_postponed_order WHERE gateway = ? AND state = 0 AND next_at > 0"
                let sql = """
                    UPDATE deliveries \(again)
                    WHERE (gateway, sequence) IN (SELECT gateway, sequence FROM deliveries \(rows) LIMIT \(Self.retryLimit))
                    """
                count += try await repeated { try await change(sql, [gateway]) }
            }
            for gateway in parked {
                count += try await repeated {
                    try await transact { try $0.unpark(of: gateway, limit: Self.retryLimit) }
                }
            }
            return count
        } catch let error as LedgerError {
            throw error
        } catch {
            throw LedgerError(.failed, "\(path): \(error)")
        }
    }

    /// Until it changes fewer than it may.
    private func repeated(_ change: () async throws -> Int) async throws -> Int {
        var count = 0
        while true {
            let changed = try await change()
            count += changed
            if changed < Self.retryLimit { return count }
        }
    }

    private static let retryLimit = 500
}
