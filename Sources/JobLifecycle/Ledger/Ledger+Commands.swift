// SPDX-License-Identifier: GPL-3.0-or-later

internal import GRDB
internal import Support

extension Ledger {
    /// Keeps a command on an order's job until it is done, through any crash. The same again while it is open changes nothing;
    /// one that is over is begun again, since what was done may have been undone (a job that was put back into the queue).
    ///
    /// A job that is over needs none: it is done. One that Slurm does not have yet waits for its number; a cancel of it
    /// withdraws the order as well. A cancel ends what else is open.
    /// - Parameter isUrgent: somebody waits: one that is open is tried at once, not when its next try is due.
    /// - Throws: `notFound` when the ledger has no such order.
    @discardableResult
    public func ask(
        _ command: JobCommand, of gateway: String, _ externalID: String, claim: Int64, isUrgent: Bool = false
    ) async throws(LedgerError) -> CommandRecord {
        try await transact { transaction in
            let id = try Int64.fetchOne(
                transaction.database, sql: "SELECT id FROM jobs WHERE gateway = ? AND external_id = ? AND claim = ?",
                arguments: [gateway, externalID, claim])
            guard let id else {
                throw LedgerError(.notFound, "the ledger has no job \(JobOrder.logID(externalID)) of \(gateway)")
            }
            return try transaction.ask(command, of: id, isUrgent: isUrgent)
        }
    }

    /// Asks for it and waits until it is over; ends with the waiting task, and then it goes on being open.
    /// - Parameter onTrouble: told how often in a row it has failed, and why, after each failure.
    /// - Throws: as `ask`.
    public func carryOut(
        _ command: JobCommand, of gateway: String, _ externalID: String, claim: Int64,
        onTrouble: @Sendable (Int, String) async -> Void = { _, _ in }
    ) async throws(LedgerError) -> JobCommand.State {
        let asked = try await ask(command, of: gateway, externalID, claim: claim)
        return try await commandWatch.watching(asked.ledgerJob) { wakeUp throws(LedgerError) in
            var told = 0
            while true {
                guard let record = try await self.command(asked.command.kind, on: asked.ledgerJob) else {
                    return .impossible(Self.forgotten)
                }
                guard record.state == .open else { return record.state }
                guard record.command == asked.command else { return .impossible("a later one has taken its place") }
                if record.tries > told, let trouble = record.trouble { await onTrouble(record.tries, trouble) }
                told = record.tries
                await wakeUp.wait(atMost: .seconds(60))
                // A read would throw.
                if Task.isCancelled { return .open }
            }
        }
    }

    /// Asks for it, for somebody who waits, and says what came of the next try. Whatever that is, it goes on being tried until
    /// it is over.
    /// - Throws: as `ask`.
    public func attempt(
        _ command: JobCommand, of gateway: String, _ externalID: String, claim: Int64, within limit: Duration
    ) async throws(LedgerError) -> JobCommand.Answer {
        let end = ContinuousClock.now + limit
        let asked = try await ask(command, of: gateway, externalID, claim: claim, isUrgent: true)
        return try await commandWatch.watching(asked.ledgerJob) { wakeUp throws(LedgerError) in
            while true {
                let record = try await self.command(asked.command.kind, on: asked.ledgerJob)
                switch record?.state {
                case nil: return .impossible(Self.forgotten)
                case .done: return .done
                case .impossible(let why): return .impossible(why)
                case .open: break
                }
                if let record, record.tries > asked.tries { return .failed(record.trouble ?? "") }
                let left = ContinuousClock.now.duration(to: end)
                guard left > .zero else { return .none }
                await wakeUp.wait(atMost: left)
                // A read would throw.
                if Task.isCancelled { return .none }
            }
        }
    }

    private static let forgotten = "the ledger has no such job any more"

    /// What was asked for of a job, whatever became of it.
    public func commands(ofLedgerJob job: Int64) async throws(LedgerError) -> [CommandRecord] {
        try await read { database in
            try Row.fetchAll(
                database, sql: "SELECT \(LedgerTransaction.commandColumns) FROM commands c WHERE job = ? ORDER BY kind",
                arguments: [job]
            ).compactMap(LedgerTransaction.command)
        }
    }

    private func command(_ kind: JobCommand.Kind, on job: Int64) async throws(LedgerError) -> CommandRecord? {
        try await commands(ofLedgerJob: job).first { $0.command.kind == kind }
    }

    // MARK: carrying out

    /// Of commands that are open, or that slurmctld may still lose: those whose job has a number. The rest waits for its order. The
    /// core's own hold is not for others to end.
    private static let dueCommands = """
        FROM commands c INDEXED BY commands_due CROSS JOIN jobs j ON j.id = c.job
        WHERE (c.state = 'open' OR c.done_at IS NOT NULL) AND c.next_at <= ?
            AND j.number IS NOT NULL AND j.order_phase IN ('submitted', 'released')
            AND (c.kind <> 'release' OR j.order_phase = 'released')
        ORDER BY c.next_at LIMIT ?
        """

    /// What can be carried out now, the longest due first.
    func dueCommands(limit: Int) async throws(LedgerError) -> [DueCommand] {
        let now = microseconds
        return try await read { database in
            try Row.fetchAll(
                database, sql: "SELECT \(LedgerTransaction.commandColumns), j.number \(Self.dueCommands)",
                arguments: [now, limit]
            ).compactMap { row in
                LedgerTransaction.command(row).map { DueCommand(record: $0, jobID: row[8]) }
            }
        }
    }

    func nextCommandTime() async throws(LedgerError) -> Int64? {
        try await read { database in
            try Int64.fetchOne(database, sql: "SELECT c.next_at \(Self.dueCommands)", arguments: [Int64.max, 1])
        }
    }

    /// Slurm has done it, or never will. Nothing changes when another one has taken its place meanwhile, or the job has
    /// another number.
    func note(_ due: DueCommand, is state: JobCommand.State) async throws(LedgerError) {
        let (word, error) = LedgerTransaction.stored(state)
        try await transact { transaction in
            try transaction.database.execute(
                sql: """
                    UPDATE commands SET state = ?1, error = ?2, done_at = CASE ?1 WHEN 'done' THEN ?7 END, next_at = ?8
                    WHERE job = ?3 AND kind = ?4 AND argument = ?5 AND state = 'open'
                        AND EXISTS (SELECT 1 FROM jobs WHERE jobs.id = commands.job AND jobs.number = ?6)
                    """,
                arguments: [
                    word, error, due.record.ledgerJob, due.record.command.kind.rawValue, due.record.command.argument,
                    due.jobID, transaction.now, transaction.now + LedgerTransaction.savingTime,
                ])
            transaction.changedCommands.insert(due.record.ledgerJob)
        }
    }

    /// One that is done was looked at again: slurmctld cannot lose it any more, or has lost it. Where the job is being cancelled
    /// nothing else is open again.
    func note(_ due: DueCommand, wasLost: Bool) async throws(LedgerError) {
        try await transact { transaction in
            try transaction.database.execute(
                sql: """
                    UPDATE commands SET done_at = NULL, state = CASE WHEN ?1 THEN 'open' ELSE state END,
                        tries = 0, next_at = 0, error = CASE WHEN ?1 THEN ?2 END
                    WHERE job = ?3 AND kind = ?4 AND done_at = ?5
                    """,
                arguments: [
                    wasLost, LedgerTransaction.commandLost, due.record.ledgerJob, due.record.command.kind.rawValue,
                    due.record.doneAt,
                ])
            transaction.changedCommands.insert(due.record.ledgerJob)
        }
    }

    func postpone(_ due: DueCommand, to time: Int64, why: String) async throws(LedgerError) {
        try await transact { transaction in
            // The next one that takes its place is not told to wait for it.
            try transaction.database.execute(
                sql: """
                    UPDATE commands SET tries = tries + 1, error = ?1,
                        next_at = CASE WHEN argument = ?2 THEN ?3 ELSE next_at END
                    WHERE job = ?4 AND kind = ?5 AND (state = 'open' OR done_at IS NOT NULL)
                    """,
                arguments: [
                    why, due.record.command.argument, time, due.record.ledgerJob, due.record.command.kind.rawValue,
                ])
            transaction.changedCommands.insert(due.record.ledgerJob)
        }
    }
}

/// A command that can be carried out.
struct DueCommand: Sendable, Hashable {
    var record: CommandRecord
    /// Slurm's number of the job.
    var jobID: UInt32
}

extension LedgerTransaction {
    static let commandColumns = "c.job, c.kind, c.argument, c.state, c.asked_at, c.tries, c.error, c.done_at"
    /// slurmctld saves what it has changed within seconds, microseconds.
    static let savingTime: Int64 = 60_000_000
    static let commandLost = "slurmctld lost that it was done"
    private static let overtaken = "the job is being cancelled"

    /// nil: a later release has written it.
    static func command(_ row: Row) -> CommandRecord? {
        guard let command = JobCommand(kind: row[1], argument: row[2]) else { return nil }
        let error: String? = row[6]
        let state: JobCommand.State
        switch row[3] as String {
        case "open": state = .open
        case "done": state = .done
        default: state = .impossible(error ?? "")
        }
        return CommandRecord(
            ledgerJob: row[0], command: command, state: state, askedAt: row[4], tries: row[5], trouble: error,
            doneAt: row[7])
    }

    static func stored(_ state: JobCommand.State) -> (word: String, error: String?) {
        switch state {
        case .open: ("open", nil)
        case .done: ("done", nil)
        case .impossible(let why): ("impossible", why)
        }
    }

    mutating func ask(_ command: JobCommand, of id: Int64, isUrgent: Bool) throws -> CommandRecord {
        var job = try job(id)
        var state = JobCommand.State.open
        switch command {
        case .cancel(let why):
            try withdraw(&job, why: why)
            try database.execute(
                sql: """
                    UPDATE commands SET state = 'impossible', error = ? WHERE job = ? AND kind <> 'cancel' AND state = 'open'
                    """,
                arguments: [Self.overtaken, id])
        case .timeLimit, .release:
            let isEnding = try Int.fetchOne(
                database, sql: "SELECT 1 FROM commands WHERE job = ? AND kind = 'cancel' AND state = 'open'",
                arguments: [id])
            if isEnding != nil { state = .impossible(Self.overtaken) }
        }
        if job.isFinal {
            // slurmctld may have lost that.
            if let kept = try record(command.kind, of: id), kept.doneAt != nil || kept.trouble == Self.commandLost {
                return kept
            }
            state = .done
        }
        let (word, error) = Self.stored(state)
        // Of one that is open its tries stay: what has no answer yet may still come.
        try database.execute(
            sql: """
                INSERT INTO commands (job, kind, argument, state, asked_at, error) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                ON CONFLICT DO UPDATE SET argument = ?3, state = ?4, asked_at = ?5, next_at = 0, error = ?6, done_at = NULL,
                    tries = CASE WHEN state = 'open' THEN tries ELSE 0 END
                WHERE state <> 'open' OR ?4 <> 'open' OR kind <> 'cancel' AND argument <> ?3
                """,
            arguments: [id, command.kind.rawValue, command.argument, word, now, error])
        if isUrgent {
            try database.execute(
                sql: "UPDATE commands SET next_at = 0 WHERE job = ? AND kind = ? AND state = 'open'",
                arguments: [id, command.kind.rawValue])
        }
        changedCommands.insert(id)
        guard let record = try record(command.kind, of: id) else {
            throw LedgerError(.failed, "the ledger lost a command")
        }
        return record
    }

    private func record(_ kind: JobCommand.Kind, of job: Int64) throws -> CommandRecord? {
        try Row.fetchOne(
            database, sql: "SELECT \(Self.commandColumns) FROM commands c WHERE job = ? AND kind = ?",
            arguments: [job, kind.rawValue]
        ).flatMap(Self.command)
    }

    func hasOpenCommand(_ job: Int64) throws -> Bool {
        let statement = try database.cachedStatement(sql: "SELECT 1 FROM commands WHERE job = ? AND state = 'open'")
        return try Int.fetchOne(statement, arguments: [job]) != nil
    }

    /// The job is over: there is nothing left to be done with it. What tells of that may be here before the answer to a cancel.
    mutating func endCommands(on job: Int64) throws {
        guard try hasOpenCommand(job) else { return }
        try database.execute(
            sql: """
                UPDATE commands SET state = 'done', error = NULL, next_at = ?3, done_at = CASE WHEN kind = 'cancel' AND
                    EXISTS (SELECT 1 FROM jobs WHERE id = ?1 AND number IS NOT NULL) THEN ?2 END
                WHERE job = ?1 AND state = 'open'
                """,
            arguments: [job, now, now + Self.savingTime])
        changedCommands.insert(job)
    }
}
