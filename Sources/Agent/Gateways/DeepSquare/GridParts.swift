// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import DeepSquare
internal import Ethereum
internal import JobLifecycle
internal import Logging
internal import SlurmAdapter
internal import Support

/// The DeepSquare gateway with what it reads and sends through.
struct GridParts: Sendable {
    let gateway: DeepSquareGateway
    let contracts: GridContracts
    let state: StateFiles

    /// nil when no contract is configured. At the very first start a node must answer.
    ///
    /// Throws a `Daemon.StartFailure` for what is in this host's own files, and `Patience.Trouble` for what may change.
    static func open(
        _ configuration: AgentConfiguration, chain: ChainParts, folder: String, ledger: Ledger,
        scheduler: SlurmScheduler, labels: @escaping @Sendable ([String: String]) async -> [String: String],
        logger: Logger
    ) async throws -> GridParts? {
        guard let contract = configuration.chain.contract else { return nil }
        do {
            let feedName = "metascheduler \(chain.chainID) \(contract.hex)"
            var file = try await GridFile.open(
                path: folder + "/deepsquare.sqlite", contract: contract, account: chain.signer.address,
                chainID: chain.chainID, window: configuration.grid.startWindow, client: chain.client,
                onSetAside: { aside, reason in
                    logger.error(
                        "deepsquare.sqlite was damaged: it is kept aside, a new one is made from the chain, the ledger and Slurm",
                        metadata: ["aside": "\(aside)", "why": "\(reason)"])
                },
                onNew: { () async throws(GridError) in
                    do throws(ChainStoreError) {
                        try await chain.store.forget(feed: feedName)
                    } catch {
                        throw GridError(.storage, error.description)
                    }
                })
            let state = try await StateFiles(
                ledger: ledger, chain: chain, feed: feedName, file: &file, logger: logger)
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
                logger: logger, labels: labels)
            chain.follow(with: .init(feed: feed, contractTouched: { gateway.headChanged() }))
            return GridParts(gateway: gateway, contracts: file.contracts, state: state)
        } catch let error as LedgerError {
            throw error.whenOpening
        } catch let error as ChainStoreError {
            throw error.whenOpening
        } catch let error as GridError {
            throw error.whenOpening
        }
    }
}
