// SPDX-License-Identifier: GPL-3.0-or-later

internal import JobLifecycle
internal import Logging
internal import ServiceLifecycle

/// Speaks with systemd: feeds its watchdog, to the very end, and writes the status line.
struct Caretaker: Service {
    let parts: RunningParts
    let status: StatusSource
    let notifier: SystemdNotifier
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await feedWatchdog() }
                group.addTask { await writeStatus() }
            }
        }
    }

    /// The signs of life are a commit by the ledger's writer and what gateways give: what hangs in libslurm
    /// has threads of its own.
    private func feedWatchdog() async {
        guard let interval = notifier.watchdogInterval else { return }
        await every(interval) {
            if let ledger = parts.now.ledger {
                do throws(LedgerError) {
                    try await ledger.fold(Ledger.Intake())
                } catch {
                    // A full disk is no reason to be restarted: the writer lives.
                    logger.debug("the watchdog's commit failed", metadata: ["why": "\(error)"])
                }
            }
            for module in parts.modules {
                guard let running = parts.now.gateways[module.name]?.running else { continue }
                await module.proveLife(running: running)
            }
            notifier.watchdog()
        }
    }

    private func writeStatus() async {
        var last = ""
        var rounds = 0
        var skipped = 0
        var wasStarting = true
        await every(.seconds(1)) {
            // While it starts somebody looks, and once it has; afterwards each look costs more than it tells.
            let isStarting = parts.isStarting
            guard isStarting || wasStarting || skipped >= 4 else { return skipped += 1 }
            wasStarting = isStarting
            skipped = 0
            let summary = await status.current().summary
            rounds += 1
            // Parts that are closed are no news, and the line says why. What a reload wrote there stands for a minute.
            guard summary != last || rounds % 12 == 0, !parts.now.isEnding else { return }
            notifier.status(summary)
            last = summary
        }
    }
}
