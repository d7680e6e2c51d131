// SPDX-License-Identifier: GPL-3.0-or-later

public import Logging
public import ServiceLifecycle
internal import Support

/// Turns each accepted order into exactly one Slurm job.
///
/// The order's attempt is committed, then slurmctld is asked for a *held* job with the order's tag, its number is
/// committed, then the job is let go. After a lost answer or a crash the tag tells whether the job is there; only when it
/// provably is not, and will not come any more, slurmctld is asked again. Then there may be two all the same: before one is
/// let go the others are ended, and those that turn up later are ended then.
public struct Submitter: Service {
    let ledger: Ledger
    let scheduler: any Scheduler
    let logger: Logger
    /// Steps under way at once.
    let width: Int
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

    enum Step: Sendable {
        case order(OrderRecord)
        case surplus(SurplusJob)

        /// One at a time of each.
        var name: String {
            switch self {
            case .order(let order): "order \(order.ledgerJob)"
            case .surplus(let job): "surplus \(job.jobID) \(job.submitTime)"
            }
        }
    }

    public func run() async throws {
        await lanes.run(wakeUp: ledger.feed.wakeUp(), due: dueSteps, pause: pauseUntilNext, take: take)
    }

    private var lanes: StepLanes<Step> {
        StepLanes(width: width, subject: "orders", logger: logger, clock: clock, name: \.name)
    }

    /// What is due and not under way, at most as many as have room.
    private func dueSteps(besides busy: Set<String>) async throws(LedgerError) -> [Step] {
        let room = width - busy.count
        guard room > 0 else { return [] }
        let limit = width + busy.count
        let orders = try await ledger.dueOrders(limit: limit).map(Step.order)
        let surplus = try await ledger.dueSurplus(limit: limit).map(Step.surplus)
        return Array((orders + surplus).filter { !busy.contains($0.name) }.prefix(room))
    }

    private func pauseUntilNext(_ busy: Set<String>) async throws(LedgerError) -> Duration {
        // What is under way is due all the while.
        guard busy.isEmpty else { return .seconds(1) }
        let next = [try await ledger.nextOrderTime(), try await ledger.nextSurplusTime()].compactMap { $0 }.min()
        return StepLanes<Step>.pause(until: next, ledger)
    }

    /// Takes the next step of all that is due, and waits for them.
    /// - Returns: whether there was one.
    @discardableResult
    func stepDue() async throws -> Bool {
        await StepLanes.take(try await dueSteps(besides: []), take)
    }

    private func take(_ step: Step) async {
        do {
            switch step {
            case .order(let order): try await take(order)
            case .surplus(let job): try await end(job)
            }
        } catch let error as LedgerError {
            if Task.isCancelled { return }
            logger.warning("orders wait: the ledger cannot be used", metadata: ["why": "\(error)"])
            // The others go on; this one is due again at once.
            try? await clock.sleep(for: .seconds(1))
        } catch {
            await postpone(step, "\(error)")
        }
    }

    private func postpone(_ step: Step, _ why: String) async {
        do throws(LedgerError) {
            switch step {
            case .order(let order):
                try await ledger.postponeOrder(
                    order.ledgerJob, to: later(order.tries, order.phase == .attempted ? .looks : .orders), why: why)
            case .surplus(let job):
                try await ledger.note(job, is: job.phase, lookAt: later(job.tries, .orders))
            }
        } catch {
            if Task.isCancelled { return }
            logger.warning("orders wait: the ledger cannot be used", metadata: ["why": "\(error)"])
        }
    }

    private func later(_ tries: Int, _ retry: RetryPolicy) -> Int64 {
        ledger.microseconds + Int64(retry.delay(attempt: tries) / .microseconds(1))
    }

    private func take(_ order: OrderRecord) async throws {
        switch order.phase {
        case .accepted: try await submit(order)
        case .attempted: try await adopt(order)
        case .submitted: try await release(order)
        case .released, .refused: break
        }
    }
}
