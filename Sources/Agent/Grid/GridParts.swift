// SPDX-License-Identifier: GPL-3.0-or-later

internal import DeepSquare
internal import Ethereum
internal import JobLifecycle
internal import Logging
internal import Support

/// The DeepSquare gateway with what it reads and sends through.
struct GridParts: Sendable {
    let gateway: DeepSquareGateway
    let contracts: GridContracts

    /// nil when no contract is configured. At the very first start a node must answer.
    ///
    /// Throws a `Daemon.StartFailure` for what this host's own files say, and `Patience.Trouble` for what may change.
    static func open(
        _ configuration: AgentConfiguration, chain: ChainParts, folder: String, ledger: Ledger,
        scheduler: SlurmScheduler, logger: Logger
    ) async throws -> GridParts? {
        guard let contract = configuration.chain.contract else { return nil }
        do throws(GridError) {
            let feedName = "metascheduler \(chain.chainID) \(contract.hex)"
            let file = try await GridFile.open(
                path: folder + "/deepsquare.sqlite", contract: contract, account: chain.signer.address,
                chainID: chain.chainID, window: configuration.grid.startWindow, client: chain.client,
                onNew: { () async throws(GridError) in
                    do throws(ChainStoreError) {
                        try await chain.store.forget(feed: feedName)
                    } catch {
                        throw GridError(.storage, error.description)
                    }
                })
            var reading = LogFeed.Settings()
            reading.confirmations = configuration.chain.confirmations
            reading.firstBlock = file.firstBlock
            let wake = WakeUp()
            let feed = LogFeed(
                name: feedName, filter: file.contracts.filter,
                client: chain.client, store: chain.store, settings: reading, logger: logger,
                onNews: { wake.raise() })
            let gateway = try DeepSquareGateway(
                settings: configuration.grid, file: file, client: chain.client, manager: chain.manager, feed: feed,
                signer: chain.signer, ledger: ledger,
                cluster: SlurmGridCluster(controller: scheduler.controller, accounting: scheduler.accounting),
                wake: wake,
                logger: logger)
            chain.follow(with: .init(feed: feed, contractTouched: { gateway.headChanged() }))
            return GridParts(gateway: gateway, contracts: file.contracts)
        } catch {
            switch error.code {
            case .configuration: throw Daemon.StartFailure(exitStatus: 78, description: error.description)
            case .storage: throw Daemon.StartFailure(exitStatus: 73, description: error.description)
            case .unavailable, .reverted, .malformed, .wrongContract:
                throw Patience.Trouble(description: error.description)
            }
        }
    }
}
