// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc
internal import Logging
internal import Observability
internal import ServiceLifecycle
internal import UnixSignals

/// The first to hear that the agent is to end.
struct Farewell: Service {
    let parts: RunningParts
    let notifier: SystemdNotifier

    func run() async throws {
        try? await gracefulShutdown()
        parts.change { $0.isEnding = true }
        notifier.stopping()
    }
}

extension ServiceGroup {
    /// Services that end in the opposite order, each awaited before the next one is told: nobody holds what is closed.
    init(_ services: [any Service], signals: [UnixSignal] = []) {
        var configuration = ServiceGroupConfiguration(
            services: services.map { service in
                var entry = ServiceGroupConfiguration.ServiceConfiguration(service: service)
                // Else it writes the service down with all that it holds, the configuration too.
                entry.serviceName = "\(type(of: service))"
                return entry
            }, gracefulShutdownSignals: signals, logger: Logger(label: "lifecycle") { _ in SwiftLogNoOpLogHandler() })
        // Nothing is lost by ending in the middle: what hangs then is cancelled.
        if !signals.isEmpty { configuration.maximumGracefulShutdownDuration = .seconds(40) }
        self.init(configuration: configuration)
    }
}

/// Ends the process at once. Threads may be stuck in libslurm or libmunge, for ever: what libraries do at exit(3) would pull
/// their memory from under them.
func leave(_ status: Int32) -> Never {
    LogPipeline.shared.flush(atMost: 2)
    fflush(nil)
    _exit(status)
}
