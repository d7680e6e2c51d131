// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
public import Logging
public import ServiceLifecycle

/// Compares the ledger with Slurm, at start and on a timer, and feeds what differs to the fold.
///
/// slurmctld gives its whole list or "no change". Of a list only what differs from the last one is folded; an open run
/// that is not in it becomes a hint. What began and ended unseen comes from slurmdbd.
public actor Reconciler: Service {
    public struct Settings: Sendable {
        /// Between two polls of slurmctld. Default 5 s: the plugins tell of most things at once.
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

    private struct RunID: Hashable {
        var key: JobKey
        var submitTime: Int64
    }

    private let ledger: Ledger
    private let scheduler: any Scheduler
    private let settings: Settings
    private let logger: Logger
    private let afterPoll: @Sendable () -> Void
    private var stamp: Int64?
    /// A digest of each record in the last list.
    private var known: [RunID: Int] = [:]
    private var lastSweep: ContinuousClock.Instant?
    private var lastAccounting: ContinuousClock.Instant?
    private var isReachable = true
    private var accountingFailed = false

    static let accountingCursor = "accounting_until"

    /// - Parameter afterPoll: called after each list that was taken in; a list of many jobs leaves memory to give back.
    public init(
        ledger: Ledger, scheduler: any Scheduler, settings: Settings = Settings(), logger: Logger,
        afterPoll: @escaping @Sendable () -> Void = {}
    ) {
        self.ledger = ledger
        self.scheduler = scheduler
        self.settings = settings
        self.logger = logger
        self.afterPoll = afterPoll
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                await self.turn(now: .now)
                try? await Task.sleep(for: self.settings.interval)
            }
        }
    }

    /// One round: poll, and what is due of the rest. Failures are logged; the next round tries again.
    func turn(now: ContinuousClock.Instant) async {
        do {
            try await poll(sweep: lastSweep.map { $0.duration(to: now) >= settings.sweepInterval } ?? true)
            if !isReachable { logger.notice("slurmctld answers again") }
            isReachable = true
        } catch let error as SchedulerError {
            // Not slurmctld is silent, nobody listens any more.
            if Task.isCancelled { return }
            if isReachable { logger.warning("slurmctld does not answer", metadata: ["why": "\(error)"]) }
            isReachable = false
        } catch {
            if Task.isCancelled { return }
            logger.error("the ledger cannot be written", metadata: ["why": "\(error)"])
        }
        if lastAccounting.map({ $0.duration(to: now) >= settings.accountingInterval }) ?? true {
            await catchUp(now: now)
        }
    }

    func poll(sweep: Bool) async throws {
        if let list = try await scheduler.jobs(changedSince: stamp) {
            try await take(list)
            stamp = list.stamp
            afterPoll()
        }
        if sweep {
            let missing = try await ledger.openRuns().filter {
                known[RunID(key: $0.key, submitTime: $0.submitTime)] == nil
            }
            try await hint(missing.map(\.jobID))
            lastSweep = .now
        }
    }

    private func take(_ list: JobList) async throws(LedgerError) {
        var current: [RunID: Int] = Dictionary(minimumCapacity: list.jobs.count)
        var changed: [JobObservation] = []
        for job in list.jobs {
            let id = RunID(key: job.key, submitTime: job.submitTime)
            var timeless = job
            timeless.time = 0
            let digest = timeless.hashValue
            current[id] = digest
            if known[id] != digest { changed.append(job) }
        }
        for chunk in stride(from: 0, to: changed.count, by: 500) {
            let slice = changed[chunk..<min(chunk + 500, changed.count)]
            try await ledger.fold(Ledger.Intake(observations: Array(slice)))
        }
        // Gone since the last list; the ones that are over in the ledger are no loss.
        let gone = Set(known.keys).subtracting(current.keys)
        if !gone.isEmpty {
            let missing = try await ledger.openRuns().filter {
                gone.contains(RunID(key: $0.key, submitTime: $0.submitTime))
            }
            try await hint(missing.map(\.jobID))
        }
        known = current
    }

    private func hint(_ jobIDs: [UInt32]) async throws(LedgerError) {
        guard !jobIDs.isEmpty else { return }
        try await ledger.addMissing(jobIDs)
    }

    /// Takes in what slurmdbd knows to have ended since it was last asked.
    private func catchUp(now: ContinuousClock.Instant) async {
        do {
            let asked = Int64(ledger.now().timeIntervalSince1970)
            // The first time there is nothing to catch up with: the ledger begins with what slurmctld knows.
            let since = try await ledger.cursor(Self.accountingCursor) ?? asked
            let ended = try await scheduler.accounting(
                endedSince: since - settings.accountingOverlap.components.seconds)
            let unseen = ended.filter { $0.state.base.isEnd || $0.state.isRequeueing }
            for chunk in stride(from: 0, to: unseen.count, by: 500) {
                let slice = unseen[chunk..<min(chunk + 500, unseen.count)]
                try await ledger.fold(Ledger.Intake(observations: Array(slice)))
            }
            try await ledger.setCursor(Self.accountingCursor, asked)
            if accountingFailed { logger.notice("slurmdbd answers again") }
            accountingFailed = false
            lastAccounting = now
        } catch let error as SchedulerError where error.code == .noAccounting {
            lastAccounting = now
        } catch {
            if Task.isCancelled { return }
            if !accountingFailed {
                logger.warning("slurmdbd could not be asked for ended jobs", metadata: ["why": "\(error)"])
            }
            accountingFailed = true
        }
    }
}
