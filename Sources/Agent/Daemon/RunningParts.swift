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
        /// Why not.
        var slurmTrouble: String?
        var ledger: Ledger?
        var bridge: BridgeServer?
        var isListening = false
        /// nil until key and chain's ledger are open; for ever without `metascheduler.endpoint.rpc`.
        var chain: ChainParts?
        var grid: DeepSquareGateway?
        var chainTrouble: String?
        /// The newest answers of the checks.
        var findings: [Finding] = []
    }

    let startedAt = Int64(Date().timeIntervalSince1970)
    let registry = PluginRegistry()
    private let state = NIOLockedValueBox(State())

    var now: State { state.withLockedValue { $0 } }

    func change(_ body: (inout State) -> Void) { state.withLockedValue(body) }

    /// - Throws: ``ControlFailure`` with the reason why there is none yet.
    func ledger() throws(ControlFailure) -> Ledger {
        let now = now
        guard let ledger = now.ledger else {
            throw ControlFailure(description: "the agent has no ledger yet: \(now.slurmTrouble ?? "it is starting")")
        }
        return ledger
    }

    func chain() throws(ControlFailure) -> ChainParts {
        let now = now
        guard let chain = now.chain else {
            throw ControlFailure(
                description: now.chainTrouble.map { "the chain's part is not open yet: \($0)" }
                    ?? "this agent is set up without a chain: metascheduler.endpoint.rpc is not in its configuration")
        }
        return chain
    }

    func grid() throws(ControlFailure) -> DeepSquareGateway {
        let now = now
        guard let grid = now.grid else {
            throw ControlFailure(
                description: now.chainTrouble.map { "the grid's part is not open yet: \($0)" }
                    ?? "this agent is set up without a grid: metascheduler.smart-contract is not in its configuration")
        }
        return grid
    }
}
