// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import GRDB

/// All statements that change what is counted without a trigger: rows that are added to `jobs`, `runs` and `deliveries`, a run's
/// phase, a delivery's state. A test holds that no other file has one.
extension LedgerTransaction {
    // MARK: jobs

    mutating func insertJob(_ key: JobKey) throws -> JobRow {
        try database.cachedStatement(sql: "INSERT INTO jobs (number, part, created_at) VALUES (?, ?, ?)")
            .execute(arguments: [key.number, key.storedPart, now])
        counted.addJob(isOpenOrder: false)
        return JobRow(id: database.lastInsertedRowID, isFinal: false)
    }

    /// - Returns: its number in the ledger.
    mutating func insertJob(_ order: JobOrder) throws -> Int64 {
        try database.execute(
            sql: """
                INSERT INTO jobs (created_at, gateway, external_id, claim, request, order_phase)
                VALUES (?, ?, ?, ?, ?, 'accepted')
                """,
            arguments: [now, order.gateway, order.externalID, order.claim, Data(order.request)])
        counted.addJob(isOpenOrder: true)
        return database.lastInsertedRowID
    }

    // MARK: runs

    mutating func insert(_ run: RunRecord, job: Int64) throws -> Int64 {
        let statement = try database.cachedStatement(
            sql: """
                INSERT INTO runs (job, number, part, submit_time, job_id, restarts, phase, state, start_time, end_time,
                    elapsed, exit_status, details, as_of, told_running)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """)
        try statement.execute(arguments: [
            job, run.key.number, run.key.storedPart, run.submitTime, run.jobID, run.restarts, run.phase.rawValue,
            run.state?.rawValue, run.startTime, run.endTime, run.elapsed, run.exitStatus,
            try Self.json(run.details), run.asOf, run.toldRunning,
        ])
        counted.runs(from: nil, to: run.phase)
        let id = database.lastInsertedRowID
        runChanges.append(.written(RunRow(id: id, job: job, record: run, phaseRead: run.phase)))
        return id
    }

    /// Writes a run that is known. That it was seen ends any doubt about it.
    mutating func update(_ run: RunRow) throws {
        let record = run.record
        let statement = try database.cachedStatement(
            sql: """
                UPDATE runs SET job_id = ?, restarts = ?, phase = ?, state = ?, start_time = ?, end_time = ?, elapsed = ?,
                    exit_status = ?, details = ?, as_of = ?, told_running = ?, missing_since = NULL, missing_answers = 0
                WHERE id = ? AND phase = ?
                """)
        let details = try Self.json(record.details)
        func change(from before: RunRecord.Phase) throws -> Bool {
            try statement.execute(arguments: [
                record.jobID, record.restarts, record.phase.rawValue, record.state?.rawValue, record.startTime,
                record.endTime, record.elapsed, record.exitStatus, details, record.asOf, record.toldRunning, run.id,
                before.rawValue,
            ])
            return database.changesCount > 0
        }
        // In this one, unless it was written since.
        for before in [run.phaseRead] + RunRecord.Phase.allCases where try change(from: before) {
            runChanges.append(.written(run))
            return counted.runs(from: before, to: record.phase)
        }
    }

    /// The record of an array's waiting tasks is split up: they have records of their own.
    ///
    /// - Parameter time: when that was seen, Unix microseconds; 0: at no known time.
    mutating func disperse(array: UInt32, at time: Int64, submittedBy submitTime: Int64) throws {
        try database.cachedStatement(
            sql: """
                UPDATE runs SET phase = 'dispersed', as_of = max(as_of, ?2)
                WHERE number = ?1 AND part = -2 AND phase = 'pending' AND submit_time <= ?3 AND (?2 = 0 OR as_of <= ?2)
                """
        ).execute(arguments: [array, time, submitTime])
        counted.runs(from: .pending, to: .dispersed, count: database.changesCount)
    }

    // MARK: deliveries

    mutating func insertDelivery(of sequence: Int64, job: Int64, to gateway: String) throws {
        try database.cachedStatement(sql: "INSERT OR IGNORE INTO deliveries (gateway, sequence, job) VALUES (?, ?, ?)")
            .execute(arguments: [gateway, sequence, job])
        counted.deliveries(of: gateway, from: nil, to: .waiting, count: database.changesCount)
    }

    mutating func update(_ result: Ledger.DeliveryResult, of gateway: String) throws {
        let (state, error): (DeliveryState, String?) =
            switch result.outcome {
            case .delivered: (.delivered, nil)
            case .retry(let why): (.waiting, why)
            case .refused(let why): (.parked, why)
            }
        let statement = try database.cachedStatement(
            sql: """
                UPDATE deliveries SET state = ?, error = ?, next_at = ?, attempts = attempts + 1
                WHERE gateway = ? AND sequence = ? AND state = ?
                """)
        // It waits, as it was due.
        for before in [DeliveryState.waiting, .parked, .delivered] {
            try statement.execute(arguments: [
                state.rawValue, error, result.next, gateway, result.sequence, before.rawValue,
            ])
            if database.changesCount > 0 {
                return counted.deliveries(of: gateway, from: before, to: state)
            }
        }
    }

    /// Lets what was given up of a gateway be tried again.
    /// - Returns: how many.
    mutating func unpark(of gateway: String, limit: Int) throws -> Int {
        try database.cachedStatement(
            sql: """
                UPDATE deliveries SET state = 0, next_at = 0, attempts = 0 WHERE (gateway, sequence) IN (
                    SELECT gateway, sequence FROM deliveries INDEXED BY deliveries_parked
                    WHERE gateway = ? AND state = 2 LIMIT ?)
                """
        ).execute(arguments: [gateway, limit])
        let count = database.changesCount
        counted.deliveries(of: gateway, from: .parked, to: .waiting, count: count)
        return count
    }

    /// The same, of one job.
    mutating func unpark(ofJob job: Int64, of gateway: String) throws -> Int {
        try database.cachedStatement(
            sql: """
                UPDATE deliveries INDEXED BY deliveries_parked SET state = 0, next_at = 0, attempts = 0
                WHERE gateway = ? AND job = ? AND state = 2
                """
        ).execute(arguments: [gateway, job])
        let count = database.changesCount
        counted.deliveries(of: gateway, from: .parked, to: .waiting, count: count)
        return count
    }
}
