// SPDX-License-Identifier: GPL-3.0-or-later

public import Logging
public import ServiceLifecycle
internal import Support

/// Follows hints: asks slurmctld, then slurmdbd, what has become of a job, and feeds the fold.
///
/// A hint stays in the ledger until somebody who may say so has said what there is to say. "No answer" leaves it there.
public struct HintFollower: Service {
    public struct Settings: Sendable {
        /// Between two answers that know nothing of an open run before it counts as vanished. Default 60 s.
        public var vanishInterval: Duration = .seconds(60)
        /// How often a hint about a job that nobody knows is tried before it is parked. Default 8, over about 2 min.
        public var tries = 8
        /// Questions to slurmctld at once. Default 4.
        public var concurrency = 4

        public init() {}
    }

    private let ledger: Ledger
    private let scheduler: any Scheduler
    private let settings: Settings
    private let logger: Logger

    public init(ledger: Ledger, scheduler: any Scheduler, settings: Settings = Settings(), logger: Logger) {
        self.ledger = ledger
        self.scheduler = scheduler
        self.settings = settings
        self.logger = logger
    }

    public func run() async throws {
        let wakeUp = ledger.feed.wakeUp()
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                var pause = Duration.seconds(1)
                do {
                    while try await followDue() {}
                    if let next = try await ledger.nextHintTime() {
                        pause = min(.seconds(60), max(.milliseconds(5), .microseconds(next - ledger.microseconds)))
                    } else {
                        pause = .seconds(60)
                    }
                } catch {
                    if Task.isCancelled { return }
                    logger.warning("hints wait: the ledger cannot be used", metadata: ["why": "\(error)"])
                }
                await wakeUp.wait(atMost: pause)
            }
        }
    }

    /// Follows what is due now.
    /// - Returns: whether there was something.
    @discardableResult
    func followDue() async throws(LedgerError) -> Bool {
        let hints = try await ledger.dueHints(limit: 256)
        guard !hints.isEmpty else { return false }
        let byJob = Dictionary(grouping: hints, by: \.jobID)
        let answers = await look(at: Array(byJob.keys))
        var outcome = Ledger.HintOutcome()
        /// Jobs of which slurmctld has not said all.
        var unclear: [(jobID: UInt32, seen: [JobObservation], hints: [Ledger.PendingHint])] = []
        for (jobID, jobHints) in byJob {
            switch answers[jobID] {
            case .success(let seen):
                let open = try await ledger.openRuns(of: [jobID])
                let uncovered = open.contains { run in !run.knowsEnd && !seen.contains { $0.isOf(run) } }
                if try await ledger.lacksEarlierRun(seen) || uncovered || seen.isEmpty {
                    unclear.append((jobID, seen, jobHints))
                } else {
                    try await ledger.fold(Ledger.Intake(observations: seen))
                    if try await ledger.openRuns(of: [jobID]).contains(where: { $0.phase == .closing }) {
                        postpone(jobHints, why: "Slurm has not said yet whether the job goes on", &outcome)
                    } else {
                        outcome.done += jobHints
                    }
                }
            case .failure(let error):
                postpone(jobHints, why: error.message, &outcome)
            case nil:
                continue
            }
        }
        if !unclear.isEmpty { try await askAccounting(unclear, &outcome) }
        try await ledger.settle(outcome)
        return true
    }

    private func look(at jobIDs: [UInt32]) async -> [UInt32: Result<[JobObservation], SchedulerError>] {
        await withTaskGroup(of: (UInt32, Result<[JobObservation], SchedulerError>).self) { group in
            var answers: [UInt32: Result<[JobObservation], SchedulerError>] = [:]
            var waiting = jobIDs[...]
            func next() {
                guard let id = waiting.popFirst() else { return }
                group.addTask { [scheduler] in (id, await Self.look(scheduler, id)) }
            }
            for _ in 0..<settings.concurrency { next() }
            for await (id, answer) in group {
                answers[id] = answer
                next()
            }
            return answers
        }
    }

    private static func look(
        _ scheduler: any Scheduler, _ id: UInt32
    ) async -> Result<[JobObservation], SchedulerError> {
        do throws(SchedulerError) {
            return .success(try await scheduler.look(at: id))
        } catch {
            return .failure(error)
        }
    }

    private func askAccounting(
        _ unclear: [(jobID: UInt32, seen: [JobObservation], hints: [Ledger.PendingHint])],
        _ outcome: inout Ledger.HintOutcome
    ) async throws(LedgerError) {
        let answer = await accounting(unclear.map(\.jobID))
        let rows: [UInt32: [JobObservation]]
        let hasAccounting: Bool
        switch answer {
        case .success(let found):
            rows = Dictionary(grouping: found, by: \.jobID)
            hasAccounting = true
        case .failure(let error) where error.code == .noAccounting:
            rows = [:]
            hasAccounting = false
        case .failure(let error):
            for item in unclear { postpone(item.hints, why: error.message, &outcome) }
            return
        }
        for (jobID, seen, hints) in unclear {
            let told = rows[jobID] ?? []
            // slurmdbd's word for a run that slurmctld still has is older than slurmctld's.
            let ended = told.filter { row in row.state.base.isEnd || row.state.isRequeueing }
                .filter { row in !seen.contains { $0.key == row.key && $0.submitTime == row.submitTime } }
            try await ledger.fold(Ledger.Intake(observations: ended), force: false)
            let uncovered = try await ledger.openRuns(of: [jobID]).filter { run in !seen.contains { $0.isOf(run) } }
            if seen.isEmpty {
                try await concludeUnknown(uncovered, hints, told: !told.isEmpty, hasAccounting, &outcome)
            } else {
                // A later run is there, so nothing more will come of the one before.
                try await ledger.fold(Ledger.Intake(observations: seen), force: true)
                outcome.done += hints
            }
        }
    }

    private func accounting(_ jobIDs: [UInt32]) async -> Result<[JobObservation], SchedulerError> {
        do throws(SchedulerError) {
            return .success(try await scheduler.accounting(of: jobIDs))
        } catch {
            return .failure(error)
        }
    }

    /// slurmctld knows no such job, and slurmdbd (if there is one) no end of these runs.
    private func concludeUnknown(
        _ open: [Ledger.OpenRun], _ hints: [Ledger.PendingHint], told: Bool, _ hasAccounting: Bool,
        _ outcome: inout Ledger.HintOutcome
    ) async throws(LedgerError) {
        let interval = Int64(settings.vanishInterval / .microseconds(1))
        if !open.isEmpty {
            let reason =
                hasAccounting
                ? "slurmctld has forgotten the job, and slurmdbd knows no end of it"
                : "slurmctld has forgotten the job, and there is no slurmdbd to ask"
            let left = try await ledger.countMissing(open, interval: interval, reason: reason)
            if left.isEmpty {
                outcome.done += hints
            } else {
                let at = ledger.microseconds + interval
                outcome.later += hints.map { ($0, at, "waits for a second answer: \(reason)") }
            }
            return
        }
        if told {
            outcome.done += hints
            return
        }
        for hint in hints {
            if hint.reason == .settle || hint.reason == .missing || hint.reason == .superseded {
                outcome.done.append(hint)
            } else if hint.tries + 1 < settings.tries, hasAccounting {
                // slurmdbd learns of a job some seconds late.
                postpone([hint], why: "neither slurmctld nor slurmdbd knows the job yet", &outcome)
            } else {
                logger.notice(
                    "a plugin spoke of a job that Slurm does not know", metadata: ["slurm": "\(hint.jobID)"])
                outcome.parked.append((hint, "neither slurmctld nor slurmdbd knows the job"))
            }
        }
    }

    private func postpone(_ hints: [Ledger.PendingHint], why: String, _ outcome: inout Ledger.HintOutcome) {
        for hint in hints {
            let delay = BackOff.hints.delay(attempt: hint.tries)
            outcome.later.append((hint, ledger.microseconds + Int64(delay / .microseconds(1)), why))
        }
    }
}

extension JobObservation {
    func isOf(_ run: Ledger.OpenRun) -> Bool {
        key == run.key && submitTime == run.submitTime
    }
}
