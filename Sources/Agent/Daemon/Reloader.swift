// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import Logging
internal import NIOConcurrencyHelpers
internal import ServiceLifecycle
internal import UnixSignals

/// On SIGHUP reads the configuration again: takes over what can change while the agent runs, says what cannot.
struct Reloader: Service {
    let file: String?
    let running: AgentConfiguration
    let retention: NIOLockedValueBox<Duration>
    let notifier: SystemdNotifier
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            for await _ in await UnixSignalsSequence(trapping: .sighup) {
                notifier.reloading()
                reload()
                notifier.ready(status: "configuration read again")
            }
        }
    }

    private func reload() {
        do throws(AgentConfiguration.Problem) {
            let fresh = try running.reread(file: file, environment: ProcessInfo.processInfo.environment)
            AgentLogHandler.setLevel(fresh.logLevel)
            retention.withLockedValue { $0 = fresh.retention }
            let later = running.differences(from: fresh).filter { !AgentConfiguration.reloadable.contains($0) }
            if later.isEmpty {
                logger.notice("the configuration was read again")
            } else {
                logger.warning(
                    "the configuration was read again; some of it needs a restart",
                    metadata: ["keys": "\(later.joined(separator: ","))"])
            }
        } catch {
            logger.error("the configuration stays as it is", metadata: ["why": "\(error)"])
        }
    }
}
