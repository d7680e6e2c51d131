// SPDX-License-Identifier: GPL-3.0-or-later

internal import GRDB
internal import Persistence

extension CockpitStore {
    /// What was published, and nobody has said that it arrived.
    struct Unconfirmed: Sendable, Hashable {
        var run: Int64
        var lane: Int64
        var jobID: UInt32
        var startTime: Int64
        var phase: BackendRow.Phase
        var published: Int
        /// Unix ms.
        var confirmAt: Int64
    }

    /// Those that are due, the earliest first.
    func unconfirmed(_ backend: String, before time: Int64, limit: Int) async throws(CockpitError) -> [Unconfirmed] {
        try await read { database in
            try Row.fetchAll(
                database.cachedStatement(
                    sql: """
                        SELECT r.id, r.lane, r.job_id, r.start_time, o.phase, o.published, o.confirm_at
                        FROM rows o INDEXED BY rows_unconfirmed CROSS JOIN runs r ON r.id = o.run
                        WHERE o.backend = ? AND o.confirm_at IS NOT NULL AND o.confirm_at <= ?
                        ORDER BY o.confirm_at LIMIT ?
                        """), arguments: [backend, time, limit]
            ).map { row in
                Unconfirmed(
                    run: row[0], lane: row[1], jobID: row[2], startTime: row[3],
                    phase: BackendRow.Phase(rawValue: row[4]) ?? .none, published: row[5], confirmAt: row[6])
            }
        }
    }

    /// The backend has it.
    func confirm(_ entry: Unconfirmed, at backend: String) async throws(CockpitError) {
        try await write {
            try $0.cachedStatement(
                sql: """
                    UPDATE rows SET confirm_at = NULL, published = 0, reason = NULL
                    WHERE backend = ? AND run = ? AND confirm_at = ?
                    """
            ).execute(arguments: [backend, entry.run, entry.confirmAt])
        }
    }

    /// The backend has it not, or not all: it is told again from there.
    func again(
        _ entry: Unconfirmed, at backend: String, from phase: BackendRow.Phase, reason: String
    ) async throws(CockpitError) {
        try await write {
            try $0.cachedStatement(
                sql: """
                    UPDATE rows SET phase = ?, open = iif(? = 'parked', 0, 1), attempts = 0, next_at = 0, confirm_at = NULL,
                        reason = ?
                    WHERE backend = ? AND run = ? AND confirm_at = ?
                    """
            ).execute(arguments: [
                phase.rawValue, phase.rawValue, reason, backend, entry.run, entry.confirmAt,
            ])
        }
    }

    /// How many are in doubt.
    func unconfirmedCount(_ backend: String) async throws(CockpitError) -> Int {
        try await read {
            try Int.fetchOne(
                $0,
                sql: """
                    SELECT count(*) FROM rows INDEXED BY rows_unconfirmed WHERE backend = ? AND confirm_at IS NOT NULL
                    """, arguments: [backend]) ?? 0
        }
    }
}
