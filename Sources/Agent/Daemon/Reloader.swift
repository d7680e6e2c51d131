// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import FoundationEssentials
internal import Logging
internal import NIOConcurrencyHelpers
internal import Observability
internal import ServiceLifecycle
internal import UnixSignals

/// On SIGHUP reads the configuration again: takes over what can change while the agent runs, says what cannot. Of a
/// configuration that cannot be used nothing is taken.
struct Reloader: Service {
    let file: String?
    /// What the agent was started with.
    let running: AgentConfiguration
    let retention: NIOLockedValueBox<Duration>
    let notifier: SystemdNotifier
    let logger: Logger
    /// Gets what is in force from now on, when something has changed.
    var take: @Sendable (AgentConfiguration) async -> Void = { _ in }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var inForce = running
            for await _ in await UnixSignalsSequence(trapping: .sighup) {
                notifier.reloading()
                inForce = await reload(inForce, environment: ProcessInfo.processInfo.environment)
            }
        }
    }

    /// - Returns: what is in force from now on.
    func reload(_ inForce: AgentConfiguration, environment: [String: String]) async -> AgentConfiguration {
        let reload: Reload
        do throws(AgentConfiguration.Problem) {
            reload = Reload(running: inForce, fresh: try running.reread(file: file, environment: environment))
        } catch {
            for line in error.lines { logger.error("the configuration cannot be used: \(line)") }
            // An error that was told a moment ago is held back, a notice is not: who asks again gets an answer.
            let first = error.lines.first ?? "it cannot be used"
            logger.notice("the configuration was read again: all stays as it is", metadata: ["why": "\(first)"])
            notifier.ready(status: "the configuration stays as it is: \(first)")
            return inForce
        }
        AgentLogHandler.setLevel(reload.configuration.logLevel)
        AgentLogHandler.setFormat(reload.configuration.logFormat.rawValue)
        retention.withLockedValue { $0 = reload.configuration.retention }
        if !reload.taken.isEmpty { await take(reload.configuration) }
        tell(reload)
        return reload.configuration
    }

    /// A line for each change. The key is a part of the message, as the same warning is not repeated within a minute; the last
    /// line comes each time.
    private func tell(_ reload: Reload) {
        for change in reload.taken {
            logger.notice("\(change.key) was taken over", metadata: Self.fields(change))
        }
        for change in reload.waiting {
            logger.warning("\(change.key) changed and needs a restart", metadata: Self.fields(change))
        }
        guard !reload.taken.isEmpty || !reload.waiting.isEmpty else {
            logger.notice("the configuration was read again: nothing changed")
            return notifier.ready(status: "configuration read again: nothing changed")
        }
        let taken = reload.taken.map(\.key).joined(separator: ", ")
        let later = reload.waiting.map(\.key).joined(separator: ", ")
        if later.isEmpty {
            logger.notice("the configuration was read again", metadata: ["keys": "\(taken)"])
        } else {
            logger.notice(
                "the configuration was read again; some of it needs a restart", metadata: ["keys": "\(later)"])
        }
        notifier.ready(status: "configuration read again" + (later.isEmpty ? "" : "; needs a restart: \(later)"))
    }

    private static func fields(_ change: Reload.Change) -> Logger.Metadata {
        ["old": "\(change.old)", "value": "\(change.new)"]
    }
}
