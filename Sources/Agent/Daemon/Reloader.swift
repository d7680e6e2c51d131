// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import Logging
internal import NIOConcurrencyHelpers
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
    /// Called with what is in force after something of it was taken over.
    var onChange: @Sendable (AgentConfiguration) -> Void = { _ in }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var inForce = running
            for await _ in await UnixSignalsSequence(trapping: .sighup) {
                notifier.reloading()
                inForce = reload(inForce, environment: ProcessInfo.processInfo.environment)
            }
        }
    }

    /// - Returns: what is in force from now on.
    func reload(_ inForce: AgentConfiguration, environment: [String: String]) -> AgentConfiguration {
        let reload: Reload
        do throws(AgentConfiguration.Problem) {
            reload = Reload(running: inForce, fresh: try running.reread(file: file, environment: environment))
        } catch {
            for line in error.lines {
                logger.error("the configuration stays as it is: it cannot be used", metadata: ["why": "\(line)"])
            }
            notifier.ready(status: "the configuration stays as it is: \(error.lines.first ?? "")")
            return inForce
        }
        if !reload.taken.isEmpty {
            AgentLogHandler.setLevel(reload.configuration.logLevel)
            AgentLogHandler.setFormat(reload.configuration.logFormat.rawValue)
            retention.withLockedValue { $0 = reload.configuration.retention }
            onChange(reload.configuration)
        }
        for (level, message, metadata) in Self.report(reload) {
            logger.log(level: level, "\(message)", metadata: metadata)
        }
        notifier.ready(status: Self.status(reload))
        return reload.configuration
    }

    /// One line for each change.
    static func report(_ reload: Reload) -> [(level: Logger.Level, message: String, metadata: Logger.Metadata)] {
        let fields = { (change: Reload.Change) -> Logger.Metadata in
            ["key": "\(change.key)", "old": "\(change.old)", "new": "\(change.new)"]
        }
        guard !reload.taken.isEmpty || !reload.waiting.isEmpty else {
            return [(.notice, "the configuration was read again: nothing changed", [:])]
        }
        return reload.taken.map { (.notice, "the configuration was read again: taken over", fields($0)) }
            + reload.waiting.map { (.warning, "the configuration was read again: needs a restart", fields($0)) }
    }

    private static func status(_ reload: Reload) -> String {
        reload.waiting.isEmpty
            ? "configuration read again"
            : "configuration read again; needs a restart: "
                + reload.waiting.map(\.key).joined(separator: ", ")
    }
}
