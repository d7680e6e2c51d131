// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import GRDB

extension Ledger {
    /// Checks the file and what must always hold of its rows.
    /// - Returns: what is wrong, one line each; empty when all is well.
    public func verify() async throws(LedgerError) -> [String] {
        try await read { database in
            var findings = try String.fetchAll(database, sql: "PRAGMA integrity_check(20)").filter { $0 != "ok" }
            for row in try Row.fetchAll(database, sql: "PRAGMA foreign_key_check") {
                findings.append("a row of \(row[0] as String) points to nothing")
            }
            for (rule, sql) in Self.invariants {
                let offenders = try Int64.fetchAll(database, sql: Self.readsAll + sql + " LIMIT 20")
                if !offenders.isEmpty {
                    findings.append("\(rule): job \(offenders.map(String.init).joined(separator: ", "))")
                }
            }
            return findings + (try Self.wrongCounters(database))
        }
    }

    /// Begins a statement that may look at every row: one that an administrator asks for, never one that is run again and again.
    static let readsAll = "/* reads all */ "

    private static func wrongCounters(_ database: Database) throws -> [String] {
        try LedgerSchema.counters.flatMap { counter in
            let (gateway, condition) = (
                counter.gateway.replacing("@", with: ""), counter.condition.replacing("@", with: "")
            )
            return try Row.fetchAll(
                database,
                sql: readsAll + """
                    SELECT gateway, sum(kept), sum(counted) FROM (
                        SELECT gateway, value AS kept, 0 AS counted FROM counters WHERE name = ?1
                        UNION ALL SELECT \(gateway), 0, 1 FROM \(counter.table) WHERE \(condition))
                    GROUP BY gateway HAVING sum(kept) <> sum(counted)
                    """,
                arguments: [counter.name]
            ).map { row in
                let gateway: String = row[0]
                return "the counter \(counter.name)\(gateway.isEmpty ? "" : " of \(gateway)") says \(row[1] as Int64), "
                    + "there are \(row[2] as Int64)"
            }
        }
    }

    /// Each query gives the ledger's number of a job that breaks the rule.
    private static let invariants: [(rule: String, sql: String)] = [
        (
            "more than one final transition",
            "SELECT job FROM transitions WHERE final = 1 GROUP BY job HAVING count(*) > 1"
        ),
        (
            "final without a final transition",
            "SELECT id FROM jobs j WHERE final = 1 AND NOT EXISTS (SELECT 1 FROM transitions t WHERE t.job = j.id AND t.final = 1)"
        ),
        (
            "a final transition of a job that is not final",
            "SELECT j.id FROM transitions t JOIN jobs j ON j.id = t.job WHERE t.final = 1 AND j.final = 0"
        ),
        (
            "over, but without a transition that says so",
            """
            SELECT job FROM runs r WHERE phase IN ('ended', 'requeued', 'vanished') AND NOT EXISTS (
                SELECT 1 FROM transitions t
                WHERE t.job = r.job AND (t.kind = r.phase OR t.kind = 'corrected' AND r.phase <> 'vanished'))
            """
        ),
        // A job that was put back by hand after its end has a later run of the same key.
        (
            "final, but with a run that is not over",
            """
            SELECT j.id FROM runs r JOIN jobs j ON j.id = r.job
            WHERE r.phase IN ('pending', 'running', 'suspended', 'closing') AND j.final = 1 AND NOT EXISTS (
                SELECT 1 FROM runs e WHERE e.job = j.id AND e.number = r.number AND e.part = r.part
                    AND e.submit_time < r.submit_time)
            """
        ),
        (
            "an order with an open run of another Slurm job",
            """
            SELECT j.id FROM runs r JOIN jobs j ON j.id = r.job
            WHERE r.phase IN ('pending', 'running', 'suspended', 'closing') AND j.tag IS NOT NULL AND j.number <> r.number
            """
        ),
        (
            "delivered out of order",
            """
            SELECT d.job FROM deliveries d WHERE d.state = 1 AND EXISTS (
                SELECT 1 FROM deliveries e WHERE e.gateway = d.gateway AND e.job = d.job AND e.state <> 1
                    AND e.sequence < d.sequence)
            """
        ),
    ]
}
