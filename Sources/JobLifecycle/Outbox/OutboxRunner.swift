// SPDX-License-Identifier: GPL-3.0-or-later

public import Logging
public import ServiceLifecycle
internal import Support

/// Delivers transitions to one gateway: in order per job, again and again until it says done or never. A job that has
/// to wait, or is parked, holds up no other.
public struct OutboxRunner: Service {
    private let ledger: Ledger
    private let gateway: any Gateway
    private let logger: Logger

    public init(ledger: Ledger, gateway: any Gateway, logger: Logger) {
        self.ledger = ledger
        self.gateway = gateway
        self.logger = logger
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask { await deliverLoop() }
                group.addTask { await catchUp() }
            }
        }
    }

    private func deliverLoop() async {
        let wakeUp = ledger.feed.wakeUp()
        var failures = 0
        while !Task.isCancelled {
            var pause = Duration.seconds(1)
            do {
                while try await deliverDue(), !Task.isCancelled { failures = 0 }
                failures = 0
                let next = try await ledger.nextDeliveryTime(gateway.name)
                pause = next.map { max(.milliseconds(5), .microseconds($0 - ledger.microseconds)) } ?? .seconds(60)
            } catch let error as GatewayUnavailable {
                if Task.isCancelled { return }
                if failures == 0 {
                    logger.warning(
                        "deliveries wait: the gateway is away",
                        metadata: ["gateway": "\(gateway.name)", "why": "\(error)"])
                }
                // What comes meanwhile is no reason to try earlier.
                try? await Task.sleep(for: RetryPolicy.unavailable.delay(attempt: failures))
                failures += 1
                continue
            } catch {
                if Task.isCancelled { return }
                logger.warning("deliveries wait: the ledger cannot be used", metadata: ["why": "\(error)"])
            }
            await wakeUp.wait(atMost: min(pause, .seconds(60)))
        }
    }

    // MARK: what runs already

    /// Tells it after what the ledger still has for the gateway, which comes first in a job's life.
    ///
    /// A cluster in which something happens all the time may always have something: it is not waited for for ever.
    func catchUp(looks: Int = 300, pause: Duration = .seconds(1)) async {
        guard gateway.scope == .everything else { return }
        var (look, failures) = (1, 0)
        while !Task.isCancelled {
            var rest = pause
            do {
                let waiting = try await ledger.backlogs().first { $0.gateway == gateway.name }?.waiting ?? 0
                if waiting == 0 || look > looks { return try await gateway.catchUp(ledger.runningRuns) }
                look += 1
            } catch {
                if Task.isCancelled { return }
                if failures == 0 {
                    logger.warning(
                        "a gateway could not be told what runs already: it is told again",
                        metadata: ["gateway": "\(gateway.name)", "why": "\(error)"])
                }
                rest = RetryPolicy.unavailable.delay(attempt: failures)
                failures += 1
            }
            try? await Task.sleep(for: rest)
        }
    }

    /// Throws `LedgerError`, and `GatewayUnavailable` after having changed nothing.
    /// - Returns: whether there was something to deliver.
    @discardableResult
    func deliverDue() async throws -> Bool {
        let waiting = try await ledger.dueDeliveries(gateway.name, limit: gateway.batchLimit)
        guard !waiting.isEmpty else { return false }
        let answers = try await gateway.deliver(waiting.map(\.transition))
        var held: Set<Int64> = []
        let results = waiting.enumerated().map { index, item -> Ledger.DeliveryResult in
            var outcome = index < answers.count ? answers[index] : .retry("the gateway gave no answer")
            // In order per job, whatever a gateway says.
            if held.contains(item.transition.ledgerJob), outcome != .delivered {
                outcome = .retry("waits for the transition before it")
            }
            var next: Int64 = 0
            switch outcome {
            case .delivered:
                break
            case .retry(let why):
                held.insert(item.transition.ledgerJob)
                let delay = RetryPolicy.deliveries.delay(attempt: item.attempts)
                next = ledger.microseconds + Int64(delay / .microseconds(1))
                logger.info("will be delivered later", metadata: metadata(item, why))
            case .refused(let why):
                held.insert(item.transition.ledgerJob)
                logger.error("parked: the gateway refuses it for good", metadata: metadata(item, why))
            }
            return Ledger.DeliveryResult(sequence: item.transition.sequence, outcome: outcome, next: next)
        }
        try await ledger.record(results, of: gateway.name)
        return true
    }

    private func metadata(_ item: Ledger.Waiting, _ why: String) -> Logger.Metadata {
        var words: Logger.Metadata = [
            "gateway": "\(gateway.name)", "transition": "\(item.transition.sequence)",
            "ledger_job": "\(item.transition.ledgerJob)", "why": "\(why)",
        ]
        if let slurm = item.transition.job { words["slurm"] = "\(slurm)" }
        if let id = item.transition.externalID { words["job"] = "\(JobOrder.logID(id))" }
        if let claim = item.transition.claim { words["claim"] = "\(claim)" }
        return words
    }
}
