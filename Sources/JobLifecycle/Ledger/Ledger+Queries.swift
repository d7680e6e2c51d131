// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import GRDB

extension Ledger {
    /// A job as `ledger list` shows it: its last run and its deliveries.
    public struct Summary: Sendable, Hashable, Codable {
        public var ledgerJob: Int64
        public var job: String?
        public var jobID: UInt32?
        public var runs: Int
        /// Of the last run; of an order without one, the order's.
        public var phase: String
        public var state: SchedulerState.Base?
        public var isFinal: Bool
        public var submitTime: Int64?
        public var startTime: Int64?
        public var endTime: Int64?
        public var elapsed: Int64?
        public var exitStatus: UInt32?
        public var name: String?
        public var user: String?
        public var gateway: String?
        public var externalID: String?
        public var claim: Int64?
        /// Deliveries that wait, and those that are parked.
        public var waiting: Int
        public var parked: Int
        /// The last thing that went wrong with the order or a delivery.
        public var trouble: String?
    }

    public enum Filter: Sendable, Hashable {
        case all
        /// Not over yet.
        case open
        /// With a delivery that waits for its next try.
        case waiting
        /// With a delivery that its gateway refused.
        case parked
    }

    /// The newest jobs first.
    public func list(_ filter: Filter = .all, limit: Int) async throws(LedgerError) -> [Summary] {
        try await read { database in
            try Self.newest(filter, limit, database).compactMap { try Self.summary($0, database) }
        }
    }

    /// Every job of the ledger with this number; of an array, all its tasks.
    public func summaries(ofJob number: UInt32) async throws(LedgerError) -> [Summary] {
        try await read { database in
            // A job without a run that has a number is an order's.
            try Int64.fetchAll(
                database,
                sql: """
                    SELECT job FROM runs WHERE number = ?1 UNION SELECT job FROM runs WHERE job_id = ?1 AND job_id <> number
                    UNION SELECT id FROM jobs WHERE number = ?1 AND gateway IS NOT NULL ORDER BY 1
                    """,
                arguments: [number]
            ).compactMap { try Self.summary($0, database) }
        }
    }

    public func summary(ledgerJob: Int64) async throws(LedgerError) -> Summary? {
        try await read { try Self.summary(ledgerJob, $0) }
    }

    /// The ledger's numbers of jobs, the newest first, each by an index of just what is asked for.
    private static func newest(_ filter: Filter, _ limit: Int, _ database: Database) throws -> [Int64] {
        func ofDeliveries(_ counter: String, _ sql: String) throws -> [Int64] {
            let jobs = try gateways(database, counter).flatMap { gateway in
                try Int64.fetchAll(
                    database, sql: "SELECT DISTINCT job FROM deliveries \(sql) ORDER BY job DESC LIMIT ?",
                    arguments: [gateway, limit])
            }
            return Array(Set(jobs).sorted(by: >).prefix(limit))
        }
        return switch filter {
        case .all:
            try Int64.fetchAll(
                database, sql: "SELECT id FROM jobs WHERE id > 0 ORDER BY id DESC LIMIT ?", arguments: [limit])
        case .open:
            try Int64.fetchAll(
                database,
                sql: "SELECT id FROM jobs INDEXED BY jobs_open WHERE final = 0 AND id > 0 ORDER BY id DESC LIMIT ?",
                arguments: [limit])
        case .waiting:
            try ofDeliveries("waiting", "INDEXED BY deliveries_held WHERE gateway = ? AND state <> 1 AND state = 0")
        case .parked:
            try ofDeliveries("parked", "INDEXED BY deliveries_parked WHERE gateway = ? AND state = 2")
        }
    }

    /// Those that one of the counters of deliveries has anything of.
    static func gateways(_ database: Database, _ counter: String) throws -> [String] {
        try String.fetchAll(
            database, sql: "SELECT gateway FROM counters WHERE name = ? AND value > 0", arguments: [counter])
    }

    private static func summary(_ id: Int64, _ database: Database) throws -> Summary? {
        func deliveries(_ what: String) -> String {
            """
            (SELECT \(what) FROM transitions t CROSS JOIN deliveries d INDEXED BY deliveries_sequence
                ON d.sequence = t.sequence WHERE t.job = j.id
            """
        }
        let statement = try database.cachedStatement(
            sql: """
                SELECT j.id, j.final, j.gateway, j.external_id, j.claim, j.order_phase, j.last_error, j.number, j.part,
                    (SELECT count(*) FROM runs r WHERE r.job = j.id AND r.phase <> 'undone'),
                    \(deliveries("count(*)")) AND d.state = 0), \(deliveries("count(*)")) AND d.state = 2),
                    \(deliveries("d.error")) AND d.state <> 1 AND d.error IS NOT NULL ORDER BY t.sequence LIMIT 1)
                FROM jobs j WHERE j.id = ?
                """)
        guard let row = try Row.fetchOne(statement, arguments: [id]) else { return nil }
        let runs = try database.cachedStatement(
            sql: """
                SELECT \(LedgerTransaction.runColumns) FROM runs WHERE job = ? AND phase <> 'undone'
                ORDER BY submit_time DESC, id DESC LIMIT 1
                """)
        let run = try Row.fetchOne(runs, arguments: [id]).map(LedgerTransaction.run)?.record
        let number: Int64? = row[7]
        let orderPhase: String? = row[5]
        return Summary(
            ledgerJob: row[0],
            job: run?.key.description
                ?? number.map { JobKey(number: UInt32(clamping: $0), storedPart: row[8] ?? -1).description },
            jobID: run?.jobID ?? number.map { UInt32(clamping: $0) }, runs: row[9],
            phase: run?.phase.rawValue ?? orderPhase ?? "unknown", state: run?.state, isFinal: row[1],
            submitTime: run?.submitTime, startTime: run?.startTime, endTime: run?.endTime,
            elapsed: run?.elapsed, exitStatus: run?.exitStatus, name: run?.details.name,
            user: run?.details.userName ?? run?.details.userID.map(String.init), gateway: row[2],
            externalID: row[3], claim: row[4], waiting: row[10], parked: row[11], trouble: row[12] ?? row[6])
    }

    /// A job's transitions, oldest first.
    public func transitions(ofLedgerJob job: Int64) async throws(LedgerError) -> [JobTransition] {
        try await transitions("job = ? ORDER BY sequence", [job])
    }

    /// Transitions after one, oldest first.
    public func transitions(after sequence: Int64, limit: Int) async throws(LedgerError) -> [JobTransition] {
        try await transitions("sequence > ? ORDER BY sequence LIMIT ?", [sequence, limit])
    }

    private func transitions(
        _ condition: String, _ arguments: StatementArguments
    ) async throws(LedgerError) -> [JobTransition] {
        try await read { database in
            try Row.fetchAll(
                database, sql: "SELECT sequence, body FROM transitions WHERE \(condition)", arguments: arguments
            ).map { try LedgerTransaction.transition(sequence: $0[0], body: $0[1]) }
        }
    }
}
