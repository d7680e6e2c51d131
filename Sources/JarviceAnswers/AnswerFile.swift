// SPDX-License-Identifier: GPL-3.0-or-later

public import FoundationEssentials
package import GRDB
public import Jarvice
package import Persistence
package import Support

/// `jarvice.sqlite`: what jobs wrote, as upstream is told it with their ends. An answer stays as it was first read: a day after it
/// was first told, a month when it never was, less long when there are too many.
public struct AnswerFile: KeptAnswers {
    package let path: String
    package let queue: DatabaseQueue
    package let gate = ClosingGate()
    private let now: @Sendable () -> Int64
    private let byteLimit: Int

    private static let toldLifetime: Int64 = 86_400
    private static let untoldLifetime: Int64 = 30 * 86_400

    /// - Parameters:
    ///   - byteLimit: of all answers: then the oldest go.
    ///   - trace: called with each statement.
    ///   - onSetAside: a damaged file was renamed, and a new one made: where it lies, and what was wrong.
    public static func open(
        path: String, byteLimit: Int = 1 << 30,
        now: @escaping @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970) },
        trace: (@Sendable (String) -> Void)? = nil, onSetAside: (String, String) -> Void = { _, _ in }
    ) throws(JarviceError) -> AnswerFile {
        do {
            var file = DatabaseFile(path: path, label: "jarvice", steps: AnswerSchema.steps)
            if let trace {
                file.configuration.prepareDatabase { database in
                    database.trace { event in
                        if case .statement(let statement) = event { trace(statement.sql) }
                    }
                }
            }
            let opened = try file.openOrSetAside(now: Date()) { try DatabaseQueue(path: $0, configuration: $1) }
            if let aside = opened.setAside { onSetAside(aside.aside, aside.reason) }
            return AnswerFile(path: path, queue: opened.writer, now: now, byteLimit: byteLimit)
        } catch {
            throw translate(error, path: path)
        }
    }

    private init(path: String, queue: DatabaseQueue, now: @escaping @Sendable () -> Int64, byteLimit: Int) {
        self.path = path
        self.queue = queue
        self.now = now
        self.byteLimit = byteLimit
    }

    /// Once what is under way is done; all else throws from now on.
    public func close() { closeFile() }

    public func output(of job: String) async throws(JarviceError) -> (text: String, isTold: Bool)? {
        try await read { database in
            try Row.fetchOne(database, sql: "SELECT output, told_at FROM answers WHERE job = ?", arguments: [job]).map {
                (String(decoding: $0[0] as Data, as: UTF8.self), ($0[1] as Int64?) != nil)
            }
        }
    }

    public func keep(_ output: String, of job: String) async throws(JarviceError) -> String {
        let (time, byteLimit) = (now(), byteLimit)
        return try await write { database in
            try Self.prune(database, at: time, byteLimit: byteLimit)
            try database.execute(
                sql: "INSERT INTO answers (job, output, kept_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                arguments: [job, Data(output.utf8), time])
            let kept = try Data.fetchOne(database, sql: "SELECT output FROM answers WHERE job = ?", arguments: [job])
            return kept.map { String(decoding: $0, as: UTF8.self) } ?? output
        }
    }

    public func noteTold(_ jobs: Set<String>) async throws(JarviceError) {
        let time = now()
        try await write { database in
            for job in jobs {
                try database.execute(
                    sql: "UPDATE answers SET told_at = ? WHERE job = ? AND told_at IS NULL", arguments: [time, job])
            }
        }
    }

    /// A few at a time, each time that one comes.
    private static func prune(_ database: Database, at time: Int64, byteLimit: Int) throws {
        try database.execute(
            sql: """
                DELETE FROM answers WHERE job IN (
                    SELECT job FROM answers INDEXED BY answers_told WHERE told_at IS NOT NULL AND told_at < ?
                    ORDER BY told_at LIMIT 8)
                """, arguments: [time - toldLifetime])
        try database.execute(
            sql: """
                DELETE FROM answers WHERE job IN (
                    SELECT job FROM answers WHERE kept_at < ? ORDER BY kept_at LIMIT 8)
                """, arguments: [time - untoldLifetime])
        func pragma(_ name: String) throws -> Int { try Int.fetchOne(database, sql: "PRAGMA \(name)") ?? 0 }
        let pageSize = try pragma("page_size")
        // One answer goes at a time, until there is room for the largest.
        while (try pragma("page_count") - pragma("freelist_count")) * pageSize > byteLimit {
            try database.execute(
                sql: "DELETE FROM answers WHERE job IN (SELECT job FROM answers ORDER BY kept_at LIMIT 1)")
            guard database.changesCount > 0 else { break }
        }
    }
}

extension AnswerFile: DatabaseStore {
    package static func failure(_ fault: DatabaseFault) -> JarviceError { JarviceError(.unavailable, fault.words) }
}
