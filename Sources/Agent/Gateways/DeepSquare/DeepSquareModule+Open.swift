// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import DeepSquare
internal import JobLifecycle
internal import ServiceLifecycle

/// What needs a key and a chain, when both are there. Until then the ledger keeps what there is to report, and Slurm's jobs are
/// followed all the same.
struct DeepSquareRunning: Sendable {
    let chain: ChainParts
    /// nil: there is a chain and no contract.
    let grid: GridParts?
}

extension DeepSquareModule {
    func open(_ context: GatewayContext) async throws -> OpenGateway? {
        guard let slurm = context.slurm else { throw Patience.Trouble(description: "there is no binding to Slurm") }
        let settings = context.configuration.chain
        let access = try await context.patiently {
            try await context.memory.keep({
                try await ChainAccess.open(settings, logger: context.logger)
            }) { await $0.close() }
        }
        guard let access else { return nil }
        let opened = try await context.patiently {
            try await ChainParts.open(
                settings, access: access, folder: context.folder, clock: context.ledger.clock, logger: context.logger)
        }
        guard let chain = opened else { return nil }
        do {
            let grid = try await context.patiently {
                try await GridParts.open(
                    context.configuration, chain: chain, folder: context.folder, ledger: context.ledger,
                    scheduler: slurm, labels: context.labels, logger: context.logger)
            }
            guard let grid else {
                chain.close()
                return nil
            }
            return open(DeepSquareRunning(chain: chain, grid: grid), context)
        } catch {
            chain.close()
            throw error
        }
    }

    private func open(_ running: DeepSquareRunning, _ context: GatewayContext) -> OpenGateway {
        let (chain, grid) = (running.chain, running.grid)
        var services = chain.services(context.configuration.chain, logger: context.logger)
        if let grid { services += [grid.state, grid.gateway] }
        return OpenGateway(
            running: running, services: services, consumer: grid?.gateway,
            close: {
                grid?.gateway.close()
                chain.close()
            })
    }

    func take(_ configuration: AgentConfiguration, running: any Sendable) async {
        await (running as? DeepSquareRunning)?.grid?.gateway.change(configuration.grid)
    }

    func proveLife(running: any Sendable) async {
        _ = await (running as? DeepSquareRunning)?.chain.manager.status
    }
}

extension RunningParts.State {
    private var deepSquare: DeepSquareRunning? { gateways[DeepSquareModule.name]?.running as? DeepSquareRunning }

    /// nil until key and chain's ledger are open; for ever without `metascheduler.endpoint.rpc`.
    var chain: ChainParts? { deepSquare?.chain }
    var grid: DeepSquareGateway? { deepSquare?.grid?.gateway }
    var contracts: GridContracts? { deepSquare?.grid?.contracts }

    var chainTrouble: Patience.Trouble? {
        get { gateways[DeepSquareModule.name]?.trouble }
        set { gateways[DeepSquareModule.name, default: .init()].trouble = newValue }
    }
}

extension RunningParts {
    func chain() async throws(ControlFailure) -> ChainParts {
        guard !configuration.chain.nodes.isEmpty else {
            throw ControlFailure(
                description: configured()?.chain.nodes.isEmpty == false
                    ? Self.staleConfiguration
                    : "this agent is set up without a chain: metascheduler.endpoint.rpc is not in its configuration")
        }
        return try await running(DeepSquareModule(), "chain's part") { ($0 as? DeepSquareRunning)?.chain }
    }

    func grid() async throws(ControlFailure) -> DeepSquareGateway {
        guard configuration.chain.contract != nil else {
            throw ControlFailure(
                description: configured()?.chain.contract != nil
                    ? Self.staleConfiguration
                    : "this agent is set up without a grid: metascheduler.smart-contract is not in its configuration")
        }
        return try await running(DeepSquareModule(), "grid's part") { ($0 as? DeepSquareRunning)?.grid?.gateway }
    }
}
