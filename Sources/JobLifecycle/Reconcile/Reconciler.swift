// SPDX-License-Identifier: GPL-3.0-or-later

public import Logging
public import ServiceLifecycle

/// Compares the ledger with Slurm, at start and on a timer, and feeds what differs to the fold.
///
/// slurmctld gives its whole list or "no change". Of a list only what differs from the last one is folded; an open run
/// that is not in it becomes a hint. What began and ended unseen comes from slurmdbd (``AccountingCatchUp``).
public actor Reconciler: Service {
    public struct Settings: Sendable {
        /// Between two polls of slurmctld. Default 5 s: the plugins tell of most things at once. Longer while they work and
        /// slurmctld's list is a long one (``PollPace``).
        public var interval: Duration = .seconds(5)
        /// How often all open runs of the ledger are looked for in slurmctld's list. Default 60 s.
        public var sweepInterval: Duration = .seconds(60)
        /// How often slurmdbd is asked for runs that ended unseen. Default 300 s, and at start.
        public var accountingInterval: Duration = .seconds(300)
        /// How far an accounting question reaches back before the last one: slurmctld may be late in telling slurmdbd.
        /// Default 15 min.
        public var accountingOverlap: Duration = .seconds(900)

        public init() {}
    }

    private let ledger: Ledger
    private let scheduler: any Scheduler
    private let settings: Settings
    private let logger: Logger
    private let afterPoll: @Sendable () -> Void
    private let pluginsWork: @Sendable () -> Bool
    private var memory = JobListMemory()
    private var pace: PollPace
    private var lastSweep: ContinuousClock.Instant?
    private var isReachable = true
    private let catchUp: AccountingCatchUp

    /// - Parameters:
    ///   - pluginsWork: whether starts and ends are told without asking.
    ///   - afterPoll: called after each list that was taken in, and each look for the open runs; many jobs leave memory to give
    ///     back.
    public init(
        ledger: Ledger, scheduler: any Scheduler, settings: Settings = Settings(), logger: Logger,
        pluginsWork: @escaping @Sendable () -> Bool = { false }, afterPoll: @escaping @Sendable () -> Void = {}
    ) {
        self.ledger = ledger
        self.scheduler = scheduler
        self.settings = settings
        self.logger = logger
        self.pluginsWork = pluginsWork
        self.afterPoll = afterPoll
        pace = PollPace(interval: settings.interval)
        var reach = CatchUpPlan.Settings()
        reach.overlap = settings.accountingOverlap.components.seconds
        catchUp = AccountingCatchUp(
            ledger: ledger, scheduler: scheduler, interval: settings.accountingInterval, settings: reach, logger: logger
        )
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            // slurmdbd has its own time: it may hang for as long as it likes.
            async let accounting: Void = self.catchUp.run()
            while !Task.isCancelled {
                await self.turn(now: .now)
                try? await Task.sleep(for: self.settings.interval)
            }
            await accounting
        }
    }

    /// One round of polling slurmctld. Failures are logged; the next round tries again.
    func turn(now: ContinuousClock.Instant) async {
        do {
            if pace.isDue(now, pluginsWork: pluginsWork()) {
                try await poll(
                    sweep: lastSweep.map { $0.duration(to: now) >= settings.sweepInterval } ?? true, now: now)
                if !isReachable { logger.notice("slurmctld answers again") }
                isReachable = true
            }
        } catch let error as SchedulerError {
            // Not slurmctld is silent, nobody listens any more.
            if Task.isCancelled { return }
            if isReachable { logger.warning("slurmctld does not answer", metadata: ["why": "\(error)"]) }
            isReachable = false
        } catch {
            if Task.isCancelled { return }
            logger.error("the ledger cannot be written", metadata: ["why": "\(error)"])
        }
    }

    /// - Parameter sweep: also looks for the ledger's open runs in the list: only right after it has come, as the plugins tell
    ///   of runs that an older list cannot have.
    func poll(sweep: Bool, now: ContinuousClock.Instant = .now) async throws {
        let hadList = try await load(now)
        if sweep { try await self.sweep(now) }
        // What was made of the list, and of the rows, is gone by now.
        if hadList || sweep { afterPoll() }
    }

    /// - Returns: whether there was a list other than the last one.
    private func load(_ now: ContinuousClock.Instant) async throws -> Bool {
        let asked = ContinuousClock.now
        let spokenOf = ledger.spokenOf.take()
        memory.outdate(spokenOf)
        let list: JobList?
        do {
            list = try await scheduler.jobs(changedSince: memory)
        } catch {
            ledger.spokenOf.giveBack(spokenOf)
            pace.failed(now)
            throw error
        }
        pace.polled(now + asked.duration(to: .now), list: list?.cost)
        guard let list else { return false }
        let isFirst = memory.stamp == nil
        if try await take(list), !isFirst { pace.missed(now) }
        memory = list.memory
        return true
    }

    private func sweep(_ now: ContinuousClock.Instant) async throws(LedgerError) {
        let memory = memory
        let missing = try await ledger.openRuns().filter { !memory.has($0.jobID, submitTime: $0.submitTime) }
        try await hint(missing.map(\.jobID))
        lastSweep = now
    }

    /// Jobs of a list that are taken in at a time: what is made of the others waits for them.
    static let partSize = 500

    /// How late a start or an end may be told by the plugins, seconds.
    private static let tellingTime: Int64 = 5

    /// - Returns: whether it told of a start or an end that the plugins should have told before.
    private func take(_ list: JobList) async throws(LedgerError) -> Bool {
        var missed = false
        for start in stride(from: 0, to: list.count, by: Self.partSize) {
            var intake = Ledger.Intake(observations: list.part(from: start, size: Self.partSize))
            intake.isOfList = true
            for transition in try await ledger.fold(intake) {
                let since = transition.kind == .running ? transition.startTime : transition.endTime
                guard transition.kind == .running || transition.kind == .ended, let since else { continue }
                missed = missed || since < transition.recordedAt / 1_000_000 - Self.tellingTime
            }
        }
        // The ones that are over in the ledger are no loss.
        for chunk in stride(from: 0, to: list.gone.count, by: 500) {
            let slice = list.gone[chunk..<min(chunk + 500, list.gone.count)]
            try await hint(try await ledger.openRuns(of: Array(slice)).map(\.jobID))
        }
        return missed
    }

    private func hint(_ jobIDs: [UInt32]) async throws(LedgerError) {
        guard !jobIDs.isEmpty else { return }
        try await ledger.addMissing(jobIDs)
    }
}
