// SPDX-License-Identifier: GPL-3.0-or-later

internal import DeepSquare
internal import Foundation
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
        var chainTrouble: Patience.Trouble?
        /// By the key that names it, why nobody can come in at a door.
        var doors: [String: String] = [:]
        /// The newest answers of the checks.
        var findings: [Finding] = []
        /// What is closed is not opened any more.
        var isEnding = false
    }

    let startedAt = Int64(Date().timeIntervalSince1970)
    let registry = PluginRegistry()
    private let hasChain: Bool
    private let hasGrid: Bool
    private let state = NIOLockedValueBox(State())
    /// How long a question waits for a part that is being opened: somebody has just started the agent.
    private let patience: Duration

    init(_ settings: ChainSettings = ChainSettings(), patience: Duration = .seconds(10)) {
        hasChain = !settings.nodes.isEmpty
        hasGrid = settings.contract != nil
        self.patience = patience
    }

    var now: State { state.withLockedValue { $0 } }

    func change(_ body: (inout State) -> Void) { state.withLockedValue(body) }

    /// - Parameters:
    ///   - key: of the configuration.
    ///   - why: nil: it is open.
    func door(_ key: String, _ why: String?) { change { $0.doors[key] = why } }

    func ledger() async throws(ControlFailure) -> Ledger {
        try await part("ledger", \.ledger) { $0.slurmTrouble }
    }

    func chain() async throws(ControlFailure) -> ChainParts {
        guard hasChain else {
            throw ControlFailure(
                description:
                    "this agent is set up without a chain: metascheduler.endpoint.rpc is not in its configuration")
        }
        return try await part("chain's part", \.chain) { $0.chainTrouble ?? $0.slurmTrouble }
    }

    func grid() async throws(ControlFailure) -> DeepSquareGateway {
        guard hasGrid else {
            throw ControlFailure(
                description:
                    "this agent is set up without a grid: metascheduler.smart-contract is not in its configuration")
        }
        return try await part("grid's part", \.grid) { $0.chainTrouble ?? $0.slurmTrouble }
    }

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
