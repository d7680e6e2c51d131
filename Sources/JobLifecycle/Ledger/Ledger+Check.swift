// SPDX-License-Identifier: GPL-3.0-or-later

internal import GRDB
internal import Glibc

extension Ledger {
    /// How far a check of the file in slices has come.
    public struct CheckPosition: Sendable, Hashable {
        fileprivate var table = 0
        fileprivate var gateway = ""
        fileprivate var key: Int64 = -1

        public init() {}
    }

    /// Reads the next rows of the file, and finds each by the indexes that matter.
    /// - Returns: whether there is more.
    /// - Throws: `damaged`; ``noteDamage()`` makes the next start look closer.
    public func check(_ position: inout CheckPosition, rows: Int = 1000) async throws(LedgerError) -> Bool {
        guard position.table < Self.walks.count else { return false }
        let start = position
        position = try await read { database in
            var next = start
            let walk = Self.walks[start.table]
            guard let sql = walk.sql else {
                let findings = try String.fetchAll(database, sql: "PRAGMA quick_check('\(walk.table)')")
                guard findings == ["ok"] else { throw Self.damage(walk.table, findings.joined(separator: "; ")) }
                next.table += 1
                return next
            }
            let row = try Row.fetchOne(
                database, sql: sql, arguments: ["gateway": start.gateway, "key": start.key, "rows": rows])
            let count: Int = row?["rows"] ?? 0
            guard count == row?["found"] ?? 0 else {
                throw Self.damage(walk.table, "\(count) rows after \(start.key), of which its indexes have fewer")
            }
            next.gateway = row?["gateway"] ?? ""
            next.key = row?["key"] ?? -1
            if count < rows {
                next = CheckPosition()
                next.table = start.table + 1
            }
            return next
        }
        return position.table < Self.walks.count
    }

    private static func damage(_ table: String, _ what: String) -> LedgerError {
        LedgerError(.damaged, "the ledger is damaged in \(table): \(what)")
    }

    /// The next start checks the whole file, and sets it aside if it is damaged.
    public func noteDamage() {
        let descriptor = Glibc.open(LedgerFile.suspicion(path), O_CREAT | O_WRONLY | O_CLOEXEC, 0o600)
        if descriptor >= 0 { Glibc.close(descriptor) }
    }

    /// Each gives of the rows after `key`: how many there are, how many are found by other ways, and the last one. A text is
    /// read to its end by its length, a blob by a comparison.
    private static let walks: [(table: String, sql: String?)] =
        [
            (
                "jobs",
                """
                SELECT max(id) AS key, '' AS gateway, count(*) AS rows, count(*) AS found, max(request), max(length(last_error))
                FROM (SELECT id, request, last_error FROM jobs WHERE id > :key AND :gateway = '' ORDER BY id LIMIT :rows)
                """
            ),
            (
                "runs",
                """
                SELECT max(id) AS key, '' AS gateway, count(*) AS rows, max(length(details)),
                    sum(EXISTS (SELECT 1 FROM runs i INDEXED BY runs_job WHERE i.job = r.job AND i.id = r.id)
                        AND EXISTS (SELECT 1 FROM runs i WHERE i.number = r.number AND i.part = r.part
                            AND i.submit_time = r.submit_time)
                        AND EXISTS (SELECT 1 FROM jobs j WHERE j.id = r.job)) AS found
                FROM (SELECT id, job, number, part, submit_time, details FROM runs WHERE id > :key AND :gateway = ''
                    ORDER BY id LIMIT :rows) r
                """
            ),
            (
                "transitions",
                """
                SELECT max(sequence) AS key, '' AS gateway, count(*) AS rows, max(length(body)),
                    sum(EXISTS (SELECT 1 FROM transitions i INDEXED BY transitions_job
                            WHERE i.job = t.job AND i.sequence = t.sequence)
                        AND EXISTS (SELECT 1 FROM jobs j WHERE j.id = t.job)) AS found
                FROM (SELECT sequence, job, body FROM transitions WHERE sequence > :key AND :gateway = ''
                    ORDER BY sequence LIMIT :rows) t
                """
            ),
            (
                "deliveries",
                """
                SELECT max(gateway) AS gateway, count(*) AS rows, max(length(error)),
                    max(CASE WHEN gateway = last THEN sequence END) AS key,
                    sum(EXISTS (SELECT 1 FROM deliveries i INDEXED BY deliveries_sequence
                            WHERE i.sequence = d.sequence AND i.gateway = d.gateway)
                        AND EXISTS (SELECT 1 FROM transitions t WHERE t.sequence = d.sequence)) AS found
                FROM (SELECT gateway, sequence, error, max(gateway) OVER () AS last FROM (
                    SELECT gateway, sequence, error FROM deliveries WHERE (gateway, sequence) > (:gateway, :key)
                    ORDER BY gateway, sequence LIMIT :rows)) d
                """
            ),
        ] + ["meta", "counters", "hints", "marks", "refused_frames"].map { ($0, nil) }
}
