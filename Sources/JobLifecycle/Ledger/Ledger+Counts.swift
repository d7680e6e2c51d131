// SPDX-License-Identifier: GPL-3.0-or-later

internal import GRDB

/// What is asked every few seconds. The numbers are kept as things change (LedgerSchema+Growth.swift), so each answer costs
/// the same however much is in the ledger.
extension Ledger {
    /// How much is in the ledger.
    public struct Counts: Sendable, Hashable, Codable {
        public var jobs = 0
        public var openRuns = 0
        public var openOrders = 0
        public var waitingDeliveries = 0
        public var parkedDeliveries = 0
        /// What is asked until somebody has answered it.
        public var hints = 0
        /// Vanished runs whose end slurmdbd may learn yet: it is asked now and then, for some days, and nothing waits for that.
        public var vanishedHints = 0
        public var parkedHints = 0
        public var refusedFrames = 0
        public var vanished = 0
        /// Slurm jobs that were one too many, and those of them that run.
        public var surplus = 0
        public var surplusRunning = 0
        public var lastSequence: Int64 = 0
    }

    public func counts() async throws(LedgerError) -> Counts {
        try await read { database in
            var kept: [String: Int] = [:]
            for row in try Row.fetchAll(database, sql: "SELECT name, value FROM counters") {
                kept[row[0], default: 0] += row[1] as Int
            }
            let followed = try Int.fetchOne(database, sql: Self.vanishedHints) ?? 0
            return Counts(
                jobs: kept["jobs"] ?? 0, openRuns: kept["open_runs"] ?? 0, openOrders: kept["open_orders"] ?? 0,
                waitingDeliveries: kept["waiting"] ?? 0, parkedDeliveries: kept["parked"] ?? 0,
                hints: max(0, (kept["hints"] ?? 0) - followed), vanishedHints: followed,
                parkedHints: kept["parked_hints"] ?? 0,
                refusedFrames: kept["refused_frames"] ?? 0, vanished: kept["vanished"] ?? 0,
                surplus: kept["surplus"] ?? 0, surplusRunning: kept["surplus_running"] ?? 0,
                lastSequence: try Int64.fetchOne(database, sql: "SELECT max(sequence) FROM transitions") ?? 0)
        }
    }

    private static let vanishedHints =
        "SELECT count(*) FROM hints INDEXED BY hints_vanished WHERE reason = 'vanished' AND parked = 0"

    /// What one gateway has still to be told.
    public struct Backlog: Sendable, Hashable {
        public var gateway: String
        public var waiting: Int
        /// Given up until `retryDeliveries`.
        public var parked: Int
        /// When the oldest that waits was recorded, Unix seconds.
        public var oldest: Int64?
        /// Of what was given up, else of the oldest that is tried again.
        public var lastError: String?
    }

    /// Of each gateway that the ledger keeps deliveries for, those with nothing to be told too.
    public func backlogs() async throws(LedgerError) -> [Backlog] {
        let gateways = interests.map(\.gateway)
        return try await read { database in
            try gateways.map { gateway in
                func kept(_ name: String) throws -> Int {
                    try Int.fetchOne(
                        database, sql: "SELECT value FROM counters WHERE name = ? AND gateway = ?",
                        arguments: [name, gateway]) ?? 0
                }
                func oldest(_ waiting: String) throws -> Int64? {
                    try Int64.fetchOne(
                        database,
                        sql: """
                            SELECT t.recorded_at FROM deliveries d \(waiting)
                            ORDER BY d.sequence LIMIT 1
                            """,
                        arguments: [gateway])
                }
                let times = [
                    try oldest(
                        """
                        INDEXED BY deliveries_fresh CROSS JOIN transitions t ON t.sequence = d.sequence
                        WHERE d.gateway = ? AND d.state = 0 AND d.next_at = 0
                        """),
                    try oldest(
                        """
                        INDEXED BY deliveries_postponed_order CROSS JOIN transitions t ON t.sequence = d.sequence
                        WHERE d.gateway = ? AND d.state = 0 AND d.next_at > 0
                        """),
                ]
                return Backlog(
                    gateway: gateway, waiting: try kept("waiting"), parked: try kept("parked"),
                    oldest: times.compactMap { $0 }.min().map { $0 / 1_000_000 },
                    lastError: try Self.lastError(gateway, database))
            }
        }
    }

    private static func lastError(_ gateway: String, _ database: Database) throws -> String? {
        let parked = try String.fetchOne(
            database,
            sql: """
                SELECT error FROM deliveries INDEXED BY deliveries_parked WHERE gateway = ? AND state = 2
                ORDER BY job DESC LIMIT 1
                """, arguments: [gateway])
        if let parked { return parked }
        return try String.fetchOne(
            database,
            sql: """
                SELECT error FROM deliveries INDEXED BY deliveries_postponed_order
                WHERE gateway = ? AND state = 0 AND next_at > 0 ORDER BY sequence LIMIT 1
                """, arguments: [gateway])
    }
}
