// SPDX-License-Identifier: GPL-3.0-or-later

public import BigInt

/// A sort of transactions that are treated alike.
public struct TransactionClass: Hashable, Sendable {
    public var name: String
    /// The lower one goes first.
    public var priority: Int
    /// Neither capped nor stopped, whatever alarm there is; a part of the transactions in flight is kept for these.
    public var isEssential: Bool
    /// Wei that may be spent on it in a day (UTC); nil: no limit. Not for an essential class.
    public var dailyCap: BigUInt?
    /// The gas limit of a call that was never seen, with up to 256 bytes of calldata: no node is asked. nil: one is asked, and
    /// the class waits for its answer.
    public var firstGas: UInt64?
    /// What its transactions do, for people: `claims of jobs`.
    public var purpose: String

    /// - Parameter purpose: nil: its name says it.
    public init(
        _ name: String, priority: Int, isEssential: Bool, dailyCap: BigUInt? = nil, firstGas: UInt64? = nil,
        purpose: String? = nil
    ) {
        self.purpose = purpose ?? "\"\(name)\""
        precondition(!isEssential || dailyCap == nil, "an essential class has no cap")
        self.name = name
        self.priority = priority
        self.isEssential = isEssential
        self.dailyCap = dailyCap
        self.firstGas = firstGas
    }
}

/// Something that shall happen on the chain once.
public struct TransactionIntent: Hashable, Sendable {
    /// The caller's name for it: the same key is the same intent, however often it is handed over.
    public var key: String
    /// A `TransactionClass.name`.
    public var className: String
    public var recipient: Address
    /// Wei.
    public var value: BigUInt
    public var data: [UInt8]
    /// Calls that use about the same gas, each with this name. By default: one contract's one function.
    public var call: String
    /// A gas limit from the configuration; nil: learned; at first the class's `firstGas`, or estimated.
    public var gasLimit: UInt64?

    public init(
        key: String, className: String, recipient: Address, value: BigUInt = 0, data: [UInt8] = [], call: String? = nil,
        gasLimit: UInt64? = nil
    ) {
        self.key = key
        self.className = className
        self.recipient = recipient
        self.value = value
        self.data = data
        self.call = call ?? "\(recipient.hex):\(Hex.encode(data.prefix(4)))"
        self.gasLimit = gasLimit
    }
}

/// What became of an intent. Final.
public enum TransactionOutcome: Hashable, Sendable {
    case succeeded(TransactionReceipt)
    /// Mined, and without effect: the caller reads the contract's state and decides whether to hand over a new intent.
    case reverted(TransactionReceipt)
    /// Taken back by an administrator before it was mined.
    case cancelled

    /// It was mined, and did what it was meant to.
    public var hasEffect: Bool {
        if case .succeeded = self { true } else { false }
    }

    public var receipt: TransactionReceipt? {
        switch self {
        case .succeeded(let receipt), .reverted(let receipt): receipt
        case .cancelled: nil
        }
    }
}

/// How the manager behaves. All durations have working defaults for a chain with blocks every few seconds.
public struct TransactionSettings: Hashable, Sendable {
    /// Transactions that are broadcast and not mined. geth keeps 16 of an account by default. Default 16.
    public var inFlightLimit = 16
    /// Blocks on top that make a receipt final; 0: it is final as soon as it is there (Avalanche and its kin). Default 0.
    public var confirmations: UInt64 = 0
    /// After this long without being mined, and when a newer block was seen without it or the chain asks for more than it
    /// offers, a transaction is replaced by a higher-fee one. Default 30 s.
    public var replaceAfter: Duration = .seconds(30)
    /// After this long the same bytes are sent again. Default 5 s.
    public var resendAfter: Duration = .seconds(5)
    /// The most for a unit of gas, in wei. Default 500 gwei.
    public var feeCeiling: BigUInt = 500_000_000_000
    /// A replacement pays at most this many times what a new transaction would. Default 5.
    public var marketLimit = 5
    /// The least tip, in wei. Default 1 wei.
    public var minimumTip: BigUInt = 1
    /// Gas limit = the highest seen × this. Default 1.3.
    public var gasMargin = 1.3
    /// For a call that was never seen and cannot be estimated. Default 1,000,000.
    public var defaultGas: UInt64 = 1_000_000
    /// A nonce that the chain counts and whose receipt nobody has is looked for in the blocks after this. Default 10 s.
    public var doubtAfter: Duration = .seconds(10)
    /// A nonce that the chain waits for and nobody has anything for is filled after this long. Default 60 s.
    public var fillAfter: Duration = .seconds(60)
    /// The lowest nonce not mined for this long raises an alarm. Default 5 min.
    public var stuckAfter: Duration = .seconds(300)
    /// EIP-1559 is not used even if the chain has it.
    public var legacyOnly = false

    public init() {}
}

/// What an administrator must know of. Each is told when it begins and when it ends.
public enum TransactionAlarm: String, Hashable, Sendable, CaseIterable {
    /// The chain asks for more than the ceiling: what waits is sent again and again, never dropped.
    case feeCeiling
    case insufficientFunds
    /// Somebody else uses the key. Until it is acknowledged no class but the essential ones is sent.
    case foreignNonce
    /// The chain counts a nonce of ours, and no block seems to hold its transaction.
    case nonceInDoubt
    /// The chain waits for a nonce that is neither in flight nor mined: it has lost a block, or a node counted too much.
    case nonceGap
    /// The lowest nonce is not mined for long.
    case stuck
    case spendCap
    /// A node refuses a transaction for a reason that sending again does not mend.
    case rejected
    case signer
    case storage
}
