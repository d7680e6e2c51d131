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

        public init(transaction: Hash32, time: UInt64) {
            self.transaction = transaction
            self.time = time
        }
    }

    /// Throws a `GridError` when there is no such contract, or no answer.
    /// - Parameter known: the contracts of an agent that runs, which has read them.
    public init(
        contract: Address, known: GridContracts? = nil, account: Address, client: RPCClient
    ) async throws(GridError) {
        self.client = client
        self.account = account
        reader = ContractReader(client: client)
        if let known, known.metaScheduler == contract {
            contracts = known
        } else {
            contracts = try await GridContracts.read(contract, client: client)
        }
    }

    /// What was found of others, and how far back was looked.
    public struct ForeignClaims: Sendable {
        public var claims: [ForeignClaim] = []
        /// Unix seconds.
        public var since: UInt64
    }

    /// How many ranges of blocks a check asks a node for: enough for an hour of blocks of two seconds in ranges of ten.
    private static let requests = 180
    /// Of as many foreign claims the time is asked for.
    private static let examples = 16

    /// Claims of this provider by transactions that are not the agent's, since a time (Unix seconds): another program, such as
    /// the supervisor, uses the key. Looks less far back where a node gives the logs of few blocks at once.
    public func foreignClaims(
        since time: UInt64, isOurs: @Sendable (Hash32) async -> Bool
    ) async throws(GridError) -> ForeignClaims {
        let head = try await StartBlock.head(client)
        let first = try await StartBlock.first(since: time, head: head, client: client)
        let topics = [ContractABI.claimJobEvent, ContractABI.claimCancellingEvent, ContractABI.claimTopUpEvent].map(
            \.topic)
        let search = LogSearch(client: client, filter: LogFilter(contracts: [contracts.metaScheduler], events: topics))
        let found: LogSearch.Found
        do throws(RPCError) {
            found = try await search.logs(in: min(first, head.number)...head.number, requests: Self.requests)
        } catch {
            throw GridError(.unavailable, "the chain: \(error)")
        }
        var foreign: [ChainLog] = []
        for log in found.logs.sorted(by: { $0.block.number > $1.block.number }) where foreign.count < Self.examples {
            guard let event = try? GridEvent.read(log, of: contracts), event.provider == account,
                await !isOurs(log.transaction)
            else { continue }
            foreign.append(log)
        }
        let times = try await StartBlock.times(of: Set(foreign.map(\.block.number) + [found.from]), client)
        return ForeignClaims(
            claims: foreign.map {
                ForeignClaim(transaction: $0.transaction, time: times[$0.block.number] ?? head.timestamp)
            },
            since: found.from <= first ? time : times[found.from] ?? head.timestamp)
    }

    /// What the chain says of the provider. Whether an agent is about to register it is not known here.
    public func standing() async throws(GridError) -> ProviderStanding {
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
        return view.standing(isSent: false, isComing: false)
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
