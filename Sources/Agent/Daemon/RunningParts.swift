// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import Foundation
internal import JobLifecycle
internal import NIOConcurrencyHelpers
internal import SlurmAdapter
internal import SpankBridge

/// What of the agent is open by now. Slurm and the chain may keep it waiting for as long as they like: whoever answers an
/// administrator looks here.
final class RunningParts: Sendable {
    struct State: Sendable {
        /// nil until slurm.conf could be read.
        var scheduler: SlurmScheduler?
        /// slurmctld's, once it has answered.
        var slurmVersion: String?
        /// Why not.
        var slurmTrouble: Patience.Trouble?
        var ledger: Ledger?
        var bridge: BridgeServer?
        var isListening = false
        /// By name, those that are open or say why they are not.
        var gateways: [String: GatewayState] = [:]
        /// By the key that names it, why nobody can come in at a door.
        var doors: [String: String] = [:]
        /// The keys of those at which it listens.
        var openDoors: Set<String> = []
        /// The newest answers of the checks; empty until all has been looked at once.
        var findings: [Finding] = []
        /// Why the state folder's disk cannot be written.
        var storageTrouble: String?
        /// What is in force since a reload that changed something.
        var configuration: AgentConfiguration?
        /// What is closed is not opened any more.
        var isEnding = false
    }

    struct GatewayState: Sendable {
        /// What it opened; nil until it is open.
        var running: (any Sendable)?
        /// Why not.
        var trouble: Patience.Trouble?
    }

    let startedAt = Int64(Date().timeIntervalSince1970)
    let registry = PluginRegistry()
    let nodeReports = NodeReports()
    let modules: [any GatewayModule]
    let answers: GatewayAnswers
    /// What the agent was started with.
    let configuration: AgentConfiguration
    /// What the configuration's file says now, which may be more than the agent was started with; nil: the file has not been
    /// touched since. Throws when no agent could be started with it.
    let reread: @Sendable () throws(AgentConfiguration.Problem) -> AgentConfiguration?
    private let state = NIOLockedValueBox(State())
    /// How long a question waits for a part that is being opened: somebody has just started the agent.
    private let patience: Duration

    init(
        _ configuration: AgentConfiguration = AgentConfiguration(), modules: [any GatewayModule] = Gateways.all,
        patience: Duration = .seconds(10), answers: GatewayAnswers = GatewayAnswers(),
        configured: @escaping @Sendable () throws(AgentConfiguration.Problem) -> AgentConfiguration? = { nil }
    ) {
        self.configuration = configuration
        self.modules = modules
        self.answers = answers
        reread = configured
        self.patience = patience
    }

    var now: State { state.withLockedValue { $0 } }

    /// As `reread`; nil also of a file that cannot be used.
    func configured() -> AgentConfiguration? { try? reread() }

    func change(_ body: (inout State) -> Void) { state.withLockedValue(body) }

    /// What was read again is in force.
    func take(_ configuration: AgentConfiguration) async {
        change { $0.configuration = configuration }
        let gateways = now.gateways
        _ = await answers.all(modules, "reload", within: .seconds(30)) { module in
            if let running = gateways[module.name]?.running { await module.take(configuration, running: running) }
        }
    }

    /// Labels that are configured, with what gateways know of them; one that does not answer knows nothing.
    func labels(_ configured: [String: String]) async -> [String: String] {
        var labels = configured
        for module in modules {
            guard let running = now.gateways[module.name]?.running else { continue }
            let before = labels
            labels =
                await answers.ask("\(module.name) labels", within: .seconds(5)) { [configuration] in
                    await module.labels(before, configuration, running: running)
                } ?? before
        }
        return labels
    }

    /// When labels were measured; of a gateway that does not answer nothing is known.
    func labelTimes() async -> [String: LabelTime] {
        var times: [String: LabelTime] = [:]
        for module in modules {
            guard let running = now.gateways[module.name]?.running else { continue }
            let found = await answers.ask("\(module.name) labels", within: .seconds(5)) {
                await module.labelTimes(running: running)
            }
            // As with their values.
            times.merge(found ?? [:]) { _, last in last }
        }
        return times
    }

    /// - Parameters:
    ///   - key: of the configuration.
    ///   - why: nil: it is open.
    func door(_ key: String, _ why: String?) {
        change { state in
            state.doors[key] = why
            if why == nil { state.openDoors.insert(key) } else { state.openDoors.remove(key) }
        }
    }

    /// Beside the names of parts: the first answers of the checks.
    static let firstLook = "the first look at all parts"
    static let slurm = "slurm.conf and the ledger"

    /// What is configured and not open, whether something keeps it from that or not.
    var unopened: [String] {
        let now = now
        var names: [String] = []
        if now.ledger == nil { names.append(Self.slurm) }
        return names + modules.flatMap { $0.unopened(now, configuration) }
    }

    /// What is being opened for the first time: after a start, until all that is configured is there or its trouble is known.
    var awaited: [String] {
        let now = now
        // What waits for Slurm has its reason there, and all else waits for that.
        guard !now.isEnding, now.slurmTrouble == nil else { return [] }
        var names = now.ledger == nil ? [Self.slurm] : []
        for module in modules where now.gateways[module.name]?.trouble == nil {
            names += module.unopened(now, configuration)
        }
        return names + (now.findings.isEmpty ? [Self.firstLook] : [])
    }

    /// Whether an agent without it has nobody to work for.
    var hasUpstream: Bool { hasUpstream(in: configuration) }

    func hasUpstream(in configuration: AgentConfiguration) -> Bool {
        modules.contains { $0.isUpstream && $0.isConfigured(in: configuration) }
    }

    /// Something is awaited, and nothing is known that keeps it away.
    var isStarting: Bool {
        let now = now
        return !awaited.isEmpty || (now.slurmTrouble == nil && !now.isListening)
    }

    func ledger() async throws(ControlFailure) -> Ledger {
        try await part("ledger", \.ledger) { $0.slurmTrouble }
    }

    static let staleConfiguration =
        "the agent was started before that was configured: systemctl restart slurm-grid-agent"

    /// What a module opened, or some of it; waits a while for one that is being opened.
    ///
    /// - Parameters:
    ///   - what: how it is called: `the WHAT is not open yet`.
    ///   - find: nil: it is not open.
    func running<Part>(
        _ module: any GatewayModule, _ what: String, _ find: (any Sendable) -> Part?
    ) async throws(ControlFailure) -> Part {
        let name = module.name
        return try await wait(what, { $0.gateways[name]?.running.flatMap(find) }) {
            $0.gateways[name]?.trouble ?? $0.slurmTrouble
        }
    }

    private func part<Part>(
        _ name: String, _ path: KeyPath<State, Part?>, trouble: (State) -> Patience.Trouble?
    ) async throws(ControlFailure) -> Part {
        try await wait(name, { $0[keyPath: path] }, trouble: trouble)
    }

    private func wait<Part>(
        _ name: String, _ find: (State) -> Part?, trouble: (State) -> Patience.Trouble?
    ) async throws(ControlFailure) -> Part {
        let end = ContinuousClock.now + patience
        while true {
            let now = now
            if let part = find(now) { return part }
            guard !now.isEnding else { throw ControlFailure(description: "the agent is ending") }
            let trouble = trouble(now)
            guard trouble == nil, ContinuousClock.now < end, !Task.isCancelled else {
                throw ControlFailure(
                    description: "the \(name) is not open yet: \(trouble?.description ?? "the agent is starting")")
            }
            try? await Task.sleep(for: .milliseconds(20))
        }
    }
}
