// SPDX-License-Identifier: GPL-3.0-or-later

internal import JobLifecycle
internal import Logging
internal import NIOConcurrencyHelpers
internal import ServiceLifecycle
internal import Slurm

/// The ledger's rounds: keeps what slurm.conf says up to date, and prunes what is over.
struct LedgerCare: Service {
    let ledger: Ledger
    let controller: SlurmController
    let retention: NIOLockedValueBox<Duration>
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await every(.seconds(300)) { await readPolicy() } }
                group.addTask { await every(.seconds(3600)) { await prune() } }
            }
        }
    }

    private func readPolicy() async {
        do throws(SlurmError) {
            let cluster = try await controller.cluster(maximumAge: .seconds(60))
            ledger.policy = RequeuePolicy(exitCodesRequeue: cluster.requeuesByExitCode)
        } catch {
            logger.debug("slurmctld's settings could not be read", metadata: ["why": "\(error)"])
        }
    }

    private func prune() async {
        let age = retention.withLockedValue { $0 }
        do throws(LedgerError) {
            var pruned = 0
            while !Task.isCancelled {
                let count = try await ledger.prune(olderThan: age)
                pruned += count
                if count == 0 { break }
            }
            if pruned > 0 { logger.info("old jobs left the ledger", metadata: ["count": "\(pruned)"]) }
        } catch {
            if Task.isCancelled { return }
            logger.warning("the ledger could not be pruned", metadata: ["why": "\(error)"])
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
