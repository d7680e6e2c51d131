// SPDX-License-Identifier: GPL-3.0-or-later

public import Ethereum
internal import FoundationEssentials

/// What others have done with a provider's key lately, and what `check` asks of the grid's other side.
public struct GridProbe: Sendable {
    private let client: RPCClient
    private let contracts: GridContracts
    private let reader: ContractReader
    private let account: Address

    public struct ForeignClaim: Sendable, Hashable {
        public var transaction: Hash32
        /// Unix seconds.
        public var time: UInt64
    }

    /// Throws a `GridError` when there is no such contract, or no answer.
    public init(contract: Address, account: Address, client: RPCClient) async throws(GridError) {
        self.client = client
        self.account = account
        reader = ContractReader(client: client)
        contracts = try await GridContracts.read(contract, client: client)
    }

    /// Claims of this provider by transactions that are not the agent's, since a time (Unix seconds): another program, such as
    /// the supervisor, uses the key.
    public func foreignClaims(
        since time: UInt64, isOurs: @Sendable (Hash32) async -> Bool
    ) async throws(GridError) -> [ForeignClaim] {
        let head = try await StartBlock.head(client)
        var from = try await StartBlock.first(since: time, head: head, client: client)
        var found: [ForeignClaim] = []
        while from <= head.number {
            let to = min(head.number, from + 1999)
            for log in try await claims(from...to) {
                guard let event = try? GridEvent.read(log, of: contracts), event.provider == account,
                    await !isOurs(log.transaction)
                else { continue }
                found.append(
                    ForeignClaim(
                        transaction: log.transaction, time: try await StartBlock.time(of: log.block.number, client)))
            }
            from = to + 1
        }
        return found
    }

    private func claims(_ blocks: ClosedRange<UInt64>) async throws(GridError) -> [ChainLog] {
        let topics = [ContractABI.claimJobEvent, ContractABI.claimCancellingEvent, ContractABI.claimTopUpEvent].map(
            \.topic)
        let query: [String: JSONValue] = [
            "address": .string(contracts.metaScheduler.hex),
            "topics": .array([.array(topics.map { .string("\($0)") })]),
            "fromBlock": .string(Quantity.encode(blocks.lowerBound)),
            "toBlock": .string(Quantity.encode(blocks.upperBound)),
        ]
        do throws(RPCError) {
            return try ChainLog.readAll(try await client.call("eth_getLogs", [.object(query)]))
        } catch {
            throw GridError(.unavailable, "the chain: \(error)")
        }
    }

    /// What the chain says of the provider, in words, and whether it may work.
    public func approval() async throws(GridError) -> (words: String, isApproved: Bool) {
        let own: [ABIValue] = [.address(account)]
        let answers = try await reader.ask([
            .init(ContractABI.isValidForScheduling, own, at: contracts.providers),
            .init(ContractABI.isWaitingForApproval, own, at: contracts.providers),
            .init(ContractABI.isBanned, own, at: contracts.providers),
        ])
        var view = ProviderView()
        view.isApproved = try answers[0].get().first?.bool ?? false
        view.isWaiting = (try? answers[1].get())?.first?.bool ?? false
        view.isBanned = (try? answers[2].get())?.first?.bool ?? false
        view.wasRead = true
        return (view.words, view.isApproved)
    }

    /// The chain's clock, Unix seconds: of its newest block.
    public func time() async throws(GridError) -> UInt64 {
        try await StartBlock.head(client).timestamp
    }

    /// Fetches and signs a challenge of the sbatch service.
    public static func tryService(_ settings: GridSettings, signer: any TransactionSigner) async throws(GridError) {
        let service = try SBatchService(settings, signer: signer)
        let connection = Task { try await service.run() }
        defer {
            service.end()
            connection.cancel()
        }
        try await service.probe()
    }
}

extension GridEvent {
    fileprivate var provider: Address? {
        switch self {
        case .claimed(_, _, let provider, _, _), .cancelClaimed(_, let provider), .topUpClaimed(_, let provider, _),
            .billedTooMuch(_, let provider), .providerChanged(let provider):
            provider
        case .transition: nil
        }
    }
}
