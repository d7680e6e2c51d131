// SPDX-License-Identifier: GPL-3.0-or-later

internal import GRDB
internal import Persistence

extension BenchmarkFile {
    /// The newest runs first.
    public func history(limit: Int) async throws(BenchmarkError) -> [BenchmarkRun] {
        try await read { database in
            try Row.fetchAll(
                database, sql: "SELECT id, begun_at, ended_at, cancelled FROM runs ORDER BY id DESC LIMIT ?",
                arguments: [max(0, min(limit, 1000))]
            ).map { run in
                let id: Int64 = run[0]
                return BenchmarkRun(
                    id: id, begunAt: run[1], endedAt: run[2], isCancelled: run[3],
                    parts: try Self.parts(id, database))
            }
        }
    }

    private static func parts(_ run: Int64, _ database: Database) throws -> [BenchmarkRun.Part] {
        try Row.fetchAll(
            database,
            sql: """
                SELECT id, part, hardware, state, job_id, job_state, message, output, submitted_at, started_at, ended_at
                FROM parts WHERE run = ? ORDER BY id
                """,
            arguments: [run]
        ).compactMap { row in
            // Of a later release.
            guard let part = BenchmarkPart(rawValue: row[1]), let state = BenchmarkRun.Part.State(rawValue: row[3])
            else {
                return nil
            }
            let expected =
                state.isOpen
                ? try Int64.fetchOne(
                    database,
                    sql: """
                        SELECT ended_at - started_at FROM parts INDEXED BY parts_done
                        WHERE state = 'done' AND part = ? AND hardware = ? AND started_at IS NOT NULL ORDER BY id DESC LIMIT 1
                        """,
                    arguments: [part.rawValue, row[2] as String]) : nil
            return BenchmarkRun.Part(
                id: row[0], part: part, hardware: row[2], state: state, job: row[4], jobState: row[5], message: row[6],
                output: row[7], submittedAt: row[8], startedAt: row[9], endedAt: row[10],
                expected: expected, labels: try labels(row[0], database))
        }
    }

    private static func labels(_ part: Int64, _ database: Database) throws -> [String: String] {
        try Row.fetchAll(database, sql: "SELECT key, value FROM labels WHERE part = ?", arguments: [part])
            .reduce(into: [:]) { $0[$1[0]] = $1[1] }
    }

    /// Of the last part that measured the same hardware before this one.
    func labels(before part: Int64, _ kind: BenchmarkPart, hardware: String) async throws(BenchmarkError) -> [String:
        String]
    {
        try await read { database in
            let last = try Int64.fetchOne(
                database,
                sql: """
                    SELECT max(id) FROM parts INDEXED BY parts_done
                    WHERE state = 'done' AND part = ? AND hardware = ? AND id < ?
                    """,
                arguments: [kind.rawValue, hardware, part])
            return try last.map { try Self.labels($0, database) } ?? [:]
        }
    }

    /// The cluster's labels: of each the newest run in which every hardware class had it; where there is none, the newest one that
    /// has it at all. What failed in a run keeps its last value so.
    public func measured() async throws(BenchmarkError) -> [String: MeasuredLabel] {
        try await read { database in
            var found: [String: MeasuredLabel] = [:]
            for kind in BenchmarkPart.allCases {
                for key in BenchmarkLabels.keys(of: kind) {
                    found[key] =
                        try Self.newest(key, kind, complete: true, database)
                        ?? Self.newest(key, kind, complete: false, database)
                }
            }
            return found
        }
    }

    private static func newest(
        _ key: String, _ kind: BenchmarkPart, complete: Bool, _ database: Database
    ) throws -> MeasuredLabel? {
        let run = try Int64.fetchOne(
            database,
            sql: """
                SELECT p.run FROM labels l INDEXED BY labels_key CROSS JOIN parts p ON p.id = l.part
                WHERE l.key = ?1 AND (NOT ?3 OR NOT EXISTS (
                    SELECT 1 FROM parts o INDEXED BY parts_run WHERE o.run = p.run AND o.part = ?2 AND o.state <> 'skipped'
                        AND NOT EXISTS (SELECT 1 FROM labels m WHERE m.part = o.id AND m.key = ?1)))
                ORDER BY l.part DESC LIMIT 1
                """,
            arguments: [key, kind.rawValue, complete])
        guard let run else { return nil }
        let values = try Row.fetchAll(
            database,
            sql: """
                SELECT l.value, p.ended_at FROM parts p INDEXED BY parts_run CROSS JOIN labels l ON l.part = p.id AND l.key = ?
                WHERE p.run = ? ORDER BY p.id
                """,
            arguments: [key, run])
        let merged = BenchmarkLabels.merge(classes: values.map { [key: $0[0]] })
        guard let value = merged[key] else { return nil }
        return MeasuredLabel(value: value, measuredAt: values.compactMap { $0[1] as Int64? }.max() ?? 0, run: run)
    }
}
