// SPDX-License-Identifier: GPL-3.0-or-later

public import Ethereum
public import FoundationEssentials

/// The gateway's file, opened and bound to its contract, with what must be known before the log feed starts.
public struct GridFile: Sendable {
    /// The gateway's name in the ledger.
    public static let gatewayName = "deepsquare"

    public let contracts: GridContracts
    /// Where the feed begins when it has no cursor yet.
    public let firstBlock: UInt64?
    let store: GridStore
    let examinedBlocks: UInt64

    /// Opens the file; at the very first start it asks a node for the contracts' addresses and for the block to begin with.
    ///
    /// Throws `configuration` when the file is another contract's or account's and has open claims.
    /// - Parameter onNew: called before the file takes its first binding: what was read of the logs before is not in it.
    public static func open(
        path: String, contract: Address, account: Address, chainID: UInt64, window: Duration, client: RPCClient,
        now: Date = Date(), onNew: () async throws(GridError) -> Void = {}
    ) async throws(GridError) -> GridFile {
        let store = try GridStore(path: path)
        let binding = "\(chainID) \(contract.hex) \(account.hex)"
        let bound = try await store.value("binding")
        if let bound, bound != binding {
            guard try await store.openClaims().isEmpty else {
                throw GridError(
                    .configuration,
                    "\(path) has open jobs of \(bound) (chain, contract, account), the configuration names \(binding): "
                        + "finish them with the old settings first")
            }
            try await store.forgetBinding()
        }
        let contracts: GridContracts
        if bound == binding, let known = try await store.value("contracts"), let read = decode(known) {
            contracts = read
        } else {
            contracts = try await GridContracts.read(contract, client: client)
        }
        if bound != binding {
            let head = try await StartBlock.head(client)
            let begin = try await StartBlock.first(
                since: UInt64(max(0, now.timeIntervalSince1970 - window / .seconds(1))), head: head, client: client)
            try await onNew()
            try await store.set("examined", "\(head.number)")
            try await store.set("first", "\(begin)")
            try await store.set("contracts", encode(contracts))
            try await store.set("binding", binding)
        }
        let first = try await store.value("first").flatMap { UInt64($0) }
        let examined = try await store.value("examined").flatMap { UInt64($0) } ?? 0
        return GridFile(contracts: contracts, firstBlock: first, store: store, examinedBlocks: examined)
    }

    private static func encode(_ contracts: GridContracts) -> String {
        [
            contracts.metaScheduler, contracts.jobs, contracts.providers, contracts.queues, contracts.credit,
            contracts.constants,
        ].map(\.hex).joined(separator: " ")
    }

    private static func decode(_ text: String) -> GridContracts? {
        let parts = text.split(separator: " ").compactMap { Address(hex: $0) }
        guard parts.count == 6 else { return nil }
        return GridContracts(
            metaScheduler: parts[0], jobs: parts[1], providers: parts[2], queues: parts[3], credit: parts[4],
            constants: parts[5])
    }
}
