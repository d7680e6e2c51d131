// SPDX-License-Identifier: GPL-3.0-or-later

public import FoundationEssentials
public import Logging
public import ServiceLifecycle
public import Support

/// Gets intents onto the chain, each once, from one key.
///
/// The only sender of its key: it drives a `TransactionMachine`, one step at a time, and commits what that decides before a
/// node hears of it. An intent costs no question to a node on its way out; fees, nonce and gas are known before.
public actor TransactionManager: Service {
    /// How often the chain is asked while something is in flight, and while nothing is.
    public struct Pace: Sendable {
        public var busy: Duration = .seconds(1)
        public var idle: Duration = .seconds(15)
        /// Ended intents are forgotten after this long. Default 90 days.
        public var retention: Duration = .seconds(90 * 86_400)

        public init() {}
    }

    /// What `chain status` shows.
    public struct Status: Codable, Sendable, Hashable {
        /// Its id.
        public var chain: UInt64
        public var address: String
        public var head: UInt64?
        /// Wei.
        public var balance: String?
        /// Counted by the chain, and the next one that will be used.
        public var minedNonce: UInt64?
        public var nextNonce: UInt64?
        public var inFlight: Int
        public var waiting: Int
        public var alarms: [String: String]
    }

    let client: RPCClient
    let store: ChainStore
    let logger: Logger
    var machine: TransactionMachine
    private let signer: any TransactionSigner
    private let pace: Pace
    let now: @Sendable () -> Date
    private let onReceipt: @Sendable (TransactionReceipt) async -> Void
    private let wake = WakeUp()
    private let children = ChildTasks()

    /// The loop sleeps for long, as there was nothing to wait for.
    private var waitsIdle = false
    private var isStarted = false
    private var isDriving = false
    private var drivesAgain = false
    /// Decided and not yet on the disk; and what may be done, and told, once it is.
    private var uncommitted = Decided()
    private var commitWaiters: [CheckedContinuation<Result<Void, ChainStoreError>, Never>] = []
    private var outcomeWaiters: [String: [Int: CheckedContinuation<TransactionOutcome?, Never>]] = [:]
    private var nextWaiter = 0
    private struct Decided {
        var changes: [TransactionMachine.Change] = []
        var broadcasts: [SignedTransaction] = []
        var outcomes: [(intent: TransactionIntent, outcome: TransactionOutcome)] = []
    }

    /// A commit is under way.
    private(set) var isCommitting = false
    private var knownAlarms: Set<TransactionAlarm> = []
    private var commitRestsUntil: Date?

    /// - Parameters:
    ///   - onReceipt: told of each final receipt, for the logs in it, before the intent's outcome is.
    public init(
        client: RPCClient, chainID: UInt64, signer: any TransactionSigner, store: ChainStore,
        settings: TransactionSettings = TransactionSettings(), classes: [TransactionClass], pace: Pace = Pace(),
        logger: Logger, now: @escaping @Sendable () -> Date = SteadyClock.now,
        onReceipt: @escaping @Sendable (TransactionReceipt) async -> Void = { _ in }
    ) {
        self.client = client
        self.signer = signer
        self.store = store
        self.pace = pace
        self.logger = logger
        self.now = now
        self.onReceipt = onReceipt
        machine = TransactionMachine(chainID: chainID, address: signer.address, settings: settings, classes: classes)
    }

    // MARK: callers

    /// Takes an intent. Returns once it is on the disk; by then it is being broadcast too, unless something holds its class
    /// back. The same key again is the same intent: what became of it so far is kept.
    ///
    /// Throws `.conflict` when the key stands for something else.
    public func submit(_ intent: TransactionIntent) async throws(ChainStoreError) {
        try await start()
        if let known = openIntent(intent.key) {
            try Self.expectSame(known, intent)
            return try await committed()
        }
        if let (known, _) = try await store.intent(intent.key) {
            return try Self.expectSame(known, intent)
        }
        // Handed over twice at once.
        if let known = openIntent(intent.key) {
            try Self.expectSame(known, intent)
        } else {
            machine.add(intent)
        }
        try await committed()
    }

    private func openIntent(_ key: String) -> TransactionIntent? {
        machine.queue.first { $0.intent.key == key }?.intent
            ?? machine.sending.values.first { $0.intent.key == key }?.intent
    }

    private static func expectSame(_ known: TransactionIntent, _ new: TransactionIntent) throws(ChainStoreError) {
        guard known.recipient == new.recipient, known.value == new.value, known.data == new.data else {
            throw ChainStoreError(
                .conflict, "\"\(new.key)\" was handed over before with another content: use a new key")
        }
    }

    /// Whether a transaction was made here, also one that another has replaced.
    public func made(_ transaction: Hash32) async throws(ChainStoreError) -> Bool {
        try await store.knows(transaction)
    }

    /// Whether this very intent was handed over before, whatever became of it. False also when its key stands for another.
    public func knows(_ intent: TransactionIntent) async throws(ChainStoreError) -> Bool {
        try await start()
        var known = openIntent(intent.key)
        if known == nil { known = try await store.intent(intent.key)?.0 }
        guard let known else { return false }
        return known.recipient == intent.recipient && known.value == intent.value && known.data == intent.data
    }

    /// Takes an intent back that has no nonce: its outcome is `cancelled`.
    /// - Returns: false when nothing waits under this key; what was signed is not touched.
    public func withdraw(_ key: String) async throws(ChainStoreError) -> Bool {
        try await start()
        guard machine.withdraw(key) else { return false }
        try await committed()
        return true
    }

    /// The intents that are not over yet and whose keys begin so.
    public func openKeys(prefix: String) -> [String] {
        (machine.queue.map(\.intent.key) + machine.sending.values.map(\.intent.key)).filter { $0.hasPrefix(prefix) }
    }

    /// Transactions that may be on their way at once.
    public var inFlightLimit: Int { machine.settings.inFlightLimit }

    /// Waits for the end of an intent; nil when there is no such intent, or the caller's task was cancelled.
    public func outcome(_ key: String) async throws(ChainStoreError) -> TransactionOutcome? {
        try await start()
        // One that is just over is told when that is on the disk.
        let isToBeTold = machine.hasOutcome(key) || uncommitted.outcomes.contains { $0.intent.key == key }
        if openIntent(key) == nil, !isToBeTold {
            return try await store.intent(key)?.1
        }
        nextWaiter += 1
        let waiter = nextWaiter
        return await withTaskCancellationHandler {
            await withCheckedContinuation { outcomeWaiters[key, default: [:]][waiter] = $0 }
        } onCancel: {
            Task { await self.giveUp(waiter, key) }
        }
    }

    private func giveUp(_ waiter: Int, _ key: String) {
        outcomeWaiters[key]?.removeValue(forKey: waiter)?.resume(returning: nil)
    }

    /// Administrators: false when no such intent is open.
    public func cancel(_ key: String) async throws(ChainStoreError) -> Bool {
        try await start()
        guard machine.cancel(key) else { return false }
        try await committed()
        return true
    }

    public func bump(_ key: String) async throws(ChainStoreError) -> Bool {
        try await start()
        guard machine.bump(key) else { return false }
        await drive()
        return true
    }

    /// Foreign nonces have been seen by an administrator.
    public func acknowledge() async throws(ChainStoreError) {
        try await start()
        machine.acknowledge()
        try await committed()
    }

    /// The chain's file is a new one, or an old copy: whatever this account sent meanwhile is taken for its own.
    public func forgive() async throws(ChainStoreError) {
        try await start()
        machine.forgive()
        try await committed()
    }

    /// Fills the nonces that the chain waits for, and that nobody has anything for, now.
    /// - Returns: those nonces; empty when there is no gap.
    public func fill() async throws(ChainStoreError) -> [UInt64] {
        try await start()
        let nonces = machine.fill()
        if !nonces.isEmpty { try await committed() }
        return nonces
    }

    public var status: Status {
        Status(
            chain: machine.chainID, address: machine.address.checksummed, head: machine.view?.head.number,
            balance: machine.view.map { "\($0.balance)" }, minedNonce: machine.view?.count,
            nextNonce: machine.nonceFloor == nil ? nil : machine.nextNonce,
            inFlight: machine.attempts.filter(\.isOpen).count,
            waiting: machine.queue.count,
            alarms: Dictionary(uniqueKeysWithValues: machine.alarms.map { ($0.key.rawValue, $0.value) }))
    }

    // MARK: running

    /// Binds the ledger to the account and takes up what is open in it. Done by whatever comes first.
    public func start() async throws(ChainStoreError) {
        if isStarted { return }
        try await store.bind(chainID: machine.chainID, account: machine.address)
        var restored = machine
        try await store.restore(&restored, at: now())
        if isStarted { return }
        machine = restored
        isStarted = true
        if !machine.foreign.isEmpty { machine.suspect([]) }
        if !machine.attempts.isEmpty {
            logger.notice(
                "transactions are in flight from before", metadata: ["count": "\(machine.attempts.count)"])
        }
    }

    /// There may be a new block. From any thread.
    public nonisolated func wakeUp() { wake.raise() }

    /// There is a new block: of interest while something is under way. From any thread.
    public nonisolated func headChanged() {
        children.spawn { await self.wakeUnlessIdle() }
    }

    private func wakeUnlessIdle() {
        if !waitsIdle { wake.raise() }
    }

    public func run() async throws {
        try await start()
        await cancelWhenGracefulShutdown { await self.loop() }
        await children.end()
    }

    private func loop() async {
        var lastPrune = Date.distantPast
        while !Task.isCancelled {
            await poll()
            await drive()
            if now().timeIntervalSince(lastPrune) > 3600 {
                // What is left goes with the next rounds.
                let goesOn = (try? await store.prune(before: now() - pace.retention / .seconds(1))) ?? false
                if !goesOn { lastPrune = now() }
            }
            waitsIdle = !isBusy
            await wake.wait(atMost: waitsIdle ? pace.idle : pace.busy)
            waitsIdle = false
        }
    }

    private var isBusy: Bool {
        machine.view == nil || !machine.attempts.isEmpty || !machine.queue.isEmpty || !uncommitted.changes.isEmpty
            || machine.gap != nil || machine.unexplained != nil
    }

    /// Waits until everything decided so far is on the disk.
    private func committed() async throws(ChainStoreError) {
        let result = await withCheckedContinuation { continuation in
            // The loop may sleep for long.
            if children.spawn({ await self.drive() }) {
                commitWaiters.append(continuation)
            } else {
                continuation.resume(returning: .failure(ChainStoreError(.closed, "the agent is ending")))
            }
        }
        try result.get()
    }

    /// Signs, commits and broadcasts what is due. One at a time: who comes meanwhile is served by one more round.
    func drive() async {
        guard isStarted else { return }
        if isDriving {
            drivesAgain = true
            return
        }
        isDriving = true
        defer { isDriving = false }
        repeat {
            drivesAgain = false
            await signDue()
            let waiters = commitWaiters
            commitWaiters = []
            let result = await commit()
            waiters.forEach { $0.resume(returning: result.map { _ in () }) }
            if case .success(let done) = result { await tell(done) }
        } while drivesAgain
        reportAlarms()
    }

    private func signDue() async {
        for intent in machine.takeEstimates() {
            children.spawn { await self.estimate(intent) }
        }
        while let draft = machine.nextDraft(at: now()) {
            do throws(KeyError) {
                let signed = try await signer.sign(draft.transaction)
                machine.signed(draft, signed, at: now())
            } catch {
                machine.signingFailed("nonce \(draft.transaction.nonce) cannot be signed: \(error)", at: now())
            }
        }
    }

    /// Commits what has been decided so far. What is decided meanwhile, by a poll, waits for the next round, and so do its
    /// broadcasts and outcomes: nothing leaves this process that is not on the disk.
    private func commit() async -> Result<Decided, ChainStoreError> {
        uncommitted.changes += machine.takeChanges()
        uncommitted.broadcasts += machine.takeBroadcasts()
        uncommitted.outcomes += machine.takeOutcomes()
        let decided = uncommitted
        isCommitting = true
        defer { isCommitting = false }
        do throws(ChainStoreError) {
            try await store.commit(decided.changes, at: now())
            uncommitted.changes.removeFirst(decided.changes.count)
            uncommitted.broadcasts.removeFirst(decided.broadcasts.count)
            uncommitted.outcomes.removeFirst(decided.outcomes.count)
            machine.clear(.storage)
            return .success(decided)
        } catch {
            // Kept, and tried again with the next round.
            if error.code != .closed { machine.raise(.storage, "nothing new is sent: \(error)") }
            return .failure(error)
        }
    }

    private func tell(_ done: Decided) async {
        for transaction in done.broadcasts {
            let attempt = machine.attempts.first { $0.nonce == transaction.unsigned.nonce }
            let isFirst = attempt?.versions.last?.madeAt == attempt?.versions.last?.sentAt
            children.spawn { await self.broadcast(transaction, toAll: !isFirst) }
        }
        for (intent, outcome) in done.outcomes {
            if let receipt = outcome.receipt { await onReceipt(receipt) }
            var words: Logger.Metadata = ["transaction_key": "\(intent.key)", "outcome": "\(outcome.word)"]
            if let receipt = outcome.receipt {
                words["transaction"] = "\(receipt.transaction)"
                words["block"] = "\(receipt.block.number)"
            }
            logger.info("a transaction is over", metadata: words)
            outcomeWaiters.removeValue(forKey: intent.key)?.values.forEach { $0.resume(returning: outcome) }
        }
    }

    private func reportAlarms() {
        for (alarm, words) in machine.alarms where knownAlarms.insert(alarm).inserted {
            logger.error("alarm", metadata: ["alarm": "\(alarm.rawValue)", "why": "\(words)"])
        }
        for alarm in knownAlarms where machine.alarms[alarm] == nil {
            knownAlarms.remove(alarm)
            logger.notice("the alarm is over", metadata: ["alarm": "\(alarm.rawValue)"])
        }
    }

    // MARK: nodes

    private func broadcast(_ transaction: SignedTransaction, toAll: Bool) async {
        let call = RPCCall("eth_sendRawTransaction", [.string(Hex.data(transaction.raw))])
        var answer: Result<Void, RPCError> = .failure(RPCError(.unreachable, "no node was asked"))
        for (position, node) in client.order().enumerated() {
            do throws(RPCError) {
                let results = try await client.batch([call], at: node).results
                if position == 0 || answer.failure?.isRefusal == false { answer = results[0].map { _ in () } }
                if !toAll { break }
            } catch {
                if position == 0 { answer = .failure(error) }
            }
        }
        machine.answered(transaction.hash, answer, at: now())
        if waitsIdle { wake.raise() }
        await drive()
    }

    private func estimate(_ intent: TransactionIntent) async {
        let call: [String: JSONValue] = [
            "from": .string(machine.address.hex), "to": .string(intent.recipient.hex),
            "value": .string(Quantity.encode(intent.value)), "data": .string(Hex.data(intent.data)),
        ]
        // To a node that lags behind the contract's creation, or has lost its state, the call costs next to nothing.
        let code = RPCCall("eth_getCode", [.string(intent.recipient.hex), .string("latest")])
        let answers = try? await client.batch([RPCCall("eth_estimateGas", [.object(call)]), code])
        let estimate = (try? answers?.value(0))?.text.flatMap(Quantity.decode64)
        let seesContract = (try? answers?.value(1))?.text.flatMap { Hex.decode($0) }?.isEmpty == false
        machine.estimated(intent, intent.data.isEmpty || seesContract ? estimate : nil)
        await drive()
    }
}

extension TransactionOutcome {
    var word: String {
        switch self {
        case .succeeded: "succeeded"
        case .reverted: "reverted"
        case .cancelled: "cancelled"
        }
    }
}
