// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import GRDB

extension Ledger {
    /// Takes a gateway's request in, once: the same (gateway, external id, claim) again changes nothing.
    /// - Returns: the ledger's number of the job.
    @discardableResult
    public func accept(_ order: JobOrder) async throws(LedgerError) -> Int64 {
        try await transact { transaction in
            let database = transaction.database
            let known = try Int64.fetchOne(
                database, sql: "SELECT id FROM jobs WHERE gateway = ? AND external_id = ? AND claim = ?",
                arguments: [order.gateway, order.externalID, order.claim])
            if let known { return known }
            try database.execute(
                sql: """
                    INSERT INTO jobs (created_at, gateway, external_id, claim, request, order_phase)
                    VALUES (?, ?, ?, ?, ?, 'accepted')
                    """,
                arguments: [transaction.now, order.gateway, order.externalID, order.claim, Data(order.request)])
            let id = database.lastInsertedRowID
            // Random, so that a ledger made anew never mistakes an old job for one of its own.
            let random = (0..<8).map { _ in UInt8.random(in: 0...255) }.map { byte in
                String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
            }.joined()
            try database.execute(
                sql: "UPDATE jobs SET tag = ? WHERE id = ?", arguments: ["\(Ledger.tagPrefix)\(id)-\(random)", id])
            transaction.changedOrders = true
            return id
        }
    }

    public func order(_ gateway: String, _ externalID: String, claim: Int64) async throws(LedgerError) -> OrderRecord? {
        try await read { database in
            try Row.fetchOne(
                database,
                sql: "SELECT \(Self.orderColumns) FROM jobs WHERE gateway = ? AND external_id = ? AND claim = ?",
                arguments: [gateway, externalID, claim]
            ).flatMap(Self.order)
        }
    }

    /// Orders that have a step to take now, oldest first.
    func dueOrders(limit: Int) async throws(LedgerError) -> [(order: OrderRecord, tries: Int)] {
        let now = microseconds
        return try await read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT \(Self.orderColumns), tries FROM jobs
                    WHERE order_phase IN ('accepted', 'attempted', 'submitted') AND next_at <= ? ORDER BY id LIMIT ?
                    """,
                arguments: [now, limit]
            ).compactMap { row in Self.order(row).map { ($0, row[9]) } }
        }
    }

    func nextOrderTime() async throws(LedgerError) -> Int64? {
        try await read {
            try Int64.fetchOne(
                $0, sql: "SELECT min(next_at) FROM jobs WHERE order_phase IN ('accepted', 'attempted', 'submitted')")
        }
    }

    /// Before slurmctld is asked: from now on the job may exist.
    func noteAttempt(_ ledgerJob: Int64) async throws(LedgerError) {
        try await transact { transaction in
            try transaction.database.execute(
                sql: """
                    UPDATE jobs SET order_phase = 'attempted', attempted_at = coalesce(attempted_at, ?)
                    WHERE id = ? AND order_phase = 'accepted'
                    """,
                arguments: [transaction.now / 1_000_000, ledgerJob])
        }
    }

    /// The job is known not to exist: it may be asked for anew.
    func forgetAttempt(_ ledgerJob: Int64) async throws(LedgerError) {
        try await transact { transaction in
            try transaction.database.execute(
                sql: """
                    UPDATE jobs SET order_phase = 'accepted', attempted_at = NULL WHERE id = ? AND order_phase = 'attempted'
                    """,
                arguments: [ledgerJob])
        }
    }

    /// The job's number is known. A plugin's event may have told it first.
    func noteSubmitted(_ ledgerJob: Int64, jobID: UInt32) async throws(LedgerError) {
        try await transact { transaction in
            try transaction.database.execute(
                sql: """
                    UPDATE jobs SET number = coalesce(number, ?), part = coalesce(part, -1), order_phase = 'submitted',
                        tries = 0, next_at = 0, last_error = NULL
                    WHERE id = ? AND order_phase IN ('accepted', 'attempted', 'submitted')
                    """,
                arguments: [jobID, ledgerJob])
            let told = try Int.fetchOne(
                transaction.database, sql: "SELECT count(*) FROM transitions WHERE job = ? AND kind = 'submitted'",
                arguments: [ledgerJob])
            if told == 0 {
                var job = try transaction.job(ledgerJob)
                try transaction.append(.submitted, &job, run: nil, jobID: jobID, source: .controller)
            }
            transaction.changedOrders = true
        }
    }

    func noteReleased(_ ledgerJob: Int64) async throws(LedgerError) {
        try await transact { transaction in
            try transaction.database.execute(
                sql: "UPDATE jobs SET order_phase = 'released', last_error = NULL WHERE id = ?",
                arguments: [ledgerJob])
        }
    }

    /// It never became a job, and never will.
    func noteRefused(_ ledgerJob: Int64, why: String) async throws(LedgerError) {
        try await transact { transaction in
            var job = try transaction.job(ledgerJob)
            guard job.orderPhase == .accepted || job.orderPhase == .attempted else { return }
            try transaction.database.execute(
                sql: "UPDATE jobs SET order_phase = 'refused', last_error = ? WHERE id = ?",
                arguments: [why, ledgerJob])
            try transaction.append(.refused, &job, run: nil, source: nil, message: why)
        }
    }

    func postponeOrder(_ ledgerJob: Int64, to time: Int64, why: String) async throws(LedgerError) {
        try await transact { transaction in
            try transaction.database.execute(
                sql: "UPDATE jobs SET tries = tries + 1, next_at = ?, last_error = ? WHERE id = ?",
                arguments: [time, why, ledgerJob])
        }
    }

    private static let orderColumns =
        "id, gateway, external_id, claim, request, order_phase, tag, number, attempted_at"

    private static func order(_ row: Row) -> OrderRecord? {
        guard let phase = (row[5] as String?).flatMap({ OrderPhase(rawValue: $0) }) else { return nil }
        let request: Data? = row[4]
        return OrderRecord(
            ledgerJob: row[0],
            order: JobOrder(
                gateway: row[1], externalID: row[2], claim: row[3], request: request.map { Array($0) } ?? []),
            phase: phase, tag: row[6] ?? "", jobID: row[7], attemptedAt: row[8])
    }
}
