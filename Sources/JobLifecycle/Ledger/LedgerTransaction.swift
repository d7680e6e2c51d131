// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import GRDB
internal import NIOConcurrencyHelpers
internal import Support

/// One transaction's view of the ledger: how rows become values, and how a transition is written.
struct LedgerTransaction {
    let database: Database
    let interests: [Ledger.Interest]
    let policy: RequeuePolicy
    /// Unix microseconds.
    let now: Int64
    /// The same; not later when the wall clock was set forward. For what is given up with time.
    let trustedNow: Int64
    /// What a watcher will be told once it is committed.
    var news: [LedgerFeed.Item] = []
    /// An order has a step to take.
    var changedOrders = false
    /// Jobs of which a command can be carried out, or has become something.
    var changedCommands: Set<Int64> = []
    /// What of it the index of running runs takes over.
    var runChanges: [RunningRuns.Change] = []
    /// What is written to the counters with it.
    var counted = CounterChanges()

    /// A row of `jobs`, without the request.
    struct JobRow {
        var id: Int64
        var isFinal: Bool
        var gateway: String?
        var externalID: String?
        var claim: Int64?
        var orderPhase: OrderPhase?
        /// The order's own number in Slurm, once it is known.
        var number: UInt32?
        /// How often slurmctld was asked for it.
        var asks: Int64 = 0
        /// When it was first asked, Unix seconds.
        var attemptedAt: Int64?
        /// Of the job as it was read back after the submission.
        var submitTime: Int64?

        static let columns =
            "id, final, gateway, external_id, claim, order_phase, number, asks, attempted_at, submit_time"
    }

    struct RunRow {
        var id: Int64
        var job: Int64
        var record: RunRecord
        /// Its phase in the ledger when it was read.
        let phaseRead: RunRecord.Phase
    }

    // MARK: reading

    static let runColumns = """
        id, job, number, part, submit_time, job_id, restarts, phase, state, start_time, end_time, elapsed,
        exit_status, details, as_of, told_running
        """

    static func run(_ row: Row) throws -> RunRow {
        guard let phase = RunRecord.Phase(rawValue: row[7]) else {
            throw LedgerError(.failed, "the ledger holds a run in the unknown phase \"\(row[7] as String)\"")
        }
        let details: String = row[13]
        let record = RunRecord(
            key: JobKey(number: row[2], storedPart: row[3]), jobID: row[5], submitTime: row[4], restarts: row[6],
            phase: phase, state: (row[8] as String?).flatMap { SchedulerState.Base(rawValue: $0) }, startTime: row[9],
            endTime: row[10], elapsed: row[11], exitStatus: row[12],
            details: try decoder.decode(JobDetails.self, from: Data(details.utf8)), asOf: row[14],
            toldRunning: row[15])
        return RunRow(id: row[0], job: row[1], record: record, phaseRead: phase)
    }

    func runs(_ condition: String, _ arguments: StatementArguments) throws -> [RunRow] {
        let statement = try database.cachedStatement(sql: "SELECT \(Self.runColumns) FROM runs WHERE \(condition)")
        return try Row.fetchAll(statement, arguments: arguments).map(Self.run)
    }

    func job(_ id: Int64) throws -> JobRow {
        let statement = try database.cachedStatement(sql: "SELECT \(JobRow.columns) FROM jobs WHERE id = ?")
        guard let row = try Row.fetchOne(statement, arguments: [id]) else {
            throw LedgerError(.notFound, "the ledger has no job \(id)")
        }
        return Self.job(row)
    }

    static func job(_ row: Row) -> JobRow {
        JobRow(
            id: row[0], isFinal: row[1], gateway: row[2], externalID: row[3], claim: row[4],
            orderPhase: (row[5] as String?).flatMap { OrderPhase(rawValue: $0) }, number: row[6], asks: row[7],
            attemptedAt: row[8], submitTime: row[9])
    }

    // MARK: writing

    /// Numbers a transition, writes it, and puts it into the outbox of every gateway that wants it.
    mutating func append(
        _ kind: JobTransition.Kind, _ job: inout JobRow, run: RunRecord?, jobID: UInt32? = nil,
        source: JobObservation.Source?, message: String? = nil, refusal: JobTransition.Refusal? = nil
    ) throws {
        let afterFinal = job.isFinal
        let isFinal = !afterFinal && (kind == .ended || kind == .vanished || kind == .refused)
        var transition = JobTransition(
            sequence: 0, kind: kind, isFinal: isFinal, recordedAt: now, source: source, ledgerJob: job.id,
            job: run?.key.description ?? jobID.map(String.init), jobID: run?.jobID ?? jobID,
            submitTime: run?.submitTime, restarts: run?.restarts,
            state: run?.state, startTime: run?.startTime, details: run?.details ?? JobDetails(),
            gateway: job.gateway, externalID: job.externalID, claim: job.claim, message: message,
            refusal: refusal)
        switch kind {
        case .requeued, .ended, .vanished, .restored, .corrected:
            transition.endTime = run?.endTime
            transition.elapsed = run?.elapsed
            transition.exitStatus = run?.exitStatus
        case .running:
            transition.state = .running
        case .pending:
            // What a run without ready nodes has beside is no fact for others.
            transition.state = run?.state == .revoked ? .revoked : .pending
            transition.startTime = nil
        case .refused, .submitted, .suspended, .resumed:
            break
        }
        try database.cachedStatement(
            sql: "INSERT INTO transitions (job, kind, final, recorded_at, body) VALUES (?, ?, ?, ?, ?)"
        ).execute(arguments: [job.id, kind.rawValue, isFinal, now, try Self.json(transition)])
        transition.sequence = database.lastInsertedRowID
        if isFinal {
            try database.cachedStatement(sql: "UPDATE jobs SET final = 1 WHERE id = ?").execute(arguments: [job.id])
            job.isFinal = true
            if job.gateway != nil { try endCommands(on: job.id) }
        }
        for interest in interests {
            // Whoever ordered a job has had its last word; only a record of everything goes on.
            if interest.scope == .ownJobs, interest.gateway != job.gateway || afterFinal { continue }
            try insertDelivery(of: transition.sequence, job: job.id, to: interest.gateway)
        }
        if let owner = job.gateway, !afterFinal, !interests.contains(where: { $0.gateway == owner }) {
            // It is told when it is configured again: of its own jobs nobody else tells it.
            try insertDelivery(of: transition.sequence, job: job.id, to: owner)
            try Ledger.noteUnconfigured(database, owner, at: now / 1_000_000)
        }
        news.append(.transition(transition))
    }

    func addHint(_ hint: JobHint) throws {
        try database.cachedStatement(
            sql: """
                INSERT INTO hints (job_id, reason, time) VALUES (?, ?, ?)
                ON CONFLICT DO UPDATE SET time = max(time, excluded.time), next_at = 0, parked = 0
                """
        ).execute(arguments: [hint.jobID, hint.reason.rawValue, hint.time])
    }

    static func json(_ value: some Encodable) throws -> String {
        String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    private static let encoder: JSONEncoder = {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }()

    private static let decoder = JSONDecoder()

    static func transition(sequence: Int64, body: String) throws -> JobTransition {
        var transition = try decoder.decode(JobTransition.self, from: Data(body.utf8))
        transition.sequence = sequence
        return transition
    }
}

extension Ledger {
    /// Runs `body` in the next transaction; watchers learn of what it brought after the commit.
    func transact<Answer: Sendable>(
        _ lane: LedgerWriter.Lane = .prompt,
        _ body: @escaping @Sendable (inout LedgerTransaction) throws -> Answer
    ) async throws(LedgerError) -> Answer {
        guard let writer else { throw LedgerError(.conflict, "\(path) was opened to be looked at only") }
        do {
            let (answer, news, wakes, commands, _, leap) = try await gate.use {
                [interests, policyBox, running] in
                try await writer.write(lane, committed: { running.take($0.4) }) { database in
                    var transaction = LedgerTransaction(
                        database: database, interests: interests, policy: policyBox.withLockedValue { $0 },
                        now: self.microseconds, trustedNow: self.trustedMicroseconds)
                    let leap = self.clock.leap
                    if let leap, leap != self.keptLeap.withLockedValue({ $0 }) { try transaction.note(leap) }
                    let answer = try body(&transaction)
                    try transaction.counted.write(to: database)
                    return (
                        answer, transaction.news, transaction.changedOrders, transaction.changedCommands,
                        transaction.runChanges, leap
                    )
                }
            }
            if let leap { keptLeap.withLockedValue { $0 = leap } }
            if !news.isEmpty || wakes { feed.publish(news) }
            if !commands.isEmpty { commandWatch.raise(commands) }
            return answer
        } catch {
            let translated = Self.translate(error, path: path)
            if Self.isOfStorage(error) { noteStorage(translated.message) }
            throw translated
        }
    }

    func read<Answer: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Answer
    ) async throws(LedgerError) -> Answer {
        do {
            return try await gate.use { [reader] in try await reader.read(body) }
        } catch {
            throw Self.translate(error, path: path)
        }
    }
}
