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
    private let today: @Sendable () -> Date
    private let onReceipt: @Sendable (TransactionReceipt) async -> Void
    let wake = WakeUp()
    private let children = ChildTasks()

    /// The loop sleeps for long, as there was nothing to wait for.
    var waitsIdle = false
    private var isStarted = false
    private var isDriving = false
    private var drivesAgain = false
    /// Decided and not yet on the disk; and what may be done, and told, once it is.
    var uncommitted = Decided()
    private var commitWaiters: [CheckedContinuation<Result<Void, ChainStoreError>, Never>] = []
    var outcomeWaiters: [String: [Int: CheckedContinuation<TransactionOutcome?, Never>]] = [:]
    var nextWaiter = 0
    var reopenedReader: AsyncStream<String>.Continuation?
    struct Decided {
        var changes: [TransactionMachine.Change] = []
        var broadcasts: [SignedTransaction] = []
        var outcomes: [(intent: TransactionIntent, outcome: TransactionOutcome)] = []
        var reopened: [String] = []
    }

    /// A commit is under way.
    private(set) var isCommitting = false
    private var knownAlarms: Set<TransactionAlarm> = []

    /// - Parameters:
    ///   - today: the time by which what is over is forgotten; nil: `now`.
    ///   - onReceipt: told of each final receipt, for the logs in it, before the intent's outcome is.
    public init(
        client: RPCClient, chainID: UInt64, signer: any TransactionSigner, store: ChainStore,
        settings: TransactionSettings = TransactionSettings(), classes: [TransactionClass], pace: Pace = Pace(),
        logger: Logger, now: @escaping @Sendable () -> Date = SteadyClock.now,
        today: (@Sendable () -> Date)? = nil,
        onReceipt: @escaping @Sendable (TransactionReceipt) async -> Void = { _ in }
    ) {
        self.client = client
        self.signer = signer
        self.store = store
        self.pace = pace
        self.logger = logger
        self.now = now
        self.today = today ?? now
        self.onReceipt = onReceipt
        machine = TransactionMachine(chainID: chainID, address: signer.address, settings: settings, classes: classes)
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
                let goesOn = (try? await store.prune(before: today() - pace.retention / .seconds(1))) ?? false
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
    func committed() async throws(ChainStoreError) {
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
        uncommitted.reopened += machine.takeReopened()
        let decided = uncommitted
        isCommitting = true
        defer { isCommitting = false }
        do throws(ChainStoreError) {
            try await store.commit(decided.changes, at: now())
            uncommitted.changes.removeFirst(decided.changes.count)
            uncommitted.broadcasts.removeFirst(decided.broadcasts.count)
            uncommitted.outcomes.removeFirst(decided.outcomes.count)
            uncommitted.reopened.removeFirst(decided.reopened.count)
            machine.clear(.storage)
            return .success(decided)
        } catch {
            // Kept, and tried again with the next round.
            if error.code != .closed { machine.raise(.storage, "nothing new is sent: \(error)") }
            return .failure(error)
        }
    }

    private func tell(_ done: Decided) async {
        for key in done.reopened { reopenedReader?.yield(key) }
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
