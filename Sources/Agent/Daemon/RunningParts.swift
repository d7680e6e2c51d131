// SPDX-License-Identifier: GPL-3.0-or-later

internal import DeepSquare
internal import Foundation
internal import Jarvice
internal import JobLifecycle
internal import NIOConcurrencyHelpers
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
        /// nil until key and chain's ledger are open; for ever without `metascheduler.endpoint.rpc`.
        var chain: ChainParts?
        var grid: DeepSquareGateway?
        var contracts: GridContracts?
        /// nil until it is open; for ever without `jarvice.listen` and `jarvice.listen-socket`.
        var jarvice: JarviceGateway?
        var chainTrouble: Patience.Trouble?
        /// By the key that names it, why nobody can come in at a door.
        var doors: [String: String] = [:]
        /// The newest answers of the checks; empty until all has been looked at once.
        var findings: [Finding] = []
        /// Why the state folder's disk cannot be written.
        var storageTrouble: String?
        /// What is in force since a reload that changed something.
        var configuration: AgentConfiguration?
        /// What is closed is not opened any more.
        var isEnding = false
    }

    let startedAt = Int64(Date().timeIntervalSince1970)
    let registry = PluginRegistry()
    /// What is configured.
    let hasChain: Bool
    let hasGrid: Bool
    let jarviceConfiguration: JarviceConfiguration
    /// What the configuration's file says now, which may be more than the agent was started with; nil: not known.
    private let configured: @Sendable () -> ChainSettings?
    private let state = NIOLockedValueBox(State())
    /// How long a question waits for a part that is being opened: somebody has just started the agent.
    private let patience: Duration

    init(
        _ settings: ChainSettings = ChainSettings(), jarvice: JarviceConfiguration = JarviceConfiguration(),
        patience: Duration = .seconds(10),
        configured: @escaping @Sendable () -> ChainSettings? = { nil }
    ) {
        self.configured = configured
        hasChain = !settings.nodes.isEmpty
        hasGrid = settings.contract != nil
        jarviceConfiguration = jarvice
        self.patience = patience
    }

    var now: State { state.withLockedValue { $0 } }

    func change(_ body: (inout State) -> Void) { state.withLockedValue(body) }

    /// What was read again is in force.
    func take(_ configuration: AgentConfiguration) async {
        change { $0.configuration = configuration }
        await now.grid?.change(configuration.grid)
    }

    /// - Parameters:
    ///   - key: of the configuration.
    ///   - why: nil: it is open.
    func door(_ key: String, _ why: String?) { change { $0.doors[key] = why } }

    /// Beside the names of parts: the first answers of the checks.
    static let firstLook = "the first look at all parts"
    static let slurm = "slurm.conf and the ledger"

    /// What is configured and not open, whether something keeps it from that or not.
    var unopened: [String] {
        let now = now
        var names: [String] = []
        if now.ledger == nil { names.append(Self.slurm) }
        if hasChain, now.chain == nil { names.append("chain") }
        if hasChain, hasGrid, now.grid == nil { names.append("grid") }
        return names
    }

    /// What is being opened for the first time: after a start, until all that is configured is there or its trouble is known.
    var awaited: [String] {
        let now = now
        // What waits for Slurm has its reason there, and all else waits for that.
        guard !now.isEnding, now.slurmTrouble == nil else { return [] }
        var names = unopened
        if now.chainTrouble != nil { names.removeAll { $0 != Self.slurm } }
        return names + (now.findings.isEmpty ? [Self.firstLook] : [])
    }

    func ledger() async throws(ControlFailure) -> Ledger {
        try await part("ledger", \.ledger) { $0.slurmTrouble }
    }

    func chain() async throws(ControlFailure) -> ChainParts {
        guard hasChain else {
            throw ControlFailure(
                description: configured()?.nodes.isEmpty == false
                    ? Self.staleConfiguration
                    : "this agent is set up without a chain: metascheduler.endpoint.rpc is not in its configuration")
        }
        return try await part("chain's part", \.chain) { $0.chainTrouble ?? $0.slurmTrouble }
    }

    func grid() async throws(ControlFailure) -> DeepSquareGateway {
        guard hasGrid else {
            throw ControlFailure(
                description: configured()?.contract != nil
                    ? Self.staleConfiguration
                    : "this agent is set up without a grid: metascheduler.smart-contract is not in its configuration")
        }
        return try await part("grid's part", \.grid) { $0.chainTrouble ?? $0.slurmTrouble }
    }

    private static let staleConfiguration =
        "the agent was started before that was configured: systemctl restart slurm-grid-agent"

    private func part<Part>(
        _ name: String, _ path: KeyPath<State, Part?>, trouble: (State) -> Patience.Trouble?
    ) async throws(ControlFailure) -> Part {
        let end = ContinuousClock.now + patience
        while true {
            let now = now
            if let part = now[keyPath: path] { return part }
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
