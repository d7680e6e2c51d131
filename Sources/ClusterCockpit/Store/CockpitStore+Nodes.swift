// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import GRDB
internal import Persistence
internal import Support

extension CockpitStore {
    /// What nodes do not change for so long, ms, is not written again.
    private static let hardwareLasts: Int64 = 60_000

    /// - Parameter time: when they were heard, Unix ms. A report counts from when it was said: a late one is of the run that its
    ///   job had then.
    func take(_ reports: [NodeReport], at time: Int64) async throws(CockpitError) {
        try await write { database in
            for report in reports {
                let heard = time
                let said = heard.subtractingReportingOverflow(report.waited)
                guard !said.overflow else { continue }
                let time = said.partialValue
                let share = NodeShare(report)
                if let jobID = report.jobID, !share.isEmpty {
                    try database.cachedStatement(
                        sql: "INSERT INTO shares (job_id, seen, node, share) VALUES (?, ?, ?, ?)"
                    ).execute(arguments: [jobID, time, report.node, try Self.json(share)])
                }
                guard report.hardware.cores != nil else { continue }
                // Most say what they said before. What is dated in the future was heard while the clock was ahead.
                try database.cachedStatement(
                    sql: """
                        INSERT INTO hardware VALUES (?1, ?2, ?3)
                        ON CONFLICT (node) DO UPDATE SET hardware = excluded.hardware, seen = excluded.seen
                        WHERE seen > ?5 OR excluded.seen >= seen
                            AND (hardware != excluded.hardware OR excluded.seen >= seen + ?4)
                        """
                ).execute(arguments: [report.node, try Self.json(report.hardware), time, Self.hardwareLasts, heard])
            }
        }
    }

    /// What was said while the run was on the nodes, and what the nodes are made of.
    func words(of run: CockpitRun, nodes: [String]) async throws(CockpitError) -> NodeWords {
        try await read { database in
            var words = NodeWords()
            let last = run.endTime.map { $0.saturatingAdd(1).saturatingMultiply(1000) } ?? .max
            for row in try Row.fetchAll(
                database.cachedStatement(
                    sql: """
                        SELECT node, share FROM shares INDEXED BY shares_job
                        WHERE job_id = ? AND seen >= ? AND seen <= ? ORDER BY seen, id
                        """), arguments: [run.jobID, run.startTime.saturatingMultiply(1000), last])
            {
                guard let share: NodeShare = Self.value(row[1]) else { continue }
                if words.shares[row[0]]?.take(share) == nil { words.shares[row[0]] = share }
            }
            let statement = try database.cachedStatement(sql: "SELECT hardware FROM hardware WHERE node = ?")
            for node in nodes {
                guard let text = try String.fetchOne(statement, arguments: [node]) else { continue }
                words.hardware[node] = Self.value(text)
            }
            words.isPluginHeard =
                try Bool.fetchOne(
                    database.cachedStatement(sql: "SELECT EXISTS (SELECT 1 FROM hardware WHERE node >= '')")) == true
            return words
        }
    }

    /// What was said of jobs of which nothing is known any more.
    static func pruneShares(before time: Int64, limit: Int, _ database: Database) throws {
        try database.execute(
            sql: """
                DELETE FROM shares WHERE id IN (
                    SELECT s.id FROM shares s INDEXED BY shares_seen WHERE s.seen < ?
                        AND NOT EXISTS (SELECT 1 FROM runs r INDEXED BY runs_lane WHERE r.lane = s.job_id) LIMIT ?)
                """, arguments: [time * 1000, limit])
    }

    private static func value<Value: Decodable>(_ text: String) -> Value? {
        try? JSONDecoder().decode(Value.self, from: Data(text.utf8))
    }
}
