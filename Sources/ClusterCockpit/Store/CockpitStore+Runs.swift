// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import GRDB
internal import JobLifecycle
internal import Persistence

extension CockpitStore {
    static let runColumns = """
        r.id, r.lane, r.job_id, r.submit_time, r.start_time, r.job, r.sequence, r.details, r.ending, r.end_time, r.end_state, \
        r.capture, r.is_captured
        """

    static func run(_ row: Row) throws -> CockpitRun {
        let details: String = row[7]
        var run = CockpitRun(
            jobID: row[2], submitTime: row[3], startTime: row[4], job: row[5],
            details: try JSONDecoder().decode(JobDetails.self, from: Data(details.utf8)))
        run.id = row[0]
        run.sequence = row[6]
        run.ending = (row[8] as String?).flatMap(CockpitRun.Ending.init)
        run.endTime = row[9]
        run.endState = (row[10] as String?).flatMap(EndState.init)
        run.capture = (row[11] as String?).flatMap { try? JSONDecoder().decode(JobCapture.self, from: Data($0.utf8)) }
        run.isCaptured = row[12]
        return run
    }

    /// Takes transitions in, in one database transaction.
    /// - Returns: whether a backend has to hear of any.
    func take(_ transitions: [JobTransition], backends: [String]) async throws(CockpitError) -> Bool {
        try await write { database in
            var isNews = false
            for transition in transitions where try Self.take(transition, backends, database) { isNews = true }
            return isNews
        }
    }

    private static func take(_ transition: JobTransition, _ backends: [String], _ database: Database) throws -> Bool {
        guard let jobID = transition.jobID, let submitTime = transition.submitTime else { return false }
        if var known = try find(jobID, submitTime, database) {
            let isNews = known.take(transition)
            try save(known, database)
            if isNews, transition.kind == .restored { try restore(known, database) }
            if isNews { try wake(lane: known.lane, database) }
            return isNews
        }
        if var new = CockpitRun(transition) {
            try insert(&new, backends, phase: .none, database)
            return true
        }
        // It never ran, and with it the job is over.
        guard transition.kind == .ended || transition.kind == .vanished, transition.isFinal else { return false }
        let lane = Int64(jobID)
        guard
            try Bool.fetchOne(
                database.cachedStatement(sql: "SELECT EXISTS (SELECT 1 FROM runs WHERE lane = ?)"), arguments: [lane])
                == true
        else { return false }
        try database.cachedStatement(sql: "INSERT OR IGNORE INTO closed VALUES (?)").execute(arguments: [lane])
        // Whoever has just looked at the job looks again.
        try database.cachedStatement(sql: "UPDATE runs SET sequence = max(sequence, ?) WHERE lane = ?")
            .execute(arguments: [transition.sequence, lane])
        try wake(lane: lane, database)
        return true
    }

    static func find(_ jobID: UInt32, _ submitTime: Int64, _ database: Database) throws -> CockpitRun? {
        try Row.fetchOne(
            database.cachedStatement(
                sql: "SELECT \(runColumns) FROM runs r WHERE r.job_id = ? AND r.submit_time = ?"),
            arguments: [jobID, submitTime]
        ).map(run)
    }

    static func insert(
        _ run: inout CockpitRun, _ backends: [String], phase: BackendRow.Phase, _ database: Database
    ) throws {
        try database.cachedStatement(
            sql: """
                INSERT INTO runs (lane, job_id, submit_time, start_time, job, sequence, details)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                """
        ).execute(arguments: [
            run.lane, run.jobID, run.submitTime, run.startTime, run.job, run.sequence, try json(run.details),
        ])
        run.id = database.lastInsertedRowID
        // A later job of the same number is not over.
        try database.cachedStatement(sql: "DELETE FROM closed WHERE lane = ?").execute(arguments: [run.lane])
        for backend in backends {
            try database.cachedStatement(sql: "INSERT INTO rows (backend, run, lane, phase) VALUES (?, ?, ?, ?)")
                .execute(arguments: [backend, run.id, run.lane, phase.rawValue])
        }
        if run.isOver || run.isCaptured { try save(run, database) }
    }

    static func save(_ run: CockpitRun, _ database: Database) throws {
        try database.cachedStatement(
            sql: """
                UPDATE runs SET start_time = ?, sequence = ?, details = ?, ending = ?, end_time = ?, end_state = ?,
                    capture = ?, is_captured = ? WHERE id = ?
                """
        ).execute(arguments: [
            run.startTime, run.sequence, try json(run.details), run.ending?.rawValue, run.endTime,
            run.endState?.rawValue, try run.capture.map(json), run.isCaptured, run.id,
        ])
    }

    /// The run goes on, and those that followed it never were: backends that were told otherwise have to hear of both.
    private static func restore(_ run: CockpitRun, _ database: Database) throws {
        try database.cachedStatement(
            sql: """
                UPDATE rows SET open = 1, next_at = 0, phase = iif(phase = 'stopped', phase, 'none')
                WHERE run = ? AND phase IN ('stopped', 'deleted', 'skipped')
                """
        ).execute(arguments: [run.id])
        try database.cachedStatement(
            sql: """
                UPDATE runs SET ending = 'undone', end_time = start_time, end_state = 'cancelled', sequence = max(sequence, ?)
                WHERE job_id = ? AND submit_time > ?
                """
        ).execute(arguments: [run.sequence, run.jobID, run.submitTime])
        try database.cachedStatement(
            sql: """
                UPDATE rows SET open = 1, next_at = 0 WHERE phase = 'stopped'
                    AND run IN (SELECT id FROM runs WHERE job_id = ? AND submit_time > ?)
                """
        ).execute(arguments: [run.jobID, run.submitTime])
        try database.cachedStatement(sql: "DELETE FROM closed WHERE lane = ?").execute(arguments: [run.lane])
    }

    /// A parked row stays parked.
    static func wake(lane: Int64, _ database: Database) throws {
        try database.cachedStatement(
            sql: "UPDATE rows SET open = 1 WHERE lane = ? AND phase IN ('none', 'running')"
        ).execute(arguments: [lane])
    }

    static func json(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        // The same value is the same text.
        encoder.outputFormatting = .sortedKeys
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    /// Runs of which Slurm has still to be asked, the earliest first.
    func uncaptured(after id: Int64 = 0, limit: Int) async throws(CockpitError) -> [CockpitRun] {
        try await read { database in
            try Row.fetchAll(
                database.cachedStatement(
                    sql: """
                        SELECT \(Self.runColumns) FROM runs r INDEXED BY runs_uncaptured
                        WHERE r.is_captured = 0 AND r.id > ? ORDER BY r.id LIMIT ?
                        """), arguments: [id, limit]
            ).map(Self.run)
        }
    }

    /// What Slurm said of a run when it started, the first word of it; nil: it knows it no more.
    func capture(_ id: Int64, _ capture: JobCapture?) async throws(CockpitError) {
        let text: String?
        do {
            text = try capture.map(Self.json)
        } catch {
            throw CockpitError(.malformed, "what Slurm said of a job cannot be written: \(error)")
        }
        try await write {
            try $0.cachedStatement(sql: "UPDATE runs SET capture = ?, is_captured = 1 WHERE id = ? AND is_captured = 0")
                .execute(arguments: [text, id])
        }
    }

    func runs(ofJob jobID: UInt32) async throws(CockpitError) -> [CockpitRun] {
        try await read { database in
            try Row.fetchAll(
                database, sql: "SELECT \(Self.runColumns) FROM runs r WHERE r.job_id = ? ORDER BY r.submit_time",
                arguments: [jobID]
            ).map(Self.run)
        }
    }

    /// Runs whose end is not known, some at a time.
    func openRuns(after id: Int64, limit: Int) async throws(CockpitError) -> [CockpitRun] {
        try await read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT \(Self.runColumns) FROM runs r INDEXED BY runs_open
                    WHERE r.ending IS NULL AND r.id > ? ORDER BY r.id LIMIT ?
                    """, arguments: [id, limit]
            ).map(Self.run)
        }
    }

    /// A row of an earlier feeder, which nobody told us of: it runs at one backend.
    func adopt(_ run: CockpitRun, backend: String, backends: [String]) async throws(CockpitError) {
        try await write { database in
            if let known = try Self.find(run.jobID, run.submitTime, database) {
                try database.execute(
                    sql: "UPDATE rows SET phase = 'running', open = 1, next_at = 0 WHERE backend = ? AND run = ?",
                    arguments: [backend, known.id])
                return
            }
            var run = run
            try Self.insert(&run, backends, phase: .skipped, database)
            try database.execute(
                sql: "UPDATE rows SET phase = 'running', open = 1 WHERE backend = ? AND run = ?",
                arguments: [backend, run.id])
        }
    }

    /// What is over and told everywhere, and too old to stand in the way of a later run, is forgotten.
    func prune(before time: Int64, limit: Int = 500) async throws(CockpitError) -> Int {
        try await write { database in
            try database.execute(
                sql: """
                    DELETE FROM runs WHERE id IN (
                        SELECT r.id FROM runs r INDEXED BY runs_ended WHERE r.ending IS NOT NULL AND r.end_time < ?
                            AND NOT EXISTS (SELECT 1 FROM rows o INDEXED BY rows_run
                                WHERE o.run = r.id AND (o.open = 1 OR o.phase = 'running'))
                        LIMIT ?)
                    """, arguments: [time, limit])
            let count = database.changesCount
            try Self.pruneShares(before: time, limit: limit, database)
            if count > 0 {
                try database.execute(
                    sql:
                        "/* reads all */ DELETE FROM closed WHERE NOT EXISTS (SELECT 1 FROM runs WHERE runs.lane = closed.lane)"
                )
            }
            return count
        }
    }
}
