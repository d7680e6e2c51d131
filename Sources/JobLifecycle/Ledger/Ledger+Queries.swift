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
        let condition =
            switch filter {
            case .all: "1"
            case .open: "j.final = 0"
            case .waiting: "EXISTS (SELECT 1 FROM deliveries d WHERE d.job = j.id AND d.state = 0)"
            case .parked: "EXISTS (SELECT 1 FROM deliveries d WHERE d.job = j.id AND d.state = 2)"
            }
        return try await summaries("\(condition) ORDER BY j.id DESC LIMIT ?", [limit])
    }

    /// Every job of the ledger with this number; of an array, all its tasks.
    public func summaries(ofJob number: UInt32) async throws(LedgerError) -> [Summary] {
        try await summaries(
            "j.id IN (SELECT job FROM runs WHERE number = ?1 OR job_id = ?1 UNION SELECT id FROM jobs WHERE number = ?1) ORDER BY j.id",
            [number])
    }

    public func summary(ledgerJob: Int64) async throws(LedgerError) -> Summary? {
        try await summaries("j.id = ?", [ledgerJob]).first
    }

    private func summaries(
        _ condition: String, _ arguments: StatementArguments
    ) async throws(LedgerError) -> [Summary] {
        try await read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT j.id, j.final, j.gateway, j.external_id, j.claim, j.order_phase, j.last_error, j.number, j.part,
                        (SELECT count(*) FROM runs r WHERE r.job = j.id),
                        (SELECT count(*) FROM deliveries d WHERE d.job = j.id AND d.state = 0),
                        (SELECT count(*) FROM deliveries d WHERE d.job = j.id AND d.state = 2),
                        (SELECT error FROM deliveries d WHERE d.job = j.id AND d.state <> 1 AND error IS NOT NULL
                            ORDER BY sequence LIMIT 1)
                    FROM jobs j WHERE \(condition)
                    """,
                arguments: arguments
            ).map { row in
                let run = try Row.fetchOne(
                    database,
                    sql: """
                        SELECT \(LedgerTransaction.runColumns) FROM runs WHERE job = ? ORDER BY submit_time DESC, id DESC LIMIT 1
                        """,
                    arguments: [row[0] as Int64]
                ).map(LedgerTransaction.run)?.record
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
        }
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

    /// What one gateway has still to be told.
    public struct Backlog: Sendable, Hashable {
        public var gateway: String
        public var waiting: Int
        /// Given up until `retryDeliveries`.
        public var parked: Int
        /// When the oldest that waits was recorded, Unix seconds.
        public var oldest: Int64?
        /// Of what was given up, else of what was tried most often.
        public var lastError: String?
    }

    /// Of each gateway that the ledger keeps deliveries for, those with nothing to be told too.
    public func backlogs() async throws(LedgerError) -> [Backlog] {
        let gateways = interests.map(\.gateway)
        return try await read { database in
            try gateways.map { gateway in
                // Literals, so that SQLite uses the indexes of what is open.
                func count(_ state: String) throws -> Int {
                    try Int.fetchOne(
                        database, sql: "SELECT count(*) FROM deliveries WHERE gateway = ? AND \(state)",
                        arguments: [gateway]) ?? 0
                }
                let oldest = try Int64.fetchOne(
                    database,
                    sql: """
                        SELECT t.recorded_at FROM deliveries d JOIN transitions t ON t.sequence = d.sequence
                        WHERE d.gateway = ? AND d.state = 0 ORDER BY d.sequence LIMIT 1
                        """, arguments: [gateway])
                let error = try String.fetchOne(
                    database,
                    sql: """
                        SELECT error FROM deliveries WHERE gateway = ? AND state <> 1 AND error IS NOT NULL
                        ORDER BY state DESC, attempts DESC, sequence LIMIT 1
                        """, arguments: [gateway])
                return Backlog(
                    gateway: gateway, waiting: try count("state = 0"), parked: try count("state <> 1 AND state = 2"),
                    oldest: oldest.map { $0 / 1_000_000 },
                    lastError: error)
            }
        }
    }

    /// How much is in the ledger.
    public struct Counts: Sendable, Hashable, Codable {
        public var jobs = 0
        public var openRuns = 0
        public var openOrders = 0
        public var waitingDeliveries = 0
        public var parkedDeliveries = 0
        public var hints = 0
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
            func count(_ sql: String) throws -> Int {
                try Int.fetchOne(database, sql: "SELECT count(*) FROM " + sql) ?? 0
            }
            return Counts(
                jobs: try count("jobs"),
                openRuns: try count("runs WHERE phase IN ('pending', 'running', 'suspended', 'closing')"),
                openOrders: try count("jobs WHERE order_phase IN ('accepted', 'attempted', 'submitted')"),
                waitingDeliveries: try count("deliveries WHERE state = 0"),
                parkedDeliveries: try count("deliveries WHERE state = 2"), hints: try count("hints WHERE parked = 0"),
                parkedHints: try count("hints WHERE parked = 1"), refusedFrames: try count("refused_frames"),
                vanished: try count("transitions WHERE kind = 'vanished'"),
                surplus: try count("surplus"), surplusRunning: try count("surplus WHERE phase = 'running'"),
                lastSequence: try Int64.fetchOne(database, sql: "SELECT max(sequence) FROM transitions") ?? 0)
        }
    }
}
