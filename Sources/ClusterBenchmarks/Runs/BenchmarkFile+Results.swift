// SPDX-License-Identifier: GPL-3.0-or-later

internal import GRDB
internal import Persistence

extension BenchmarkFile {
    /// Bytes of a part's results that are kept, the shortest first, and of how many parts.
    private static let (rawLimit, rawParts): (Int, Int64) = (4 << 20, 500)

    static func keep(_ raw: [String: String], of part: Int64, _ database: Database) throws {
        try database.execute(sql: "DELETE FROM transfers WHERE part = ?", arguments: [part])
        // What was posted may be more than is kept.
        try database.execute(sql: "DELETE FROM results WHERE part = ?", arguments: [part])
        var rest = rawLimit
        for (name, content) in raw.sorted(by: { ($0.value.utf8.count, $0.key) < ($1.value.utf8.count, $1.key) }) {
            rest -= content.utf8.count
            guard rest >= 0 else { break }
            try database.execute(
                sql: "INSERT INTO results VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET content = excluded.content",
                arguments: [part, name, content])
        }
        try database.execute(sql: "DELETE FROM results WHERE part <= ?", arguments: [part - rawParts])
    }

    /// What the programs of a run printed.
    ///
    /// - Parameter run: nil: the newest one.
    func results(run: Int64?, _ kinds: [BenchmarkPart]) async throws(BenchmarkError) -> [RawResult] {
        try await read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT p.run, p.part, p.hardware, r.name, r.content
                    FROM parts p INDEXED BY parts_run CROSS JOIN results r ON r.part = p.id
                    WHERE p.run = coalesce(?, (SELECT max(id) FROM runs)) ORDER BY p.id, r.name
                    """,
                arguments: [run]
            ).compactMap { row in
                guard let part = BenchmarkPart(rawValue: row[1]), kinds.isEmpty || kinds.contains(part) else {
                    return nil
                }
                return RawResult(run: row[0], part: part, hardware: row[2], name: row[3], content: row[4])
            }
        }
    }

    /// The last values of each label that is a number, the oldest first: the cluster's, by run.
    func trends(limit: Int) async throws(BenchmarkError) -> [String: [Double]] {
        try await read { database in
            var found: [String: [Double]] = [:]
            for key in BenchmarkLabels.keys where BenchmarkLabels.merging(key) != .first {
                let rows = try Row.fetchAll(
                    database,
                    sql: """
                        SELECT p.run, l.value FROM labels l INDEXED BY labels_key CROSS JOIN parts p ON p.id = l.part
                        WHERE l.key = ? ORDER BY l.part DESC LIMIT ?
                        """,
                    arguments: [key, limit * 4])
                let values = Dictionary(grouping: rows) { $0[0] as Int64 }.sorted { $0.key < $1.key }.suffix(limit)
                    .compactMap { _, rows in
                        BenchmarkLabels.merge(classes: rows.reversed().map { [key: $0[1]] })[key].flatMap {
                            decimal($0)
                        }
                    }
                if values.count > 1 { found[key] = values }
            }
            return found
        }
    }
}
