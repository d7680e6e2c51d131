// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import GRDB
internal import Support

extension Ledger {
    /// One walk from the oldest transition to those that are not old enough. Of what stays in spite of its age (jobs that run
    /// for long, or are not delivered) each row is looked at once a walk.
    struct PruneWalk: Sendable {
        /// Unix microseconds: what happened before may go.
        var before: Int64
        var now: Int64
        /// The last transition that was looked at.
        var sequence: Int64 = 0
        /// Jobs that may go, by the last look.
        var candidates: [Int64] = []
        var isOver = false

        /// Takes the next transitions in.
        ///
        /// They are in the order of time but for a clock that was set. What a wrong clock dated into the future is passed over;
        /// the walk ends where the rest is too young.
        mutating func take(_ rows: [(sequence: Int64, job: Int64, recordedAt: Int64)], limit: Int) {
            guard let last = rows.last else {
                isOver = true
                return
            }
            sequence = last.sequence
            var seen: Set<Int64> = []
            for row in rows where row.recordedAt < before && seen.insert(row.job).inserted {
                candidates.append(row.job)
            }
            let young = rows.contains { $0.recordedAt >= before && $0.recordedAt <= now }
            isOver = rows.count < limit || (candidates.isEmpty && young)
        }
    }

    /// Transitions that one look takes.
    private static let walkLength = 500
    /// How long the writer may be at it before what others have to commit gets its turn.
    private static let pruneBudget: Duration = .milliseconds(5)
    /// Rows of one job that go at once; a job that was requeued for days has more.
    private static let rowLimit = 200

    /// What lets a job (`jobs.id`) go that has no transition since `?2`. Phases of runs: a job that is final may have been put
    /// back into the queue by hand. An array's pending rest that was split up has no end of its own.
    private static let mayGo = """
        (final = 1 OR (order_phase IS NULL AND created_at < ?2 AND NOT EXISTS (
            SELECT 1 FROM runs r WHERE r.job = jobs.id AND r.phase <> 'dispersed')))
        AND NOT EXISTS (SELECT 1 FROM transitions t WHERE t.job = jobs.id AND t.recorded_at >= ?2)
        AND NOT EXISTS (SELECT 1 FROM transitions t CROSS JOIN deliveries d INDEXED BY deliveries_sequence
            ON d.sequence = t.sequence WHERE t.job = jobs.id AND d.state <> 1)
        AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.job = jobs.id
            AND r.phase IN ('pending', 'running', 'suspended', 'closing'))
        """

    /// Removes jobs that are over and delivered since before `age`, hints and frames as old, and what a gateway that is no
    /// longer configured was to be told, once the ledger has been without it for as long. Open jobs stay. A wall clock that was
    /// set forward makes nothing old (``clock``), and while one that was far behind has not been right for as long nothing goes.
    ///
    /// In small transactions: nobody who commits waits for more than a few milliseconds of it.
    /// - Parameter pause: called after each, with how long the writer was held; throws to stop.
    /// - Returns: how many jobs went.
    @discardableResult
    public func prune(
        olderThan age: Duration, pause: @Sendable (Duration) async throws(CancellationError) -> Void = { _ in }
    ) async throws(LedgerError) -> Int {
        let now = trustedMicroseconds
        let before = now - Int64(age / .microseconds(1))
        do {
            try await noteClock()
            guard clock.cutoff(age, wall: self.now()) != nil else { return 0 }
            try await dropUnconfigured(before: before / 1_000_000, pause)
            try await pruneSmall(before: before, pause)
            var walk = PruneWalk(before: before, now: now)
            var pruned = 0
            while !walk.isOver {
                walk = try await look(walk)
                while !walk.candidates.isEmpty {
                    let jobs = walk.candidates
                    let (gone, looked, took) = try await remove(jobs, before: before)
                    pruned += gone
                    walk.candidates.removeFirst(looked)
                    try await pause(took)
                }
            }
            return pruned
        } catch let error as LedgerError {
            throw error
        } catch {
            return 0
        }
    }

    private func look(_ walk: PruneWalk) async throws(LedgerError) -> PruneWalk {
        try await read { database in
            var walk = walk
            let rows = try Row.fetchAll(
                database,
                sql: """
                    SELECT sequence, job, recorded_at FROM transitions WHERE sequence > ? ORDER BY sequence LIMIT ?
                    """,
                arguments: [walk.sequence, Self.walkLength]
            ).map { (sequence: $0[0] as Int64, job: $0[1] as Int64, recordedAt: $0[2] as Int64) }
            walk.take(rows, limit: Self.walkLength)
            let statement = try database.cachedStatement(sql: "SELECT 1 FROM jobs WHERE id = ?1 AND \(Self.mayGo)")
            walk.candidates = try walk.candidates.filter {
                try Int.fetchOne(statement, arguments: [$0, walk.before]) != nil
            }
            return walk
        }
    }

    /// - Returns: how many jobs went, how many were dealt with, and how long it took.
    private func remove(_ jobs: [Int64], before: Int64) async throws(LedgerError) -> (Int, Int, Duration) {
        try await transact { transaction in
            let database = transaction.database
            let start = ContinuousClock.now
            var (gone, looked) = (0, 0)
            for job in jobs {
                if try Self.isLarge(job, database) {
                    // It stays the next candidate until little is left of it.
                    if try Self.thin(job, before: before, database) == 0 { looked += 1 }
                    break
                }
                try database.cachedStatement(sql: "DELETE FROM jobs WHERE id = ?1 AND \(Self.mayGo)")
                    .execute(arguments: [job, before])
                gone += database.changesCount
                looked += 1
                if start.duration(to: .now) > Self.pruneBudget { break }
            }
            return (gone, looked, start.duration(to: .now))
        }
    }

    private static func isLarge(_ job: Int64, _ database: Database) throws -> Bool {
        let count = try Int.fetchOne(
            database.cachedStatement(
                sql: "SELECT count(*) FROM (SELECT 1 FROM transitions WHERE job = ? LIMIT \(rowLimit + 1))"),
            arguments: [job])
        return count ?? 0 > rowLimit
    }

    /// Takes some rows of a job that may go, the one that says how it ended last.
    /// - Returns: how many.
    private static func thin(_ job: Int64, before: Int64, _ database: Database) throws -> Int {
        let mayGo = try Int.fetchOne(
            database.cachedStatement(sql: "SELECT 1 FROM jobs WHERE id = ?1 AND \(Self.mayGo)"),
            arguments: [job, before])
        guard mayGo != nil else { return 0 }
        try database.cachedStatement(
            sql: "DELETE FROM runs WHERE id IN (SELECT id FROM runs WHERE job = ? ORDER BY id LIMIT \(rowLimit))"
        ).execute(arguments: [job])
        if database.changesCount > 0 { return database.changesCount }
        try database.cachedStatement(
            sql: """
                DELETE FROM transitions WHERE sequence IN (
                    SELECT sequence FROM transitions WHERE job = ? AND final = 0 ORDER BY sequence LIMIT \(rowLimit))
                """
        ).execute(arguments: [job])
        return database.changesCount
    }

    private func pruneSmall(
        before: Int64, _ pause: @Sendable (Duration) async throws(CancellationError) -> Void
    ) async throws {
        for sql in [
            """
            DELETE FROM hints WHERE (job_id, reason) IN (
                SELECT job_id, reason FROM hints WHERE parked = 1 AND time < ? LIMIT \(Self.rowLimit))
            """,
            """
            DELETE FROM surplus WHERE (job_id, submit_time) IN (
                SELECT job_id, submit_time FROM surplus INDEXED BY surplus_over
                WHERE phase IN ('cancelled', 'over') AND found_at < ? LIMIT \(Self.rowLimit))
            """,
            "DELETE FROM marks WHERE heard_at < ?",
            """
            DELETE FROM refused_frames WHERE id IN (
                SELECT id FROM refused_frames WHERE at < ? ORDER BY at LIMIT \(Self.rowLimit))
            """,
        ] {
            while try await change(sql, [before], pause) == Self.rowLimit {}
        }
    }

    // MARK: gateways that are no longer configured

    /// What is kept for a gateway that the configuration does not have.
    public struct Unconfigured: Sendable, Hashable {
        public var gateway: String
        /// Transitions that it was not told, those that it refused as well.
        public var deliveries: Int
        /// When the ledger was first opened without it, Unix seconds.
        public var since: Int64
    }

    /// Gateways that the ledger was opened without although there is something to tell them: a mistake in the configuration, or
    /// one that was given up. Their jobs stay in the ledger until then.
    public func unconfigured() async throws(LedgerError) -> [Unconfigured] {
        try await read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT gateway, sum(counters.value), meta.value FROM counters
                    CROSS JOIN meta ON meta.name = 'unconfigured:' || gateway
                    WHERE counters.name IN ('waiting', 'parked') AND counters.value > 0 GROUP BY gateway
                    """
            ).map { Unconfigured(gateway: $0[0], deliveries: $0[1], since: Int64($0[2] as String) ?? 0) }
        }
    }

    static func noteUnconfigured(_ database: Database, _ interests: [Interest], at time: Int64) throws {
        for interest in interests {
            try database.execute(
                sql: "DELETE FROM meta WHERE name = ?", arguments: ["unconfigured:\(interest.gateway)"])
        }
        for gateway in try Self.gateways(database, "waiting") + Self.gateways(database, "parked")
        where !interests.contains(where: { $0.gateway == gateway }) {
            try noteUnconfigured(database, gateway, at: time)
        }
    }

    /// There is something to tell it, and nobody to tell.
    static func noteUnconfigured(_ database: Database, _ gateway: String, at time: Int64) throws {
        try database.cachedStatement(sql: "INSERT INTO meta VALUES (?, ?) ON CONFLICT DO NOTHING")
            .execute(arguments: ["unconfigured:\(gateway)", String(time)])
    }

    private func dropUnconfigured(
        before time: Int64, _ pause: @Sendable (Duration) async throws(CancellationError) -> Void
    ) async throws {
        for one in try await unconfigured() where one.since < time {
            let sql = """
                DELETE FROM deliveries WHERE (gateway, sequence) IN (
                    SELECT gateway, sequence FROM deliveries INDEXED BY deliveries_held
                    WHERE gateway = ? AND state <> 1 LIMIT \(Self.rowLimit))
                """
            while try await change(sql, [one.gateway], pause) == Self.rowLimit {}
        }
    }

    /// - Returns: how many rows it changed.
    func change(
        _ sql: String, _ arguments: StatementArguments,
        _ pause: @Sendable (Duration) async throws(CancellationError) -> Void = { _ in }
    ) async throws -> Int {
        let (count, took) = try await transact { transaction in
            let start = ContinuousClock.now
            try transaction.database.cachedStatement(sql: sql).execute(arguments: arguments)
            return (transaction.database.changesCount, start.duration(to: .now))
        }
        try await pause(took)
        return count
    }
}
