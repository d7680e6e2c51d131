// SPDX-License-Identifier: GPL-3.0-or-later

internal import BigInt
internal import FoundationEssentials

/// The transaction manager's decisions, without I/O and without a clock of its own.
///
/// Whoever drives it tells it what happened, signs what `nextDraft` asks for, commits `takeChanges()`, and only then
/// broadcasts `takeBroadcasts()`: so whatever reaches a node is on the disk.
struct TransactionMachine {
    /// What has to be on the disk before anything is broadcast.
    enum Change: Hashable, Sendable {
        case intent(PendingIntent)
        case wantsCancellation(intent: Int64)
        /// A new nonce, or a new version for one.
        case version(TransactionAttempt)
        /// The attempt is over, and the intent with it.
        case ended(intent: Int64, nonce: UInt64?, TransactionOutcome)
        /// The attempt is over, the intent is not.
        case requeued(PendingIntent, nonce: UInt64)
        case nonceFloor(UInt64)
        /// The count was explained at this block: what somebody else sends lies above it.
        case explained(UInt64)
        /// A final receipt lies in this block: a node that has not seen it is behind.
        case settledBlock(UInt64)
        /// The chain lost the receipt with which it was over: it is under way again.
        case reopened(intent: Int64, nonce: UInt64)
        case foreign([UInt64])
        /// Nonces below this one are of this agent, whatever its file says; nil: the next count of the chain says which.
        case forgiven(UInt64?)
        case gas(call: String, GasTable.Entry)
        case gasForgotten(call: String)
        case spent(day: Int, className: String, BigUInt)
    }

    /// A transaction to be signed.
    struct Draft: Hashable, Sendable {
        var intent: Int64
        var transaction: UnsignedTransaction
        var isCancellation: Bool
        /// Of a nonce that has a transaction already.
        var isReplacement: Bool
    }

    /// A hash whose receipt is to be asked for.
    struct Watch: Hashable, Sendable {
        var hash: Hash32
        /// Of a receipt that is not final: whether it still is the chain's block there is asked too.
        var block: UInt64?
    }

    let chainID: UInt64
    let address: Address
    let settings: TransactionSettings
    let classes: [String: TransactionClass]

    /// What waits for a nonce, in the order in which it goes.
    var queue: [PendingIntent] = []
    /// What has one, by the ledger's number.
    var sending: [Int64: PendingIntent] = [:]
    /// By nonce, without gaps unless somebody else uses the key. Open ones and those whose receipt is not final.
    var attempts: [TransactionAttempt] = []
    var view: ChainView?
    /// When that was.
    var viewAt: Date?
    /// Above every nonce that is known to be used for good; nil before the chain was first seen.
    var nonceFloor: UInt64?
    /// Above every nonce that ever was ours.
    var ownFloor: UInt64 = 0
    /// The newest block in which the chain counted no more than ours.
    var explainedAt: UInt64?
    /// The newest block with a final receipt of ours.
    var settledBlock: UInt64?
    var unexplained: UnexplainedNonces?
    var gap: NonceGap?
    var fillsNow = false
    /// Nonces that somebody else has used, until an administrator has seen them.
    var foreign: [UInt64] = []
    /// Nonces below it were used by this agent, which has lost its file of them.
    var forgivenBelow: UInt64 = 0
    /// The file is a new one or an old copy: what the chain counts now is this agent's.
    var forgives = false
    var gas = GasTable()
    var spending = SpendBook()
    var alarms: [TransactionAlarm: String] = [:]
    var legacyOnly: Bool
    var nextID: Int64 = 1
    /// Calls whose gas is being estimated; and those where that failed.
    var estimating: Set<String> = []
    var unestimated: Set<String> = []
    /// Nothing is signed before.
    var signingRestsUntil: Date?
    var signingFailures = 0
    /// What the account lacked when it was last too poor.
    var shortage: Shortage?
    /// Nonces whose transaction a node refuses for good.
    var rejected: Set<UInt64> = []

    private var changes: [Change] = []
    private var broadcasts: [Hash32] = []
    private var outcomes: [(intent: TransactionIntent, outcome: TransactionOutcome)] = []
    private var reopened: [String] = []

    init(chainID: UInt64, address: Address, settings: TransactionSettings, classes: [TransactionClass]) {
        self.chainID = chainID
        self.address = address
        self.settings = settings
        self.classes = Dictionary(classes.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        legacyOnly = settings.legacyOnly
    }

    // MARK: what the driver takes

    mutating func takeChanges() -> [Change] {
        defer { changes = [] }
        return changes
    }

    /// In the order of their nonces.
    mutating func takeBroadcasts() -> [SignedTransaction] {
        defer { broadcasts = [] }
        let wanted = Set(broadcasts)
        return attempts.compactMap { $0.versions.last }.filter { wanted.contains($0.hash) }.map(\.transaction)
    }

    mutating func takeOutcomes() -> [(intent: TransactionIntent, outcome: TransactionOutcome)] {
        defer { outcomes = [] }
        return outcomes
    }

    /// Keys of intents that were over, and are not any more.
    mutating func takeReopened() -> [String] {
        defer { reopened = [] }
        return reopened
    }

    /// Whether a nonce was ever given to something of ours.
    var hasSent: Bool { ownFloor > 0 || !attempts.isEmpty }

    /// Over, and not yet taken.
    func hasOutcome(_ key: String) -> Bool { outcomes.contains { $0.intent.key == key } }

    mutating func change(_ change: Change) { changes.append(change) }
    mutating func broadcast(_ hash: Hash32) { broadcasts.append(hash) }

    // MARK: intents

    /// - Returns: the ledger's number of it.
    @discardableResult
    mutating func add(_ intent: TransactionIntent) -> Int64 {
        let pending = PendingIntent(id: nextID, intent: intent)
        nextID += 1
        enqueue(pending)
        changes.append(.intent(pending))
        return pending.id
    }

    /// By class, then in the order in which they came; one that comes back takes its old place.
    mutating func enqueue(_ pending: PendingIntent) {
        func order(_ one: PendingIntent) -> (Int, Int64) {
            (classes[one.intent.className]?.priority ?? .max, one.id)
        }
        let mine = order(pending)
        let place = queue.firstIndex { order($0) > mine } ?? queue.endIndex
        queue.insert(pending, at: place)
    }

    /// Takes an intent back: at once while it waits; by a transaction to oneself of the same nonce once it was sent, which
    /// wins or loses against the first.
    /// - Returns: false when no such intent is open.
    mutating func cancel(_ key: String) -> Bool {
        if withdraw(key) { return true }
        guard let pending = sending.values.first(where: { $0.intent.key == key }),
            let index = attempts.firstIndex(where: { $0.intent == pending.id }), attempts[index].isOpen
        else { return false }
        attempts[index].wantsCancellation = true
        sending[pending.id]?.wantsCancellation = true
        changes.append(.wantsCancellation(intent: pending.id))
        return true
    }

    /// Takes an intent back that waits for a nonce.
    /// - Returns: false when none does.
    mutating func withdraw(_ key: String) -> Bool {
        guard let index = queue.firstIndex(where: { $0.intent.key == key }) else { return false }
        let pending = queue.remove(at: index)
        finish(pending, nonce: nil, .cancelled)
        return true
    }

    /// Replaces an intent's transaction by a dearer one now.
    mutating func bump(_ key: String) -> Bool {
        guard let pending = sending.values.first(where: { $0.intent.key == key }),
            let index = attempts.firstIndex(where: { $0.intent == pending.id }), attempts[index].isOpen
        else { return false }
        attempts[index].wantsReplacement = true
        attempts[index].wantsAnyFee = true
        return true
    }

    mutating func finish(_ pending: PendingIntent, nonce: UInt64?, _ outcome: TransactionOutcome) {
        sending[pending.id] = nil
        changes.append(.ended(intent: pending.id, nonce: nonce, outcome))
        outcomes.append((pending.intent, outcome))
    }

    /// One that was over: the chain lost its block.
    mutating func reopen(_ pending: PendingIntent, nonce: UInt64) {
        sending[pending.id] = pending
        changes.append(.reopened(intent: pending.id, nonce: nonce))
        reopened.append(pending.intent.key)
    }

    // MARK: alarms

    mutating func raise(_ alarm: TransactionAlarm, _ words: String) { alarms[alarm] = words }
    mutating func clear(_ alarm: TransactionAlarm) { alarms[alarm] = nil }
}

/// Of what the account had too little.
struct Shortage: Hashable, Sendable {
    /// Wei that it takes, and had then.
    var needed: BigUInt
    var balance: BigUInt
    /// A node refused this one for it; nil: it was not signed.
    var nonce: UInt64?
}

/// What each class has cost on a day (UTC), in wei.
struct SpendBook: Hashable, Sendable {
    private(set) var day = 0
    private(set) var spent: [String: BigUInt] = [:]

    init(day: Int = 0, spent: [String: BigUInt] = [:]) {
        self.day = day
        self.spent = spent
    }

    static func day(_ date: Date) -> Int { Int((date.timeIntervalSince1970 / 86_400).rounded(.down)) }

    func total(_ className: String, on date: Date) -> BigUInt {
        Self.day(date) == day ? spent[className] ?? 0 : 0
    }

    mutating func add(_ amount: BigUInt, to className: String, on date: Date) {
        if Self.day(date) != day {
            day = Self.day(date)
            spent = [:]
        }
        spent[className, default: 0] += amount
    }
}
