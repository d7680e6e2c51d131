// SPDX-License-Identifier: GPL-3.0-or-later

internal import GRDB
internal import NIOConcurrencyHelpers
public import Persistence

/// One file of the agent's state.
extension Ledger: StateFile {
    public var fileName: String { "ledger.sqlite" }

    public func identity() async throws -> StateIdentity? {
        try await read { try StateIdentity.read($0) }
    }

    public func setIdentity(_ identity: StateIdentity) async throws {
        try await transact { try identity.write($0.database) }
    }

    public func hadContent() async throws -> Bool { wasBound }

    /// What others have been told has numbers up to this one: what comes is numbered above, also in a new ledger or an old copy.
    /// - Returns: whether this ledger had numbered less than that.
    @discardableResult
    public func number(above sequence: Int64) async throws(LedgerError) -> Bool {
        try await transact { transaction in
            let database = transaction.database
            let own =
                try Int64.fetchOne(database, sql: "SELECT seq FROM sqlite_sequence WHERE name = 'transitions'") ?? 0
            guard own < sequence else { return false }
            try database.execute(sql: "DELETE FROM sqlite_sequence WHERE name = 'transitions'")
            try database.execute(
                sql: "INSERT INTO sqlite_sequence (name, seq) VALUES ('transitions', ?)", arguments: [sequence])
            return true
        }
    }

    static func openOrders(_ database: Database) throws -> Set<Int64> {
        try Int64.fetchSet(
            database,
            sql: """
                SELECT id FROM jobs INDEXED BY jobs_open_orders
                WHERE order_phase IN ('accepted', 'attempted', 'submitted')
                """)
    }

    func isFromBefore(_ ledgerJob: Int64) -> Bool { fromBefore.withLockedValue { $0.contains(ledgerJob) } }
    /// It is known now what became of it before.
    func isSettled(_ ledgerJob: Int64) { fromBefore.withLockedValue { _ = $0.remove(ledgerJob) } }

    /// When an order was taken in, Unix microseconds.
    func acceptedAt(_ ledgerJob: Int64) async throws(LedgerError) -> Int64 {
        try await read { database in
            try Int64.fetchOne(database, sql: "SELECT created_at FROM jobs WHERE id = ?", arguments: [ledgerJob]) ?? 0
        }
    }

    // MARK: jobs that were there before

    /// Makes a job that Slurm has already, and that the ledger has seen, this order's: for one that was submitted by whom the
    /// agent replaces. All that is known of it is told to the gateway.
    ///
    /// - Parameter tag: of one that may still be held, since whoever submitted it died before it was let go: it is now.
    /// - Returns: whether it did; false when the ledger knows no such job, or it is another order's.
    public func adopt(
        _ gateway: String, _ externalID: String, claim: Int64, jobID: UInt32, heldWith tag: String? = nil
    ) async throws(LedgerError) -> Bool {
        try await transact { transaction in
            let database = transaction.database
            let known = try Row.fetchOne(
                database,
                sql: """
                    SELECT j.id, j.gateway, j.external_id, j.claim FROM jobs j JOIN runs r ON r.job = j.id
                    WHERE r.id IN (SELECT id FROM runs WHERE number = ?1 AND job_id = ?1
                        UNION ALL SELECT id FROM runs WHERE job_id = ?1 AND job_id <> number)
                    ORDER BY r.submit_time DESC LIMIT 1
                    """,
                arguments: [jobID])
            guard let known else { return false }
            if let owner: String = known[1] {
                return owner == gateway && known[2] == externalID && known[3] == claim
            }
            let id: Int64 = known[0]
            try database.execute(
                sql: """
                    UPDATE jobs SET gateway = ?1, external_id = ?2, claim = ?3, tag = coalesce(tag, ?4),
                        order_phase = CASE WHEN ?4 IS NULL THEN 'released' ELSE 'submitted' END
                    WHERE id = ?5
                    """,
                arguments: [gateway, externalID, claim, tag, id])
            let told = try Row.fetchAll(
                database, sql: "SELECT sequence, body FROM transitions WHERE job = ? ORDER BY sequence", arguments: [id]
            )
            let isWanted = transaction.interests.contains { $0.gateway == gateway && $0.scope == .ownJobs }
            for row in told {
                var transition = try LedgerTransaction.transition(sequence: row[0], body: row[1])
                transition.gateway = gateway
                transition.externalID = externalID
                transition.claim = claim
                try database.execute(
                    sql: "UPDATE transitions SET body = ? WHERE sequence = ?",
                    arguments: [try LedgerTransaction.json(transition), transition.sequence])
                guard isWanted else { continue }
                try transaction.insertDelivery(of: transition.sequence, job: id, to: gateway)
            }
            transaction.changedOrders = true
            return true
        }
    }
}
