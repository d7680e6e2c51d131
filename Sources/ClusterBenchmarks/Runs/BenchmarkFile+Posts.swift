// SPDX-License-Identifier: GPL-3.0-or-later

internal import GRDB
internal import Persistence

extension BenchmarkFile {
    enum Posted: Sendable, Hashable {
        /// How many are new, and how many were there.
        case taken(Int, known: Int)
        /// There is no such part, or it is over.
        case over
        /// It would be too much.
        case full
    }

    /// Bytes that a part may post.
    static let postLimit = 16 << 20

    /// - Returns: nil: that run is not under way.
    func secret(ofRun run: Int64) async throws(BenchmarkError) -> String? {
        try await read { database in
            try String.fetchOne(
                database, sql: "SELECT token FROM runs INDEXED BY runs_open WHERE ended_at IS NULL AND id = ?",
                arguments: [run])
        }
    }

    /// On the disk before it is answered. What is there stays as it came first.
    ///
    /// - Parameters:
    ///   - number: the part's place in its run, by which its job posts.
    ///   - part: set to the part.
    func take(_ contents: [String: String], run: Int64, number: Int64) async throws(BenchmarkError) -> (
        Posted, part: Int64?
    ) {
        try await write { database in
            let part = try Int64.fetchOne(
                database,
                sql: """
                    SELECT id FROM parts INDEXED BY parts_run
                    WHERE run = ? AND post = ? AND state IN ('planned', 'submitted', 'ended')
                    """,
                arguments: [run, number])
            guard let part else { return (.over, nil) }
            return (try Self.add(contents, to: part, database), part)
        }
    }

    static func add(_ contents: [String: String], to part: Int64, _ database: Database) throws -> Posted {
        let known = Set(
            try String.fetchAll(database, sql: "SELECT name FROM results WHERE part = ?", arguments: [part]))
        let new = contents.filter { !known.contains($0.key) }
        let size =
            try Int.fetchOne(
                database, sql: "SELECT coalesce(sum(length(CAST(content AS BLOB))), 0) FROM results WHERE part = ?",
                arguments: [part]) ?? 0
        let more = new.values.reduce(0) { $0 + $1.utf8.count }
        guard size + more <= Self.postLimit, known.count + new.count <= ResultBlocks.countLimit else {
            return .full
        }
        for (name, content) in new {
            try database.execute(sql: "INSERT INTO results VALUES (?, ?, ?)", arguments: [part, name, content])
        }
        return .taken(new.count, known: contents.count - new.count)
    }

    /// What a part has posted.
    func posted(_ part: Int64) async throws(BenchmarkError) -> [String: String] {
        try await read { database in
            try Row.fetchAll(database, sql: "SELECT name, content FROM results WHERE part = ?", arguments: [part])
                .reduce(into: [:]) { $0[$1[0]] = $1[1] }
        }
    }
}
