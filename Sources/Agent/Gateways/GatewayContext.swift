// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import JobLifecycle
internal import Logging
internal import ServiceLifecycle
internal import SlurmAdapter
internal import Support

/// What the agent offers a gateway that is being opened. Valid until its services have ended.
struct GatewayContext: Sendable {
    /// What the agent was started with; what a reload changed comes by `GatewayModule.take`.
    let configuration: AgentConfiguration
    /// The state folder, of mode 0700. A module's file there is `NAME.sqlite`, opened through `Persistence`.
    let folder: String
    /// Takes submissions, knows jobs, runs and transitions.
    let ledger: Ledger
    /// Slurm as the core asks it. Calls have deadlines, and threads of their own.
    let scheduler: any Scheduler
    /// The binding to libslurm, for what the core does not ask: partitions, nodes, accounting. nil: there is none, in a test.
    let slurm: SlurmScheduler?
    /// What nodes say of jobs' cores and GPUs.
    var nodeReports = NodeReports()
    let logger: Logger
    /// Keeps what is opened once a process, from one opening to the next.
    let memory: GatewayMemory
    /// The labels of an offer, by name: those that are configured, and what other gateways have of them.
    let labels: @Sendable ([String: String]) async -> [String: String]
    /// Says why the gateway is not open: shown until it is.
    let notReady: @Sendable (Patience.Trouble) -> Void

    /// Tries until it works; each failure is told.
    ///
    /// - Returns: nil when the agent is to end first.
    /// - Throws: every error of `open` but `Patience.Trouble`.
    func patiently<Part: Sendable>(
        _ retry: RetryPolicy = GatewayContext.retry, _ open: @Sendable @escaping () async throws -> Part
    ) async throws -> Part? {
        try await Patience(retry: retry).open(waiting: notReady, open)
    }

    static let retry = RetryPolicy(first: .milliseconds(500), ceiling: .seconds(30))
}

/// A gateway that is open.
struct OpenGateway: Sendable {
    /// What checks, status, metrics and commands find under `RunningParts.State.running`.
    var running: any Sendable
    /// Run until the agent ends, and ended in the opposite order. One that throws ends them all: the gateway is opened again.
    var services: [any Service] = []
    /// Told of transitions, after them and by a task of its own; bears the module's name.
    var consumer: (any Gateway)?
    /// After all of it has ended.
    var close: @Sendable () async -> Void = {}
}
