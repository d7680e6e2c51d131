// SPDX-License-Identifier: GPL-3.0-or-later

public import Ethereum
public import FoundationEssentials
public import JobLifecycle
public import Logging
public import ServiceLifecycle
public import Support

/// Joins the cluster to the grid: jobs that the chain gives us become Slurm jobs once, and what becomes of them goes back to
/// the chain once, through any crash.
///
/// Each claim is a `GridClaim`, whose `steps` say what is to be done; this actor does it. What a claim is told is committed
/// before anything follows from it, and every step may be taken twice: orders, transactions and logs have names of their own.
public actor DeepSquareGateway: Gateway, Service {
    public nonisolated let name = GridFile.gatewayName
    public nonisolated let scope = Ledger.Interest.Scope.ownJobs
    public nonisolated let batchLimit = 100

    /// A claim's identity, beside the contract's.
    struct Key: Sendable, Hashable, CustomStringConvertible {
        var job: Hash32
        var number: Int64

        var description: String { "\(job) \(number)" }
    }

    typealias Work = ClaimRunner.Work

    var settings: GridSettings
    let contracts: GridContracts
    let reader: ContractReader
    let manager: TransactionManager
    let feed: LogFeed
    let store: GridStore
    let ledger: Ledger
    let cluster: any GridCluster
    let sbatch: SBatchService
    let gridLogger: GridLogger
    var policy: JobPolicy
    /// Changes with each of them that an administrator makes.
    var policyRevision = 0
    let address: Address
    let logger: Logger
    let now: @Sendable () -> Date
    /// What is registered beside the labels that are configured.
    let labels: @Sendable ([String: String]) async -> [String: String]
    private let wake: WakeUp
    let claimWake = WakeUp()

    /// All that are not over.
    var claims: [Key: GridClaim] = [:]
    /// Of those for which something is done or waits.
    var runners: [Key: ClaimRunner] = [:]
    /// When logs that could not be taken in are looked at again.
    var logsAt: Date?
    var provider = ProviderView()
    var isReadingCredits = false
    var queues: [ClaimKind: ClaimQueue] = [:]
    /// All that the chain had said when the agent started has been taken in. Before that neither reports nor claims leave: a
    /// job may have been taken back and given to us again, and then a report would be about the wrong claim.
    var isCaughtUp = false
    /// All logs up to this block have been taken in.
    var readTo: UInt64?
    /// That block as it stands in the file, and when it is noted next.
    var notedRead: UInt64?
    var noteReadAt = Date.distantPast
    var looks = QueueLooks()
    /// More logs have been taken in since the last claim.
    var isReadFurther = false
    var isDrained = false
    var priceChange: PriceChange?
    var isFollowingPrices = false
    /// Jobs may be claimed, as far as an administrator and our own prices are concerned.
    var takesJobs: Bool { !isDrained && !isRegistering }
    /// Open from before this start, and not decided then: whoever ran the grid in between may have made jobs of them.
    var inherited: Set<Key> = []
    var scripts = ScriptWatch<Key>()
    /// Claims of jobs from blocks up to this one may be somebody else's work.
    var examinedBlocks: UInt64 = 0
    var deciding = 0
    /// Have one of their customer's places (`policy.max-jobs-per-customer`), though they are not ordered yet.
    var admitted: Set<Key> = []
    /// Claimed again, and wait for such a place.
    var crowded: Set<Key> = []
    /// Where the customers' logs go, as the sbatch service said last.
    var loggerAddress: String?
    var lastProblem: GridStatus.Problem?
    /// At start it is looked whether the chain knows this provider, and one that it does not know is registered.
    var hasTriedToRegister = false
    /// A registration is on its way to the chain, as of the last look.
    var isRegistrationSent = false
    /// The key of the registration that is being handed over: there is one at a time.
    var registrationInHand: String?
    /// Why the registration could not be compared at start, as told last.
    var registrationTrouble: String?
    /// Changes with each save of a claim that was paid.
    var paymentsSoFar: UInt64 = 0
    var earned: Earned?
    var outcomes = OutcomeLog()
    let children = ChildTasks()

    /// - Parameters:
    ///   - file: opened with `GridFile.open`.
    ///   - wake: raised by the log feed when it has something.
    ///   - labels: puts the configured ones together with those that others know.
    public init(
        settings: GridSettings, file: GridFile, client: RPCClient, manager: TransactionManager, feed: LogFeed,
        signer: any TransactionSigner, ledger: Ledger, cluster: any GridCluster, wake: WakeUp, logger: Logger,
        now: @escaping @Sendable () -> Date = { Date() },
        labels: @escaping @Sendable ([String: String]) async -> [String: String] = { $0 }
    ) throws(GridError) {
        self.labels = labels
        self.settings = settings
        contracts = file.contracts
        examinedBlocks = file.examinedBlocks
        reader = ContractReader(client: client)
        self.manager = manager
        self.feed = feed
        store = file.store
        self.ledger = ledger
        self.cluster = cluster
        sbatch = try SBatchService(settings, signer: signer, now: now)
        gridLogger = GridLogger(settings: settings, logger: logger)
        policy = JobPolicy(settings: settings)
        address = signer.address
        self.wake = wake
        self.logger = logger
        self.now = now
    }

    var seconds: Int64 { Int64(now().timeIntervalSince1970) }
    /// By which ages count: a wall clock that was set forward lets nothing be given up.
    var today: Date { ledger.clock.trusted(now()) }
    var trustedSeconds: Int64 { Int64(today.timeIntervalSince1970) }
    func age(since time: Int64) -> Int64 {
        ClockTrust.age(since: time, wall: seconds, trusted: trustedSeconds, leap: ledger.clock.leap)
    }

    // MARK: running

    public func run() async throws {
        let reopened = await manager.reopened()
        try await load()
        let sbatch = sbatch
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask { await Self.keep { try await sbatch.run() } }
                group.addTask { await self.providerLoop() }
                group.addTask { await self.claimLoop() }
                group.addTask { await self.refreshLoop() }
                group.addTask { await self.eventLoop() }
                group.addTask { for await intent in reopened { await self.reopen(intent) } }
                await withTaskCancellationHandler {
                    while !Task.isCancelled { try? await Task.sleep(for: .seconds(3600)) }
                } onCancel: {
                    sbatch.end()
                }
            }
        }
        // What it holds is closed by whoever opened it, once nothing of it runs any more.
        await children.end()
    }

    /// Before `run`, or after it. From then on every question about jobs throws.
    public nonisolated func close() { store.close() }

    /// The connections of a client may end before the client does.
    private static func keep(_ body: @Sendable () async throws -> Void) async {
        while !Task.isCancelled {
            try? await body()
            try? await Task.sleep(for: .seconds(1))
        }
    }

    /// Claims that are read at the start, to know what became of the last day's.
    private static let remembered = 500

    func load() async throws {
        isDrained = try await store.value("drained") != nil
        loggerAddress = try await store.value("grid-logger")
        provider.delta = try await store.value("delta").flatMap { UInt64($0) }
        try await loadPriceChange()
        for claim in try await store.openClaims() { claims[Key(claim)] = claim }
        let over = try await store.recentClaims(limit: Self.remembered).filter(\.isClosed)
        outcomes.begin(with: over + claims.values, now: seconds)
        if !claims.isEmpty {
            logger.notice("jobs of the grid are open from before", metadata: ["count": "\(claims.count)"])
        }
        try await compareState()
        for (key, claim) in claims {
            try await resume(key)
            if claim.verdict == .undecided { inherited.insert(key) }
        }
        try await reopenLost(over + claims.values)
        for kind in ClaimKind.allCases {
            let open = await manager.openKeys(prefix: kind.keyPrefix)
            queues[kind] = ClaimQueue(inFlight: Set(open))
            for intent in open { watchClaim(kind, intent) }
        }
    }

    /// From any thread: there may be a log, or something else to do.
    public nonisolated func wakeUp() { wake.raise() }

    /// From any thread: a block has touched one of the contracts.
    public nonisolated func headChanged() { claimWake.raise() }

    private func eventLoop() async {
        while !Task.isCancelled {
            let hasReadAll = await feed.hasCaughtUp
            await takeLogs()
            if !isCaughtUp, hasReadAll, logsAt == nil {
                isCaughtUp = true
                claimWake.raise()
            }
            advanceAll(Array(claims.keys))
            let next = (claims.keys.map { runners[$0]?.lookAt } + [logsAt]).compactMap(\.self).min()
            let pause = next.map { max(0.01, $0.timeIntervalSince(now())) } ?? 60
            // Injected clocks may jump.
            await wake.wait(atMost: .seconds(min(pause, 5)))
        }
    }

    /// Runs something beside the loops; it ends with the gateway.
    func spawn(_ body: @escaping @Sendable () async -> Void) { children.spawn(body) }

    // MARK: state

    func save(_ keys: some Sequence<Key>, logs: [TakenLog] = []) async throws(GridError) {
        var changed: [GridClaim] = []
        for key in keys {
            claims[key]?.revision += 1
            if let claim = claims[key] { changed.append(claim) }
        }
        try await store.save(changed, logs: logs)
        for claim in changed { outcomes.take(claim) }
        if changed.contains(where: { $0.payments?.isEmpty == false }) { paymentsSoFar += 1 }
    }

    /// For what follows from what is known elsewhere too: a later save brings it to the disk, and after a crash it is learned
    /// again.
    func saveOrRetry(_ key: Key) async {
        do throws(GridError) {
            try await save([key])
        } catch {
            note(error)
            runners[key, default: .init()].look(at: now() + 1)
        }
    }

    func note(_ error: GridError) {
        lastProblem = GridStatus.Problem(at: seconds, what: error.description)
    }
}

extension DeepSquareGateway.Key {
    init(_ claim: GridClaim) {
        self.init(job: claim.job, number: claim.number)
    }
}
