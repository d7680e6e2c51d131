// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import GRDB
import JobLifecycle
import NIOConcurrencyHelpers

/// Folds a block of jobs, as the agent does, and multiplies its rows in SQL: a fold of twenty million looks would take hours.
struct Maker {
    let path: String
    let cluster: String
    let jobs: Int

    private static let block = 50_000
    private static let step = 2_500
    /// What a gateway that is away has not been told, of the oldest jobs; and jobs that are not over.
    private static let backlog = 20_000
    private static let open = 10_000

    func make() async throws -> [String: Double] {
        let start = ContinuousClock.now
        let began = Date() - ScaleDriver.days * 86_400
        let block = min(Self.block, jobs)
        let copies = jobs / block
        let span = Int64(ScaleDriver.days * 86_400) / Int64(copies)
        let clock = NIOLockedValueBox(began)
        let ledger = try Ledger(
            path: path, cluster: cluster, interests: ScaleDriver.interests, now: { clock.withLockedValue { $0 } })
        for first in stride(from: 1, through: block, by: Self.step) {
            let last = min(block, first + Self.step - 1)
            let submitted = Int64(began.timeIntervalSince1970) + span * Int64(first) / Int64(block)
            clock.withLockedValue { $0 = Date(timeIntervalSince1970: Double(submitted + 40)) }
            let looks = (0..<4).flatMap { step in
                (first...last).map { JobObservation.scaled(UInt32($0), step, submitted: submitted) }
            }
            try await ledger.fold(Ledger.Intake(observations: looks))
        }
        ledger.close()
        ScaleDriver.note("folded \(block) jobs in \(start.duration(to: .now))")
        try multiply(block: block, copies: copies, span: span)
        ScaleDriver.note("multiplied by \(copies) after \(start.duration(to: .now))")
        try await addOpen(block * copies)
        let bytes = (try FileManager.default.attributesOfItem(atPath: path)[.size] as? NSNumber)?.doubleValue ?? 0
        return [
            "jobs": Double(block * copies), "transitions": Double(block * copies * 4), "file_mib": bytes / 1_048_576,
            "make_s": start.duration(to: .now) / .seconds(1),
        ]
    }

    private func multiply(block: Int, copies: Int, span: Int64) throws {
        let queue = try DatabaseQueue(path: path)
        try queue.writeWithoutTransaction { database in
            try database.execute(
                sql: "PRAGMA synchronous = OFF; PRAGMA cache_size = -200000; PRAGMA wal_autocheckpoint = 20000")
            try database.execute(sql: "UPDATE deliveries SET state = 1, attempts = 1")
            for copy in stride(from: 1, to: copies, by: 1) {
                try database.inTransaction {
                    try Self.copy(database, jobs: copy * block, seconds: Int64(copy) * span, block: block)
                    return .commit
                }
                if copy % 10 == 0 { ScaleDriver.note("\(copy * block) jobs") }
            }
            try database.execute(
                sql: "UPDATE deliveries SET state = 0 WHERE gateway = 'journal' AND sequence <= ?",
                arguments: [Self.backlog])
            // The ledger itself counts as it writes.
            try database.execute(
                sql: """
                    UPDATE counters SET value = (SELECT count(*) FROM jobs) WHERE name = 'jobs';
                    UPDATE counters SET value = (SELECT count(*) FROM deliveries d WHERE d.gateway = counters.gateway AND state = 0)
                        WHERE name = 'waiting';
                    """)
            try database.execute(sql: "PRAGMA wal_checkpoint(TRUNCATE)")
        }
        try queue.close()
    }

    private static func copy(_ database: Database, jobs: Int, seconds: Int64, block: Int) throws {
        let values: [String: Int64] = ["jobs": Int64(jobs), "s": seconds, "block": Int64(block)]
        for sql in [
            """
            INSERT INTO jobs (id, number, part, final, created_at)
            SELECT id + :jobs, number + :jobs, part, final, created_at + :s * 1000000 FROM jobs WHERE id <= :block
            """,
            """
            INSERT INTO runs (id, job, number, part, submit_time, job_id, restarts, phase, state, start_time, end_time, elapsed,
                exit_status, details, as_of, told_running)
            SELECT id + :jobs, job + :jobs, number + :jobs, part, submit_time + :s, job_id + :jobs, restarts, phase, state,
                start_time + :s, end_time + :s, elapsed, exit_status, details, as_of + :s * 1000000, told_running
            FROM runs WHERE id <= :block
            """,
            """
            INSERT INTO transitions (sequence, job, kind, final, recorded_at, body)
            SELECT sequence + 4 * :jobs, job + :jobs, kind, final, recorded_at + :s * 1000000, body
            FROM transitions WHERE sequence <= 4 * :block
            """,
            """
            INSERT INTO deliveries (gateway, sequence, job, state, attempts)
            SELECT gateway, sequence + 4 * :jobs, job + :jobs, state, attempts
            FROM deliveries WHERE gateway = 'journal' AND sequence <= 4 * :block
            """,
        ] {
            let used = values.filter { sql.contains(":\($0.key)") }
            try database.cachedStatement(sql: sql).execute(arguments: StatementArguments(used))
        }
    }

    /// What a cluster has in its queue now.
    private func addOpen(_ jobs: Int) async throws {
        let ledger = try Ledger(path: path, cluster: cluster, interests: ScaleDriver.interests, checkLimit: .zero)
        let now = Int64(Date().timeIntervalSince1970)
        let numbers = (jobs + 1)...(jobs + min(Self.open, jobs / 20))
        for chunk in stride(from: numbers.lowerBound, through: numbers.upperBound, by: 2_000) {
            let slice = chunk...min(chunk + 1_999, numbers.upperBound)
            try await ledger.fold(
                Ledger.Intake(
                    observations: slice.map {
                        JobObservation.scaled(UInt32($0), $0 % 10 == 0 ? 1 : 0, submitted: now - 60)
                    }))
        }
        ledger.close()
    }
}
