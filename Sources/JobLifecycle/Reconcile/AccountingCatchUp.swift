// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import Logging

/// Learns from slurmdbd what began and ended unseen: each end that the ledger lacks becomes a hint, and Slurm is asked about
/// the job as about any other. In its own time: nobody waits for it.
actor AccountingCatchUp {
    private let ledger: Ledger
    private let scheduler: any Scheduler
    private let interval: Duration
    private let settings: CatchUpPlan.Settings
    private let logger: Logger
    private let clock: any Clock<Duration>
    private var plan: CatchUpPlan?
    private var isAway = false

    static let cursor = "accounting_until"
    private static let rowsPerCommit = 200

    init(
        ledger: Ledger, scheduler: any Scheduler, interval: Duration, settings: CatchUpPlan.Settings, logger: Logger,
        clock: any Clock<Duration> = ContinuousClock()
    ) {
        self.ledger = ledger
        self.scheduler = scheduler
        self.interval = interval
        self.settings = settings
        self.logger = logger
        self.clock = clock
    }

    func run() async {
        while !Task.isCancelled {
            let pause = await step()
            try? await clock.sleep(for: pause)
        }
    }

    /// Asks for one slice.
    /// - Returns: how long to wait before the next.
    func step() async -> Duration {
        do {
            var plan = plan
            if plan == nil {
                plan = CatchUpPlan(cursor: try await ledger.cursor(Self.cursor), settings: settings)
            }
            guard var plan else { return interval }
            let window = plan.next(now: Int64(ledger.now().timeIntervalSince1970))
            self.plan = plan
            let ended = try await scheduler.accounting(endedIn: window)
            try await take(ended)
            let isOver = plan.succeeded(window, rows: ended.count)
            try await ledger.setCursor(Self.cursor, plan.cursor ?? window.upperBound)
            self.plan = plan
            if isAway { logger.notice("slurmdbd answers again") }
            isAway = false
            return isOver ? interval : .zero
        } catch let error as SchedulerError where error.code == .noAccounting {
            return interval
        } catch let error as LedgerError {
            if Task.isCancelled { return interval }
            // The slice is asked for again.
            logger.warning("ended jobs wait: the ledger cannot be used", metadata: ["why": "\(error)"])
            return min(interval, .seconds(10))
        } catch {
            if Task.isCancelled { return interval }
            if !isAway {
                logger.warning("slurmdbd could not be asked for ended jobs", metadata: ["why": "\(error)"])
            }
            isAway = true
            return min(plan?.failed() ?? interval, max(interval, .seconds(10)))
        }
    }

    private func take(_ ended: [JobObservation]) async throws(LedgerError) {
        let over = ended.filter(\.tellsEnd)
        for start in stride(from: 0, to: over.count, by: Self.rowsPerCommit) {
            try await ledger.addUnseenEnds(Array(over[start..<min(start + Self.rowsPerCommit, over.count)]))
        }
    }
}
