// SPDX-License-Identifier: GPL-3.0-or-later

public import Ethereum
public import FoundationEssentials

/// The gateway's file, opened and bound to its contract, with what must be known before the log feed starts.
public struct GridFile: Sendable {
    /// The gateway's name in the ledger.
    public static let gatewayName = "deepsquare"

    public let contracts: GridContracts
    /// Where the feed begins when it has no cursor; nil: it has one.
    public let firstBlock: UInt64?
    let store: GridStore
    let examinedBlocks: UInt64

    /// Opens the file; at the very first start it asks a node for the contracts' addresses and for the block to begin with.
    ///
    /// Throws `configuration` when the file is another contract's or account's and has open claims.
    public static func open(
        path: String, contract: Address, account: Address, chainID: UInt64, window: Duration, client: RPCClient,
        now: Date = Date()
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
        var first: UInt64?
        if bound != binding {
            let head = try await StartBlock.head(client)
            let begin = try await StartBlock.first(
                since: UInt64(max(0, now.timeIntervalSince1970 - window / .seconds(1))), head: head, client: client)
            try await store.set("examined", "\(head.number)")
            try await store.set("first", "\(begin)")
            try await store.set("contracts", encode(contracts))
            try await store.set("binding", binding)
        }
        first = try await store.value("first").flatMap { UInt64($0) }
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

/// Finds blocks by their time.
enum StartBlock {
    static func head(_ client: RPCClient) async throws(GridError) -> BlockHeader {
        try await header(.string("latest"), client)
    }

    /// The first block at or after a time (Unix seconds).
    static func first(since time: UInt64, head: BlockHeader, client: RPCClient) async throws(GridError) -> UInt64 {
        var low: UInt64 = 0
        var high = head.number
        while low < high {
            let middle = low + (high - low) / 2
            if try await header(.string(Quantity.encode(middle)), client).timestamp < time {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }

    static func time(of block: UInt64, _ client: RPCClient) async throws(GridError) -> UInt64 {
        try await header(.string(Quantity.encode(block)), client).timestamp
    }

    private static func header(_ tag: JSONValue, _ client: RPCClient) async throws(GridError) -> BlockHeader {
        do throws(RPCError) {
            return try BlockHeader(try await client.call("eth_getBlockByNumber", [tag, .bool(false)]))
        } catch {
            throw GridError(.unavailable, "the chain: \(error)")
        }
    }
}
