// SPDX-License-Identifier: GPL-3.0-or-later

internal import DeepSquare
internal import JobLifecycle
internal import Logging
internal import ServiceLifecycle
internal import Support

/// Everything that needs a key and a chain: opens it when both are there, and runs it. Until then the ledger keeps what there
/// is to report, and Slurm's jobs are followed all the same.
struct GridPart: Service {
    static let gatewayName = GridFile.gatewayName

    let configuration: AgentConfiguration
    let folder: String
    let parts: RunningParts
    let ledger: Ledger
    let scheduler: SlurmScheduler
    let logger: Logger

    func run() async throws {
        guard let access = try await patiently({ try await ChainAccess.open(configuration.chain, logger: logger) })
        else { return }
        do {
            if let chain = try await patiently({ try await openChain(access) }) {
                defer { chain.close() }
                if let grid = try await patiently({ try await openGrid(chain) }) {
                    defer { grid?.gateway.close() }
                    try await serve(chain, grid)
                }
            }
        } catch {
            await access.close()
            throw error
        }
        await access.close()
    }

    private func serve(_ chain: ChainParts, _ grid: GridParts?) async throws {
        parts.change {
            $0.chain = chain
            $0.grid = grid?.gateway
            $0.contracts = grid?.contracts
            $0.chainTrouble = nil
        }
        // Read again since it was opened.
        if let changed = parts.now.configuration { await grid?.gateway.change(changed.grid) }
        var services = chain.services(configuration.chain, logger: logger)
        if let grid {
            services += [grid.state, grid.gateway, OutboxRunner(ledger: ledger, gateway: grid.gateway, logger: logger)]
        }
        // Nobody finds what is about to be closed.
        defer {
            parts.change {
                $0.chain = nil
                $0.grid = nil
            }
        }
        try await ServiceGroup(services).run()
    }

    // MARK: opening

    /// nil: the agent is to end.
    private func patiently<Part: Sendable>(_ open: @Sendable @escaping () async throws -> Part) async throws -> Part? {
        try await Patience(retry: RetryPolicy(first: .milliseconds(500), ceiling: .seconds(30))).open(
            waiting: { trouble in
                let words = trouble.description
                parts.change { $0.chainTrouble = trouble }
                logger.error("the chain's part cannot be opened yet", metadata: ["why": "\(words)"])
            }, open)
    }

    private func openChain(_ access: ChainAccess) async throws -> ChainParts {
        try await ChainParts.open(configuration.chain, access: access, folder: folder, logger: logger)
    }

    /// Without a contract there is a chain and no grid.
    private func openGrid(_ chain: ChainParts) async throws -> GridParts? {
        try await GridParts.open(
            configuration, chain: chain, folder: folder, ledger: ledger, scheduler: scheduler, logger: logger)
    }
}
