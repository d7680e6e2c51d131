// SPDX-License-Identifier: GPL-3.0-or-later

internal import GRDB
internal import Persistence

extension CockpitStore {
    /// One run as one backend should have it.
    struct Known: Sendable, Hashable {
        var run: Int64
        var lane: Int64
        var jobID: UInt32
        var startTime: Int64
        var isOver: Bool
        var phase: BackendRow.Phase
        var startedAt: Int64?
        var isOpen: Bool
    }

    private static func known(_ row: Row) -> Known {
        Known(
            run: row[0], lane: row[1], jobID: row[2], startTime: row[3], isOver: row[4],
            phase: BackendRow.Phase(rawValue: row[5]) ?? .none, startedAt: row[6], isOpen: row[7])
    }

    private static let columns =
        "r.id, r.lane, r.job_id, r.start_time, r.ending IS NOT NULL, o.phase, o.started_at, o.open"

    /// What is known of these rows of a backend, by job id and start.
    func known(_ rows: [JobListPage.Row], at backend: String) async throws(CockpitError) -> [JobListPage.Row: Known] {
        try await read { database in
            var found: [JobListPage.Row: Known] = [:]
            let statement = try database.cachedStatement(
                sql: """
                    SELECT \(Self.columns) FROM runs r CROSS JOIN rows o ON o.backend = ? AND o.run = r.id
                    WHERE r.job_id = ? AND r.start_time = ?
                    """)
            for row in rows {
                if let known = try Row.fetchOne(statement, arguments: [backend, row.jobId, row.startTime]) {
                    found[row] = Self.known(known)
                }
            }
            return found
        }
    }

    /// Runs that are not over.
    func open(at backend: String) async throws(CockpitError) -> [Known] {
        try await read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT \(Self.columns) FROM runs r INDEXED BY runs_open
                    CROSS JOIN rows o ON o.backend = ? AND o.run = r.id WHERE r.ending IS NULL
                    """, arguments: [backend]
            ).map(Self.known)
        }
    }

    /// The end of a run that nobody told of, because the gateway was switched off meanwhile.
    func end(_ run: CockpitRun, at time: Int64, _ state: EndState) async throws(CockpitError) {
        try await write { database in
            try database.execute(
                sql: "UPDATE runs SET ending = 'final', end_time = ?, end_state = ? WHERE id = ? AND ending IS NULL",
                arguments: [max(time, run.startTime), state.rawValue, run.id])
            try Self.wake(lane: run.lane, database)
        }
    }
}
