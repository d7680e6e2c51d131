// SPDX-License-Identifier: GPL-3.0-or-later

public import Logging
public import ServiceLifecycle
internal import Support

/// Turns each accepted order into exactly one Slurm job.
///
/// The order's attempt is committed, then slurmctld is asked for a *held* job with the order's tag, its number is
/// committed, then the job is let go. A held job stays in slurmctld's list, so after a lost answer or a crash the tag
/// tells whether it is there; only when it provably is not, slurmctld is asked again.
public struct Submitter: Service {
    private let ledger: Ledger
    private let scheduler: any Scheduler
    private let logger: Logger
    /// Orders under way at once.
    private static let concurrency = 8

    public init(ledger: Ledger, scheduler: any Scheduler, logger: Logger) {
        self.ledger = ledger
        self.scheduler = scheduler
        self.logger = logger
    }

    public func run() async throws {
        let wakeUp = ledger.feed.wakeUp()
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                var pause = Duration.seconds(1)
                do {
                    while try await stepDue() {}
                    let next = try await ledger.nextOrderTime()
                    pause = next.map { max(.milliseconds(5), .microseconds($0 - ledger.microseconds)) } ?? .seconds(60)
                } catch {
                    if Task.isCancelled { return }
                    logger.warning("orders wait: the ledger cannot be used", metadata: ["why": "\(error)"])
                }
                await wakeUp.wait(atMost: min(pause, .seconds(60)))
            }
        }
    }

    /// Takes the next step of each order that is due.
    /// - Returns: whether there was one.
    @discardableResult
    func stepDue() async throws -> Bool {
        let due = try await ledger.dueOrders(limit: Self.concurrency)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (order, tries) in due {
                group.addTask { try await step(order, tries: tries) }
            }
            try await group.waitForAll()
        }
        return !due.isEmpty
    }

    private func step(_ order: OrderRecord, tries: Int) async throws(LedgerError) {
        do {
            switch order.phase {
            case .accepted: try await submit(order)
            case .attempted: try await adopt(order)
            case .submitted: try await release(order)
            case .released, .refused: break
            }
        } catch let error as LedgerError {
            throw error
        } catch {
            let delay = BackOff.orders.delay(attempt: tries)
            try await ledger.postponeOrder(
                order.ledgerJob, to: ledger.microseconds + Int64(delay / .microseconds(1)), why: "\(error)")
        }
    }

    private func submit(_ order: OrderRecord) async throws {
        guard try await ledger.noteAttempt(order.ledgerJob) else { return }
        do {
            let id = try await scheduler.submitHeld(order.order.request, tag: order.tag)
            try await ledger.noteSubmitted(order.ledgerJob, jobID: id)
            logger.info("submitted", metadata: order.logIDs(slurm: id))
        } catch let error as SchedulerError where error.code == .refused {
            try await ledger.noteRefused(order.ledgerJob, .scheduler, why: error.message)
        }
    }

    /// The answer was lost, or the agent died before it came: find the job by its tag.
    private func adopt(_ order: OrderRecord) async throws {
        // Twice: slurmctld may take a job in that was asked for before the first look, after it.
        for _ in 0..<2 {
            try await scheduler.settle()
            if let id = try await scheduler.jobs(tagged: order.tag).min() {
                try await ledger.noteSubmitted(order.ledgerJob, jobID: id)
                logger.notice("found the job of a lost answer", metadata: order.logIDs(slurm: id))
                return
            }
        }
        // A held job does not leave the list by itself, but somebody may have ended it by hand; that is remembered
        // for MinJobAge only.
        let age = ledger.microseconds / 1_000_000 - (order.attemptedAt ?? 0)
        if age < (try await scheduler.minimumJobAge()) {
            try await ledger.forgetAttempt(order.ledgerJob)
        } else if let id = try await inAccounting(order) {
            try await ledger.noteSubmitted(order.ledgerJob, jobID: id)
        } else {
            try await ledger.noteRefused(
                order.ledgerJob, .doubt,
                why: "what became of its submission can no longer be known, so it is not submitted again")
        }
    }

    /// slurmctld has forgotten it, slurmdbd may not have.
    private func inAccounting(_ order: OrderRecord) async throws -> UInt32? {
        let runs: [JobObservation]
        do throws(SchedulerError) {
            // Its clock may be behind ours.
            runs = try await scheduler.accounting(tagged: order.tag, since: (order.attemptedAt ?? 0) - 300)
        } catch {
            if error.code == .noAccounting { return nil }
            throw error
        }
        guard let id = runs.last?.jobID else { return nil }
        try await ledger.fold(Ledger.Intake(observations: runs))
        return id
    }

    private func release(_ order: OrderRecord) async throws {
        guard let id = order.jobID else { return }
        try await scheduler.release(id)
        try await ledger.noteReleased(order.ledgerJob)
    }
}
