// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import GRDB

extension Ledger {
    /// Takes a gateway's request in, once: the same (gateway, external id, claim) again changes nothing.
    /// - Returns: the ledger's number of the job.
    @discardableResult
    public func accept(_ order: JobOrder) async throws(LedgerError) -> Int64 {
        try await transact { transaction in
            let database = transaction.database
            let known = try Int64.fetchOne(
                database, sql: "SELECT id FROM jobs WHERE gateway = ? AND external_id = ? AND claim = ?",
                arguments: [order.gateway, order.externalID, order.claim])
            if let known { return known }
            let id = try transaction.insertJob(order)
            try database.execute(sql: "UPDATE jobs SET tag = ? WHERE id = ?", arguments: [OrderTag.make(id), id])
            transaction.changedOrders = true
            return id
        }
    }

    public func order(_ gateway: String, _ externalID: String, claim: Int64) async throws(LedgerError) -> OrderRecord? {
        try await read { database in
            try Row.fetchOne(
                database,
                sql: "SELECT \(Self.orderColumns) FROM jobs WHERE gateway = ? AND external_id = ? AND claim = ?",
                arguments: [gateway, externalID, claim]
            ).flatMap(Self.order)
        }
    }

    /// Orders that have a step to take now, oldest first.
    func dueOrders(limit: Int) async throws(LedgerError) -> [OrderRecord] {
        let now = microseconds
        return try await read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT \(Self.orderColumns) FROM jobs INDEXED BY jobs_open_orders
                    WHERE order_phase IN ('accepted', 'attempted', 'submitted') AND next_at <= ? ORDER BY id LIMIT ?
                    """,
                arguments: [now, limit]
            ).compactMap(Self.order)
        }
    }

    func nextOrderTime() async throws(LedgerError) -> Int64? {
        try await read {
            try Int64.fetchOne(
                $0, sql: "SELECT min(next_at) FROM jobs WHERE order_phase IN ('accepted', 'attempted', 'submitted')")
        }
    }

    /// Before slurmctld is asked: from now on the job may exist.
    /// - Returns: the order as it stands; nil when it must not be asked for, as it was withdrawn meanwhile.
    @discardableResult
    func noteAttempt(_ ledgerJob: Int64) async throws(LedgerError) -> OrderRecord? {
        try await transact { transaction in
            let now = transaction.now
            let doubt = SubmissionDoubt(askedAt: now)
            try transaction.database.execute(
                sql: """
                    UPDATE jobs SET order_phase = 'attempted', attempted_at = coalesce(attempted_at, ?), asks = asks + 1,
                        doubt = ?
                    WHERE id = ? AND order_phase = 'accepted' AND withdrawn IS NULL
                    """,
                arguments: [now / 1_000_000, try LedgerTransaction.json(doubt), ledgerJob])
            guard transaction.database.changesCount > 0 else { return nil }
            return try Row.fetchOne(
                transaction.database, sql: "SELECT \(Self.orderColumns) FROM jobs WHERE id = ?", arguments: [ledgerJob]
            ).flatMap(Self.order)
        }
    }

    /// What is known of a submission without an answer, and when slurmctld is looked at next.
    func note(
        _ doubt: SubmissionDoubt, of ledgerJob: Int64, lookAt next: Int64, why: String
    ) async throws(LedgerError) {
        try await transact { transaction in
            try transaction.database.execute(
                sql: """
                    UPDATE jobs SET doubt = ?, next_at = ?, last_error = ? WHERE id = ? AND order_phase = 'attempted'
                    """,
                arguments: [try LedgerTransaction.json(doubt), next, why, ledgerJob])
        }
    }

    /// The job is known not to exist: it may be asked for again.
    /// - Parameter unsent: slurmctld was not even asked.
    func forgetAttempt(_ ledgerJob: Int64, unsent: Bool = false) async throws(LedgerError) {
        try await transact { transaction in
            try transaction.database.execute(
                sql: """
                    UPDATE jobs SET order_phase = 'accepted', doubt = NULL, asks = asks - ?1,
                        attempted_at = CASE WHEN asks <= ?1 THEN NULL ELSE attempted_at END
                    WHERE id = ?2 AND order_phase = 'attempted'
                    """,
                arguments: [unsent ? 1 : 0, ledgerJob])
        }
    }

    /// The job's number is known; a plugin's event may have told it first.
    ///
    /// - Parameters:
    ///   - seen: what slurmctld says of it, to be taken in with it.
    ///   - took: how long the submission took, microseconds.
    /// - Returns: the order's number, which may be another one: one that started was seen first.
    @discardableResult
    func noteSubmitted(
        _ ledgerJob: Int64, jobID: UInt32, seen: [JobObservation] = [], took: Int64? = nil
    ) async throws(LedgerError) -> UInt32? {
        try await transact { transaction in
            try transaction.setNumber(
                jobID, part: -1, submitTime: seen.first { $0.orderNumber == jobID }?.submitTime, of: ledgerJob)
            if let took { try transaction.learn(took: took) }
            var job = try transaction.job(ledgerJob)
            guard job.number == jobID else { return job.number }
            let since = (job.attemptedAt ?? 0) - LedgerTransaction.clockTolerance
            try transaction.takeRuns(of: jobID, since: since, into: job)
            let told = try Int.fetchOne(
                transaction.database,
                sql: "SELECT count(*) FROM transitions WHERE job = ? AND json_extract(body, '$.job_id') = ?",
                arguments: [ledgerJob, jobID])
            if told == 0 { try transaction.append(.submitted, &job, run: nil, jobID: jobID, source: .controller) }
            for one in seen where try transaction.fold(one, force: false) { transaction.news.append(.observation(one)) }
            transaction.changedOrders = true
            return jobID
        }
    }

    /// One that was withdrawn while it was let go is to be cancelled: a command says so from the same moment on.
    /// - Parameter isEnded: it was ended instead of let go.
    func noteReleased(_ ledgerJob: Int64, isEnded: Bool = false) async throws(LedgerError) {
        let number = try await transact { transaction in
            try transaction.database.execute(
                sql: "UPDATE jobs SET order_phase = 'released', released_at = ?, last_error = NULL WHERE id = ?",
                arguments: [transaction.now, ledgerJob])
            if try transaction.hasOpenCommand(ledgerJob) { transaction.changedCommands.insert(ledgerJob) }
            let why = try String.fetchOne(
                transaction.database, sql: "SELECT withdrawn FROM jobs WHERE id = ?", arguments: [ledgerJob])
            if let why, !isEnded { _ = try transaction.ask(.cancel(why: why), of: ledgerJob, isUrgent: true) }
            return try transaction.job(ledgerJob).number
        }
        // A record that says what it said before tells that slurmctld has lost it.
        if let number { spokenOf.add([number]) }
    }

    /// Slurm does not know the job under its number, which never was let go: it is looked for as after a lost answer.
    /// - Returns: false when the ledger has a run of it, which is then followed as any other.
    /// - Parameter askedAt: since when it may have been forgotten, Unix microseconds; nil: it was there a moment ago.
    func noteLost(_ ledgerJob: Int64, askedAt: Int64? = nil) async throws(LedgerError) -> Bool {
        try await transact { transaction in
            let runs = try Int.fetchOne(
                transaction.database, sql: "SELECT count(*) FROM runs WHERE job = ?", arguments: [ledgerJob])
            guard runs == 0 else { return false }
            let doubt = SubmissionDoubt(askedAt: askedAt ?? transaction.now, since: transaction.now)
            try transaction.database.execute(
                sql: """
                    UPDATE jobs SET order_phase = 'attempted', number = NULL, part = NULL, submit_time = NULL, doubt = ?
                    WHERE id = ? AND order_phase = 'submitted'
                    """,
                arguments: [try LedgerTransaction.json(doubt), ledgerJob])
            return true
        }
    }

    /// It never became a job, and never will.
    func noteRefused(
        _ ledgerJob: Int64, _ refusal: JobTransition.Refusal, why: String
    ) async throws(LedgerError) {
        try await transact { transaction in
            var job = try transaction.job(ledgerJob)
            guard job.orderPhase == .accepted || job.orderPhase == .attempted else { return }
            try transaction.refuse(&job, refusal, why: why)
        }
    }

    /// Takes an order back. One that was not asked of Slurm yet will be told as refused; one of which Slurm may have a job
    /// is not asked for again, and its job is ended before it is let go, as soon as its number is known. The same again
    /// changes nothing.
    /// - Returns: false when there is a job, or may be one.
    public func withdraw(
        _ gateway: String, _ externalID: String, claim: Int64, why: String
    ) async throws(LedgerError) -> Bool {
        try await transact { transaction in
            let id = try Int64.fetchOne(
                transaction.database, sql: "SELECT id FROM jobs WHERE gateway = ? AND external_id = ? AND claim = ?",
                arguments: [gateway, externalID, claim])
            guard let id else { return false }
            var job = try transaction.job(id)
            try transaction.withdraw(&job, why: why)
            return job.orderPhase == .accepted || job.orderPhase == .refused
        }
    }

    func postponeOrder(_ ledgerJob: Int64, to time: Int64, why: String) async throws(LedgerError) {
        try await transact { transaction in
            try transaction.database.execute(
                sql: "UPDATE jobs SET tries = tries + 1, next_at = ?, last_error = ? WHERE id = ?",
                arguments: [time, why, ledgerJob])
        }
    }

    /// What an order became so far, oldest first.
    public func transitions(
        of gateway: String, _ externalID: String, claim: Int64
    ) async throws(LedgerError) -> [JobTransition] {
        try await read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT sequence, body FROM transitions
                    WHERE job = (SELECT id FROM jobs WHERE gateway = ? AND external_id = ? AND claim = ?) ORDER BY sequence
                    """,
                arguments: [gateway, externalID, claim]
            ).map { try LedgerTransaction.transition(sequence: $0[0], body: $0[1]) }
        }
    }

    static let orderColumns =
        "id, gateway, external_id, claim, request, order_phase, tag, number, attempted_at, asks, doubt, withdrawn, tries, "
        + "released_at IS NOT NULL"

    static func order(_ row: Row) -> OrderRecord? {
        guard let phase = (row[5] as String?).flatMap({ OrderPhase(rawValue: $0) }) else { return nil }
        let request: Data? = row[4]
        let doubt: String? = row[10]
        return OrderRecord(
            ledgerJob: row[0],
            order: JobOrder(
                gateway: row[1], externalID: row[2], claim: row[3], request: request.map { Array($0) } ?? []),
            phase: phase, tag: row[6] ?? "", jobID: row[7], attemptedAt: row[8], asks: row[9],
            doubt: doubt.flatMap { try? JSONDecoder().decode(SubmissionDoubt.self, from: Data($0.utf8)) },
            withdrawn: row[11], tries: row[12], wasReleased: row[13])
    }
}

extension LedgerTransaction {
    /// See ``Ledger/withdraw(_:_:claim:why:)``.
    mutating func withdraw(_ job: inout JobRow, why: String) throws {
        switch job.orderPhase {
        // Also of an order that was asked for before: whatever comes of that is surplus then.
        case .accepted: try refuse(&job, .withdrawn, why: why)
        case .attempted, .submitted:
            try database.execute(
                sql: "UPDATE jobs SET withdrawn = coalesce(withdrawn, ?) WHERE id = ?", arguments: [why, job.id])
        case .released, .refused, nil: break
        }
    }

    /// Ends an order that is no job and will be none.
    mutating func refuse(_ job: inout JobRow, _ refusal: JobTransition.Refusal, why: String) throws {
        try database.execute(
            sql: "UPDATE jobs SET order_phase = 'refused', last_error = ? WHERE id = ?", arguments: [why, job.id])
        try append(.refused, &job, run: nil, source: nil, message: why, refusal: refusal)
    }
}
