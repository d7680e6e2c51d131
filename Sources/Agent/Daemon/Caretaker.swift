// SPDX-License-Identifier: GPL-3.0-or-later

internal import JobLifecycle
internal import Logging
internal import NIOConcurrencyHelpers
internal import ServiceLifecycle
internal import Slurm

/// The daemon's rounds: feeds systemd's watchdog, writes the status line, keeps what slurm.conf says up to date,
/// prunes the ledger.
struct Caretaker: Service {
    let ledger: Ledger
    let controller: SlurmController
    let notifier: SystemdNotifier
    let retention: NIOLockedValueBox<Duration>
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await feedWatchdog() }
                group.addTask { await every(.seconds(30)) { await writeStatus() } }
                group.addTask { await every(.seconds(300)) { await readPolicy() } }
                group.addTask { await every(.seconds(3600)) { await prune() } }
            }
        }
        notifier.stopping()
    }

    private func every(_ interval: Duration, _ body: () async -> Void) async {
        while !Task.isCancelled {
            await body()
            try? await Task.sleep(for: interval)
        }
    }

    /// A commit by the ledger's writer is the sign of life: what hangs in libslurm has threads of its own.
    private func feedWatchdog() async {
        guard let interval = notifier.watchdogInterval else { return }
        await every(interval) {
            do throws(LedgerError) {
                try await ledger.fold(Ledger.Intake())
            } catch {
                // A full disk is no reason to be restarted: the writer lives.
                logger.debug("the watchdog's commit failed", metadata: ["error": "\(error)"])
            }
            notifier.watchdog()
        }
    }

    private func writeStatus() async {
        do throws(LedgerError) {
            let counts = try await ledger.counts()
            notifier.status(
                "\(counts.openRuns) open runs, \(counts.waitingDeliveries) deliveries waiting, "
                    + "\(counts.parkedDeliveries) parked")
        } catch {
            notifier.status("the ledger cannot be read: \(error)")
        }
    }

    private func readPolicy() async {
        do throws(SlurmError) {
            let cluster = try await controller.cluster(maximumAge: .seconds(60))
            ledger.policy = RequeuePolicy(exitCodesRequeue: cluster.requeuesByExitCode)
        } catch {
            logger.debug("slurmctld's settings could not be read", metadata: ["error": "\(error)"])
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
            if pruned > 0 { logger.info("old jobs left the ledger", metadata: ["jobs": "\(pruned)"]) }
        } catch {
            logger.warning("the ledger could not be pruned", metadata: ["error": "\(error)"])
        }
    }
}
