// SPDX-License-Identifier: GPL-3.0-or-later

public import BigInt
internal import FoundationEssentials

/// One nonce spent on an intent, with every transaction that was made for it. At most one of them can be mined.
struct TransactionAttempt: Hashable, Sendable {
    /// A transaction as it was signed; its replacements have the same nonce.
    struct Version: Hashable, Sendable {
        var transaction: SignedTransaction
        var madeAt: Date
        var sentAt: Date?
        /// The newest block that was seen then; nil: not known any more, so the next one that is seen.
        var head: UInt64?
        /// Takes the intent back: nothing to oneself.
        var isCancellation = false

        var hash: Hash32 { transaction.hash }
        var fee: Fee { transaction.unsigned.fee }
    }

    /// The ledger's number of the intent.
    var intent: Int64
    let nonce: UInt64
    /// The head when it was first signed: its transaction lies in no earlier block.
    let firstBlock: UInt64
    let madeAt: Date
    var gasLimit: UInt64
    /// In the order in which they were made: the last one is sent.
    var versions: [Version]
    /// The receipt, until it is final.
    var receipt: TransactionReceipt?
    /// The chain has counted this nonce, and no receipt has come; since when.
    var usedSince: Date?
    /// When the blocks were last searched for it.
    var searchedAt: Date?
    /// Blocks from this one up hold nothing of it.
    var searchedDownTo: UInt64?
    /// A node has said that the last version is no good as it is.
    var wantsReplacement = false
    /// An administrator wants it, whatever the market asks for.
    var wantsAnyFee = false
    var wantsCancellation = false
    /// All blocks were searched, and none holds its nonce.
    var isInDoubt = false
    /// It was over before the chain lost its block: what it cost is counted already.
    var isReopened = false

    var isOpen: Bool { receipt == nil }
    /// The most that it can still cost, in wei.
    var maximumCost: BigUInt { versions.map(\.transaction.unsigned.maximumCost).max() ?? 0 }
}

/// An intent that is not over, as the ledger has it.
struct PendingIntent: Hashable, Sendable {
    var id: Int64
    var intent: TransactionIntent
    /// From an attempt that used up its gas.
    var minimumGas: UInt64 = 0
    var wantsCancellation = false
}

/// Where the chain is, as one node saw it at one moment.
public struct ChainView: Hashable, Sendable {
    public var head: BlockHeader
    /// Transactions of our account that are mined: the next nonce.
    public var count: UInt64
    public var market: FeeMarket
    /// Wei.
    public var balance: BigUInt

    public init(head: BlockHeader, count: UInt64, market: FeeMarket, balance: BigUInt) {
        self.head = head
        self.count = count
        self.market = market
        self.balance = balance
    }
}
