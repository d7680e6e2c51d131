// SPDX-License-Identifier: GPL-3.0-or-later

internal import GRDB
internal import Support

/// Which ledger job a run belongs to that was not seen before.
extension LedgerTransaction {
    /// Seconds by which slurmctld's clock may be behind ours.
    static let clockTolerance: Int64 = 300

    /// - Parameter predecessor: the job whose former run this one follows.
    /// - Returns: nil when it cannot be said yet: the submitter chooses among several jobs of one order.
    mutating func owner(of seen: JobObservation, else predecessor: JobRow? = nil) throws -> JobRow? {
        if let ordered = try order(taggedIn: seen.details.adminComment) {
            if ordered.number == seen.orderNumber { return ordered }
            if ordered.number == nil, ordered.orderPhase != .refused { return try claim(ordered, seen) }
            // One too many: it becomes a job of its own, which is nobody's.
            try noteSurplus(seen, of: ordered.id)
            return try predecessor.flatMap { $0.id == ordered.id ? nil : $0 } ?? insertJob(seen.key)
        }
        // A job_submit plugin may have taken the tag away.
        return try predecessor ?? order(numbered: seen) ?? insertJob(seen.key)
    }

    /// The order whose tag is in this admin comment.
    func order(taggedIn adminComment: String?) throws -> JobRow? {
        for tag in OrderTag.all(in: adminComment) {
            let statement = try database.cachedStatement(sql: "SELECT \(JobRow.columns) FROM jobs WHERE tag = ?")
            if let row = try Row.fetchOne(statement, arguments: [tag]) { return Self.job(row) }
        }
        return nil
    }

    /// The order that has this job's number. Numbers are used again, so the submit time has to fit.
    private func order(numbered seen: JobObservation) throws -> JobRow? {
        let statement = try database.cachedStatement(
            sql: """
                SELECT \(JobRow.columns) FROM jobs WHERE number = ? AND order_phase IN ('submitted', 'released')
                    AND final = 0 AND attempted_at IS NOT NULL
                """)
        return try Row.fetchAll(statement, arguments: [seen.orderNumber]).map(Self.job).first { order in
            if let submitted = order.submitTime {
                return seen.submitTime == submitted || seen.restarts ?? 0 > 0 && seen.submitTime > submitted
            }
            return seen.submitTime >= (order.attemptedAt ?? .max) - Self.clockTolerance
        }
    }

    /// A job of an order whose number is not known yet: a plugin's event, or a poll, tells of it before the answer does.
    private mutating func claim(_ ordered: JobRow, _ seen: JobObservation) throws -> JobRow? {
        changedOrders = true
        // Asked for once there is no other. What has started cannot be undone.
        guard ordered.asks == 1 || seen.hasStarted else {
            try database.cachedStatement(
                sql: """
                    UPDATE jobs SET order_phase = 'attempted', next_at = 0
                    WHERE id = ? AND order_phase IN ('accepted', 'attempted')
                    """
            ).execute(arguments: [ordered.id])
            return nil
        }
        try setNumber(seen.orderNumber, part: seen.key.storedPart, submitTime: seen.submitTime, of: ordered.id)
        if let first = ordered.attemptedAt, ordered.asks == 1 {
            try learn(took: seen.submitTime.saturatingSubtract(first).saturatingMultiply(1_000_000))
        }
        return try job(ordered.id)
    }

    mutating func setNumber(_ number: UInt32, part: Int64, submitTime: Int64?, of order: Int64) throws {
        try database.cachedStatement(
            sql: """
                UPDATE jobs SET number = coalesce(number, ?), part = coalesce(part, ?),
                    submit_time = coalesce(submit_time, ?), order_phase = 'submitted', doubt = NULL, tries = 0, next_at = 0,
                    last_error = NULL
                WHERE id = ? AND order_phase IN ('accepted', 'attempted', 'submitted')
                """
        ).execute(arguments: [number, part, submitTime, order])
        if try hasOpenCommand(order) { changedCommands.insert(order) }
    }

    // MARK: surplus

    mutating func noteSurplus(_ seen: JobObservation, of order: Int64) throws {
        changedOrders = true
        try database.cachedStatement(
            sql: """
                INSERT INTO surplus (job_id, submit_time, ledger_job, found_at, started) VALUES (?, ?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET started = max(started, excluded.started), next_at = 0
                """
        ).execute(arguments: [seen.orderNumber, seen.submitTime, order, now, seen.hasStarted])
    }

    /// A job with the second mark of an order that was asked for more than once, and not the order's own: a job_submit plugin
    /// took its tag away. Anybody can submit with such a session number, so whose it is is asked before anything is done.
    mutating func noteMarked(_ seen: JobObservation) throws {
        guard let session = seen.session else { return }
        let statement = try database.cachedStatement(
            sql: """
                SELECT id, tag, number, order_phase FROM jobs INDEXED BY jobs_asked_again WHERE asks > 1 AND id > 0
                ORDER BY id DESC
                """)
        let rows = try Row.fetchAll(statement)
        guard let row = rows.first(where: { ($0[1] as String?).map { OrderTag.session(of: $0) } == session }) else {
            return
        }
        let number: UInt32? = row[2]
        // Until its number is known the submitter looks for all that there are.
        if number == nil, row[3] as String? != OrderPhase.refused.rawValue { return }
        if number != seen.orderNumber { try noteSurplus(seen, of: row[0]) }
    }

    /// Gives an order the runs of its job that were taken for nobody's before its number was known, with all that was told
    /// of them.
    mutating func takeRuns(of number: UInt32, since time: Int64, into order: JobRow) throws {
        let strays = try Int64.fetchAll(
            database,
            sql: """
                SELECT DISTINCT j.id FROM runs r JOIN jobs j ON j.id = r.job
                WHERE r.number = ? AND r.submit_time >= ? AND j.id <> ? AND j.gateway IS NULL
                """,
            arguments: [number, time, order.id])
        for stray in strays {
            try database.execute(sql: "UPDATE runs SET job = ? WHERE job = ?", arguments: [order.id, stray])
            runChanges.append(.moved(from: stray, to: order.id))
            try retell(transitionsOf: stray, as: order)
            // Its transitions are the order's now.
            try database.execute(
                sql: """
                    UPDATE deliveries SET job = ?1
                    WHERE sequence IN (SELECT sequence FROM transitions WHERE job = ?1) AND job = ?2
                    """,
                arguments: [order.id, stray])
            try database.execute(
                sql: "UPDATE jobs SET final = max(final, (SELECT final FROM jobs s WHERE s.id = ?)) WHERE id = ?",
                arguments: [stray, order.id])
            try database.execute(sql: "DELETE FROM jobs WHERE id = ?", arguments: [stray])
        }
        if !strays.isEmpty {
            try database.execute(
                sql: "DELETE FROM surplus WHERE job_id = ? AND ledger_job = ?", arguments: [number, order.id])
        }
    }

    private mutating func retell(transitionsOf stray: Int64, as order: JobRow) throws {
        let told = try Row.fetchAll(
            database, sql: "SELECT sequence, body FROM transitions WHERE job = ? ORDER BY sequence",
            arguments: [stray])
        for row in told {
            var transition = try Self.transition(sequence: row[0], body: row[1])
            transition.ledgerJob = order.id
            transition.gateway = order.gateway
            transition.externalID = order.externalID
            transition.claim = order.claim
            try database.execute(
                sql: "UPDATE transitions SET job = ?, body = ? WHERE sequence = ?",
                arguments: [order.id, try Self.json(transition), transition.sequence])
            for interest in interests where interest.scope == .ownJobs && interest.gateway == order.gateway {
                try insertDelivery(of: transition.sequence, job: order.id, to: interest.gateway)
            }
            if let owner = order.gateway, !interests.contains(where: { $0.gateway == owner }) {
                try insertDelivery(of: transition.sequence, job: order.id, to: owner)
                try Ledger.noteUnconfigured(database, owner, at: now / 1_000_000)
            }
        }
    }

    // MARK: what a submission takes

    private static let longestCursor = "submission_longest_us"

    func longestSubmission() throws -> Int64 {
        try Int64.fetchOne(database, sql: "SELECT value FROM meta WHERE name = ?", arguments: [Self.longestCursor]) ?? 0
    }

    /// A submission is known to have taken so many microseconds.
    func learn(took: Int64) throws {
        // What takes less than a second tells nothing.
        guard took >= 1_000_000, took > (try longestSubmission()) else { return }
        try database.execute(
            sql: "INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
            arguments: [Self.longestCursor, String(took)])
    }
}
