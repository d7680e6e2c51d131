// SPDX-License-Identifier: GPL-3.0-or-later

internal import CommandOutput
internal import FoundationEssentials
internal import JobLifecycle
internal import Logging
internal import NIOConcurrencyHelpers
internal import ServiceLifecycle
internal import Slurm
internal import Support

/// The ledger's rounds: keeps what slurm.conf says up to date, prunes what is over, and reads what of the file was not checked
/// at the start. All of it bit by bit: an event that waits for its commit goes first.
struct LedgerCare: Service {
    let ledger: Ledger
    let controller: SlurmController
    let retention: NIOLockedValueBox<Duration>
    let logger: Logger

    /// An agent that has just started has other things to do.
    private static let settling: Duration = .seconds(60)
    private static let pruneEvery: Duration = .seconds(3600)
    private static let recallEvery: Duration = .seconds(60)
    private static let checkPause: Duration = .milliseconds(100)

    func run() async throws {
        try await cancelWhenGracefulShutdown {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await every(.seconds(300)) { await readPolicy() } }
                group.addTask {
                    await every(Self.recallEvery) {
                        tellClock()
                        await recall()
                    }
                }
                group.addTask {
                    await tellUnconfigured()
                    try? await Task.sleep(for: Self.settling)
                    await every(Self.pruneEvery) { await prune() }
                }
                group.addTask { try await checkRest() }
                try await group.waitForAll()
            }
        }
    }

    private func readPolicy() async {
        do throws(SlurmError) {
            let cluster = try await controller.cluster(maximumAge: .seconds(60))
            ledger.policy = RequeuePolicy(cluster)
        } catch {
            logger.debug("slurmctld's settings could not be read", metadata: ["why": "\(error)"])
        }
    }

    private func recall() async {
        do throws(LedgerError) {
            let count = try await ledger.recallPostponed()
            guard count > 0 else { return }
            logger.warning(
                "the clock was set back: what waited for a time that is far off now is due",
                metadata: ["count": "\(count)"])
        } catch {
            logger.debug("what waits could not be looked through", metadata: ["why": "\(error)"])
        }
    }

    private func tellClock() {
        switch ledger.clock.news() {
        case nil: break
        case .ahead(let seconds):
            logger.warning(
                "the wall clock is ahead of the time that has passed: until it is back, or a day is over, nothing is deleted and no job given up by it",
                metadata: [
                    "for": "\(Duration.seconds(seconds))",
                    "why": "compare it with `timedatectl`, and set it right if it is wrong",
                ])
        case .agreed:
            logger.notice("the wall clock is believed again: what is old by it is deleted as before")
        }
    }

    private func tellUnconfigured() async {
        let age = retention.withLockedValue { $0 }
        for left in (try? await ledger.unconfigured()) ?? [] {
            logger.warning(
                "the ledger has deliveries for a gateway that is not configured",
                metadata: ["gateway": "\(left.gateway)", "why": "\(left.words(age))"])
        }
    }

    private func prune() async {
        let age = retention.withLockedValue { $0 }
        let before = (try? await ledger.unconfigured()) ?? []
        do throws(LedgerError) {
            let pruned = try await ledger.prune(olderThan: age) { took async throws(CancellationError) in
                // A fifth of the writer's time at most.
                try? await Task.sleep(for: max(.milliseconds(20), took * 4))
                if Task.isCancelled { throw CancellationError() }
            }
            if pruned > 0 { logger.info("old jobs left the ledger", metadata: ["count": "\(pruned)"]) }
            let after = Set(try await ledger.unconfigured().map(\.gateway))
            for left in before where !after.contains(left.gateway) {
                logger.warning(
                    "dropped the deliveries of a gateway that is no longer configured",
                    metadata: ["gateway": "\(left.gateway)", "count": "\(left.deliveries)"])
            }
        } catch {
            if Task.isCancelled { return }
            logger.warning("the ledger could not be pruned", metadata: ["why": "\(error)"])
        }
    }

    /// A large file is checked for a second at the start; then it is used, and the rest is read meanwhile.
    private func checkRest() async throws {
        guard !ledger.wasChecked else { return }
        logger.info("the ledger is large: the check of its file goes on in the background")
        try? await Task.sleep(for: Self.settling)
        var position = Ledger.CheckPosition()
        while !Task.isCancelled {
            do throws(LedgerError) {
                guard try await ledger.check(&position) else {
                    logger.info("the ledger's file has been checked: nothing is amiss")
                    return
                }
            } catch  where error.code == .damaged {
                ledger.noteDamage()
                logger.critical(
                    "the ledger is damaged: the agent ends, to be started again, which sets the file aside",
                    metadata: ["why": "\(error)"])
                throw Daemon.StartFailure(exitStatus: 73, description: error.description)
            } catch {
                logger.debug("the ledger's file could not be read", metadata: ["why": "\(error)"])
            }
            try? await Task.sleep(for: Self.checkPause)
        }
    }
}

extension Ledger.Unconfigured {
    /// - Parameter retention: how long they are kept.
    func words(_ retention: Duration) -> String {
        let until = Date(timeIntervalSince1970: Double(since) + retention / .seconds(1))
        return "\(deliveries) deliveries are for \(gateway), which is not configured: configure it again before "
            + "\(LocalTime.text(until)), when they are dropped"
    }
}

extension Ledger.OpeningStep {
    var words: String {
        switch self {
        case .upgrading(let from, let to): "bringing the ledger from format \(from) to \(to)"
        case .checking: "checking the whole ledger, in which damage was found"
        }
    }
}

/// Until the task is cancelled.
func every(_ interval: Duration, _ body: () async -> Void) async {
    while !Task.isCancelled {
        await body()
        try? await Task.sleep(for: interval)
    }
}

extension RequeuePolicy {
    init(_ cluster: Cluster) {
        self.init(exitCodesRequeue: cluster.requeuesByExitCode, successRequeues: cluster.requeuesAfterSuccess)
    }
}
