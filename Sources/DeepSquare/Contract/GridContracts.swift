// SPDX-License-Identifier: GPL-3.0-or-later

public import Ethereum

/// The addresses of the grid's contracts: one is configured, the others are its constructor's, read once.
public struct GridContracts: Sendable, Hashable {
    public var metaScheduler: Address
    public var jobs: Address
    public var providers: Address
    public var queues: Address
    public var credit: Address
    public var constants: Address

    /// All that the log feed reads.
    public var filter: LogFilter {
        LogFilter(contracts: [metaScheduler, jobs, providers], events: ContractABI.events.map(\.topic))
    }

    /// Asks the MetaScheduler. Throws a `GridError` that tells what to do when there is no such contract.
    public static func read(_ metaScheduler: Address, client: RPCClient) async throws(GridError) -> GridContracts {
        let reader = ContractReader(client: client)
        let functions = [
            ContractABI.jobs, ContractABI.providerManager, ContractABI.providerJobQueues, ContractABI.credit,
            ContractABI.constants,
        ]
        let answers = try await reader.ask(functions.map { .init($0, [], at: metaScheduler) })
        var addresses: [Address] = []
        for (function, answer) in zip(functions, answers) {
            guard let address = try? answer.get().first?.address, address != .zero else {
                throw GridError(
                    .wrongContract,
                    "\(metaScheduler) is no MetaScheduler contract of this chain (\(function.signature) gives no address): "
                        + "correct metascheduler.smart-contract, or metascheduler.endpoint.rpc")
            }
            addresses.append(address)
        }
        return GridContracts(
            metaScheduler: metaScheduler, jobs: addresses[0], providers: addresses[1], queues: addresses[2],
            credit: addresses[3], constants: addresses[4])
    }
}
