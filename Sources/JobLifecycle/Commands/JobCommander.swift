// SPDX-License-Identifier: GPL-3.0-or-later

public import Logging
public import ServiceLifecycle
internal import Support

/// Carries out what gateways want done with their jobs (``Ledger/ask(_:of:_:claim:)``): again until Slurm has done it, the job
/// is over, or Slurm says that it will not.
///
/// No answer says nothing. What is asked twice has no other effect than once, so all that is known after a crash is asked again.
public struct JobCommander: Service {
    private let ledger: Ledger
    private let scheduler: any Scheduler
    private let logger: Logger
    /// Commands under way at once.
    private let width: Int
    private let clock: any Clock<Duration>

    public init(
        ledger: Ledger, scheduler: any Scheduler, width: Int = 8, logger: Logger,
        clock: any Clock<Duration> = ContinuousClock()
    ) {
        self.ledger = ledger
        self.scheduler = scheduler
        self.width = max(1, width)
        self.logger = logger
        self.clock = clock
    }

    public func run() async throws {
        let lanes = StepLanes<DueCommand>(
            width: width, subject: "commands", logger: logger, clock: clock, name: { Self.name($0) })
        await lanes.run(wakeUp: ledger.commandWatch.wakeUp(), due: due, pause: pauseUntilNext, take: take)
    }

    /// A limit that takes another one's place waits until the other's call is over.
    private static func name(_ due: DueCommand) -> String {
        "\(due.record.ledgerJob) \(due.record.command.kind.rawValue)"
    }

    private func due(besides busy: Set<String>) async throws(LedgerError) -> [DueCommand] {
        let room = width - busy.count
        guard room > 0 else { return [] }
        return Array(
            try await ledger.dueCommands(limit: width + busy.count).filter { !busy.contains(Self.name($0)) }.prefix(
                room))
    }

    private func pauseUntilNext(_ busy: Set<String>) async throws(LedgerError) -> Duration {
        // What is under way is due all the while.
        guard busy.isEmpty else { return .seconds(1) }
        return StepLanes<DueCommand>.pause(until: try await ledger.nextCommandTime(), ledger)
    }

    /// Takes the next step of all that is due, and waits for them.
    /// - Returns: whether there was one.
    @discardableResult
    func stepDue() async throws -> Bool {
        await StepLanes.take(try await due(besides: []), take)
    }

    private func take(_ due: DueCommand) async {
        do throws(LedgerError) {
            if let doneAt = due.record.doneAt {
                try await lookAgain(due, since: doneAt)
            } else {
                try await carryOut(due)
            }
        } catch {
            if Task.isCancelled { return }
            logger.warning("commands wait: the ledger cannot be used", metadata: ["why": "\(error)"])
            // The others go on; this one is due again at once.
            try? await clock.sleep(for: .seconds(1))
        }
    }

    private func carryOut(_ due: DueCommand) async throws(LedgerError) {
        let state: JobCommand.State
        do throws(SchedulerError) {
            state = try await ask(due)
        } catch {
            if Task.isCancelled { return }
            if error.code == .refused, !error.mayHaveHappened {
                logger.warning("Slurm refuses what was asked of a job", metadata: Self.metadata(due, error))
                return try await ledger.note(due, is: .impossible(error.message))
            }
            if due.record.tries == 0 || due.record.tries == 5 {
                logger.notice(
                    "what was asked of a job has no answer, and is asked again", metadata: Self.metadata(due, error))
            }
            return try await postpone(due, error)
        }
        try await ledger.note(due, is: state)
    }

    private func ask(_ due: DueCommand) async throws(SchedulerError) -> JobCommand.State {
        switch due.record.command {
        case .cancel:
            try await scheduler.cancel(due.jobID)
        case .release:
            // slurmctld lets the agent's user end any hold, and it may have been asked for long ago.
            let held = try await scheduler.look(at: due.jobID).filter { $0.orderNumber == due.jobID && $0.isHeld }
            if held.contains(where: \.isHeldByAdministrator) { return .impossible("an administrator holds the job") }
            if let first = held.first {
                let tag = OrderTag.all(in: first.details.adminComment).first
                try await scheduler.release(due.jobID, tag: tag, first)
            }
        case .timeLimit(let minutes):
            try await scheduler.setTimeLimit(due.jobID, minutes: minutes)
            // A try before, maybe of another limit, may still hang: it would have the last word.
            if due.record.tries > 0 { try await scheduler.settle() }
        }
        return .done
    }

    /// Whether one that was done is still so.
    private func lookAgain(_ due: DueCommand, since doneAt: Int64) async throws(LedgerError) {
        var wasLost = false
        if let order = try await ledger.order(ledgerJob: due.record.ledgerJob), try await !isOvertaken(due) {
            do throws(SchedulerError) {
                wasLost = try await hasLost(due, since: doneAt, of: order)
            } catch {
                return try await postpone(due, error)
            }
        }
        if wasLost {
            logger.notice("slurmctld lost what was asked of a job: it is asked again", metadata: Self.metadata(due))
        }
        try await ledger.note(due, wasLost: wasLost)
    }

    /// A job that is to be cancelled needs nothing else.
    private func isOvertaken(_ due: DueCommand) async throws(LedgerError) -> Bool {
        guard due.record.command.kind != .cancel else { return false }
        return try await ledger.commands(ofLedgerJob: due.record.ledgerJob).contains {
            if case .impossible = $0.state { return false }
            return $0.command.kind == .cancel
        }
    }

    /// The job does not show what slurmctld said it had done: it was killed before it had saved that. A release and a time limit may have
    /// been undone by somebody since; they count only when slurmctld was started again.
    private func hasLost(
        _ due: DueCommand, since doneAt: Int64, of order: OrderRecord
    ) async throws(SchedulerError) -> Bool {
        if due.record.command.kind != .cancel {
            guard let runningFor = try await scheduler.timing().runningFor else { return false }
            // It tells whole seconds.
            let started = ledger.microseconds - (max(0, runningFor) - 2) * 1_000_000
            guard started >= doneAt || doneAt > ledger.microseconds else { return false }
        }
        let seen = try await scheduler.look(at: due.jobID).filter {
            order.isMarked(due.jobID, $0) && !$0.state.base.isEnd && !$0.state.isCompleting && !$0.state.isRevoked
        }
        return switch due.record.command {
        case .cancel: !seen.isEmpty
        case .release:
            seen.contains {
                $0.isHeld && !$0.isHeldByAdministrator && !OrderTag.saysReleased($0.details.adminComment)
            }
        case .timeLimit(let minutes): seen.contains { $0.details.timeLimit.map(UInt64.init) != minutes }
        }
    }

    private func postpone(_ due: DueCommand, _ error: SchedulerError) async throws(LedgerError) {
        // Not slurmctld is silent, nobody listens any more.
        if Task.isCancelled { return }
        let wait = RetryPolicy.commands.delay(attempt: due.record.tries)
        try await ledger.postpone(due, to: ledger.microseconds + Int64(wait / .microseconds(1)), why: error.message)
    }

    private static func metadata(_ due: DueCommand, _ error: SchedulerError? = nil) -> Logger.Metadata {
        var metadata: Logger.Metadata = [
            "ledger_job": "\(due.record.ledgerJob)", "slurm": "\(due.jobID)",
            "command": "\(due.record.command.kind.rawValue)",
        ]
        if let error { metadata["why"] = "\(error)" }
        return metadata
    }
}
