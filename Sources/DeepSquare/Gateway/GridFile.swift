// SPDX-License-Identifier: GPL-3.0-or-later

public import Ethereum
public import FoundationEssentials
public import Persistence

/// The gateway's file, opened and bound to its contract, with what must be known before the log feed starts.
public struct GridFile: Sendable {
    /// The gateway's name in the ledger.
    public static let gatewayName = "deepsquare"

    public let contracts: GridContracts
    /// Where the feed begins when it has no cursor yet.
    public let firstBlock: UInt64?
    /// The block up to which every log is in the file; nil: nothing was read yet, or an earlier release did it.
    public let readBlock: UInt64?
    let store: GridStore
    var examinedBlocks: UInt64

    init(
        contracts: GridContracts, firstBlock: UInt64?, store: GridStore, examinedBlocks: UInt64,
        readBlock: UInt64? = nil
    ) {
        self.contracts = contracts
        self.firstBlock = firstBlock
        self.readBlock = readBlock
        self.store = store
        self.examinedBlocks = examinedBlocks
    }

    /// Blocks that are read twice when the chain's file is a new one: the chain may have been reorganised meanwhile.
    private static let overlap: UInt64 = 64

    /// To be compared with the other files.
    public var stateFile: any StateFile { store }
    /// One of the state's files is not the one that it was: whatever is open is looked for in Slurm and on the chain before
    /// anything is done with it, and so are claims up to the chain's newest block.
    /// - Parameter chainIsLost: reports on their way are not: the contract says whether they arrived.
    public mutating func doubt(chainIsLost: Bool, client: RPCClient) async throws(GridError) {
        examinedBlocks = max(examinedBlocks, try await StartBlock.head(client).number)
        try await store.set("examined", "\(examinedBlocks)")
        // Another file of the chain's has other logs under these numbers.
        if chainIsLost { try await store.forgetNumberedLogs() }
        let before = try await store.value(DeepSquareGateway.doubtName)
        let isLost = chainIsLost || before == DeepSquareGateway.chainDoubt
        try await store.set(
            DeepSquareGateway.doubtName, isLost ? DeepSquareGateway.chainDoubt : DeepSquareGateway.otherDoubt)
    }

    /// A transaction of this agent that the chain's file must have.
    public func ownTransaction(now: Date = Date()) async throws(GridError) -> Hash32? {
        try await store.ownTransaction(now: now)
    }

    /// The highest number of the ledger's transitions that such a file has been told; nil: there is none, or it cannot be read.
    /// Blocks.
    public static func highestTransition(path: String) -> Int64? { GridStore.highestTransition(path: path) }

    /// Opens the file; at the very first start it asks a node for the contracts' addresses and for the block to begin with.
    ///
    /// Throws `configuration` when the file is another contract's or account's and has open claims.
    /// - Parameters:
    ///   - onSetAside: told where a damaged file lies now.
    ///   - onNew: called before the file takes its first binding: what was read of the logs before is not in it.
    public static func open(
        path: String, contract: Address, account: Address, chainID: UInt64, window: Duration, client: RPCClient,
        now: Date = Date(), onSetAside: (_ aside: String, _ reason: String) -> Void = { _, _ in },
        onNew: () async throws(GridError) -> Void = {}
    ) async throws(GridError) -> GridFile {
        let store = try GridStore(path: path, now: now)
        if let setAside = store.setAside { onSetAside(setAside.aside, setAside.reason) }
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
        let read = try await store.readBlock()
        let again = read.map { $0 > overlap ? $0 - overlap : 0 }
        let first = try await store.value("first").flatMap { UInt64($0) }
        let examined = try await store.value("examined").flatMap { UInt64($0) } ?? 0
        return GridFile(
            contracts: contracts, firstBlock: again ?? first, store: store, examinedBlocks: examined, readBlock: read)
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
