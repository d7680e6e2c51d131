// SPDX-License-Identifier: GPL-3.0-or-later

public import Logging
internal import NIOConcurrencyHelpers
public import ServiceLifecycle
internal import Support

/// Reads the logs of some contracts into the inbox, each once, whatever nodes, sockets and forks do.
///
/// The cursor on the disk is the truth; a wake-up only makes it look earlier. Delivery: `next` and `handled`.
public actor LogFeed: Service {
    public struct Settings: Sendable {
        /// Blocks on top of one before its logs are delivered; 0 where what is accepted is final. Default 0.
        public var confirmations: UInt64 = 0
        /// The first block to read when there is no cursor yet; nil: the head of that moment.
        public var firstBlock: UInt64?
        /// Between two looks when nothing wakes it. Default 1 s.
        public var interval: Duration = .seconds(1)
        /// The same while a socket tells of new blocks. Default 5 s.
        public var quietInterval: Duration = .seconds(5)
        /// Requests a second while nothing comes for us, and how many at once. Default 1.6 and 8.
        public var idleRate = 1.6
        public var idleBurst = 8.0
        /// Delivered logs, and the blocks of the way back, are kept for this many blocks. Default 10,000.
        public var memory: UInt64 = 10_000

        public init() {}
    }

    let name: String
    let filter: LogFilter
    let client: RPCClient
    let store: ChainStore
    let settings: Settings
    let logger: Logger
    private let wake = WakeUp()
    private let socket = NIOLockedValueBox(SocketState())
    private let watcher = NIOLockedValueBox<(@Sendable () -> Void)?>(nil)
    /// Raised after each commit that brought something.
    let news: @Sendable () -> Void
    var cursor: LogCursor?
    /// Since the start everything that a node had to give was read once.
    public internal(set) var hasCaughtUp = false
    /// The newest block that was seen.
    public internal(set) var head: UInt64 = 0
    private var isReading = false
    /// No common block was found, and that was told.
    var isLost = false
    /// Looks in a row that failed, and whether that was told.
    private var stalls = 0
    private var budget: RequestBudget
    /// Something of ours was seen since the last pause.
    private var sawOurs = false
    /// A node's header once told that a block had none of our logs, and it had.
    var distrustsBlooms = false
    /// The last blocks that were not asked for logs because of that.
    var passedOver: [Hash32] = []
    /// The last look found a block that no socket had told of.
    private var missesHeads = false

    /// What a socket has told.
    private struct SocketState {
        var isUp = false
        var announced = false
    }

    /// - Parameters:
    ///   - name: of its cursor in the store; with the chain id in it.
    ///   - onNews: called when there is something for `next`; must return at once.
    public init(
        name: String, filter: LogFilter, client: RPCClient, store: ChainStore, settings: Settings = Settings(),
        logger: Logger, onNews: @escaping @Sendable () -> Void = {}
    ) {
        self.name = name
        self.filter = filter
        self.client = client
        self.store = store
        self.settings = settings
        self.logger = logger
        news = onNews
        budget = RequestBudget(rate: settings.idleRate, burst: settings.idleBurst)
    }

    // MARK: delivery

    /// The oldest logs that were not handled yet, in order.
    public func next(limit: Int = 100) async throws(ChainStoreError) -> [DeliveredLog] {
        try await store.unhandledLogs(name, limit: limit)
    }

    /// These are done: they are not delivered again.
    public func handled(_ logs: [DeliveredLog]) async throws(ChainStoreError) {
        try await store.markHandled(logs.map(\.sequence))
    }

    /// Logs of a transaction of our own: as good as read from the chain, and earlier. To be called with final receipts.
    public func offer(_ receipt: TransactionReceipt) async {
        let logs = filter.placed(receipt.logs)
        guard !logs.isEmpty else { return }
        if !distrustsBlooms, passedOver.contains(receipt.block.hash) {
            distrustsBlooms = true
            logger.warning(
                "this chain's blocks do not tell which logs they hold: each is asked for its logs from now on",
                metadata: ["block": "\(receipt.block.number)"])
        }
        do throws(ChainStoreError) {
            if try await store.takeLogs(name, logs, cursor: nil) > 0 { news() }
        } catch {
            logger.warning("a receipt's logs wait until the feed reads them", metadata: ["why": "\(error)"])
        }
    }

    /// Blocks between the highest head of all nodes and the cursor.
    public var lag: UInt64? {
        cursor.map { cursor in
            let best = client.best ?? head
            return best > cursor.position.number ? best - cursor.position.number : 0
        }
    }

    public var position: BlockReference? { cursor?.position }

    // MARK: running

    /// There may be a new block. From any thread.
    public nonisolated func wakeUp() { wake.raise() }

    /// A socket tells of a new block. From any thread.
    public nonisolated func headAnnounced() {
        socket.withLockedValue { $0.announced = true }
        wake.raise()
    }

    /// A socket tells of new blocks from now on, or no more. From any thread.
    public nonisolated func socketChanged(isUp: Bool) {
        socket.withLockedValue { $0.isUp = isUp }
        wake.raise()
    }

    /// Who is told that a block may have touched one of the contracts, also before its logs are taken. Must return at once.
    public nonisolated func watch(_ watcher: @escaping @Sendable () -> Void) {
        self.watcher.withLockedValue { $0 = watcher }
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                await self.look()
            }
        }
    }

    /// Reads, and waits until there may be more.
    private func look() async {
        let headBefore = head
        let wasAnnounced = socket.withLockedValue { socket in
            defer { socket.announced = false }
            return socket.announced
        }
        let requests = client.traffic.requests
        await catchUp()
        // Blocks that a socket kept from us: it does not count until it tells of one again.
        if wasAnnounced {
            missesHeads = false
        } else if head > headBefore, headBefore > 0 {
            missesHeads = !socket.withLockedValue { $0.announced }
        }
        let hears = socket.withLockedValue { $0.isUp } && !missesHeads
        if sawOurs {
            sawOurs = false
            budget.refill()
        } else {
            budget.spend(client.traffic.requests &- requests, at: .now)
            if let pause = budget.pause(at: .now) { try? await Task.sleep(for: pause) }
        }
        await wake.wait(atMost: hears ? settings.quietInterval : settings.interval)
    }

    /// One of the contracts may have been touched.
    func touched() {
        sawOurs = true
        watcher.withLockedValue { $0 }?()
    }

    /// Reads on until there is nothing new, or somebody has to be waited for.
    public func catchUp() async {
        guard !isReading else { return }
        isReading = true
        defer { isReading = false }
        do {
            while try await step(), !Task.isCancelled {}
        } catch {
            stalled("\(error)")
        }
    }

    private static let stallsBeforeWarning = 5

    func stalled(_ why: String) {
        stalls += 1
        let metadata: Logger.Metadata = [
            "feed": "\(name)", "block": "\(cursor?.position.number ?? 0)", "count": "\(stalls)", "why": "\(why)",
        ]
        if stalls == Self.stallsBeforeWarning {
            logger.warning(
                "the log feed makes no progress: no node gives the next blocks or their logs", metadata: metadata)
        } else {
            logger.debug("the log feed waits", metadata: metadata)
        }
    }

    func progressed() {
        if stalls >= Self.stallsBeforeWarning {
            logger.notice("the log feed goes on", metadata: ["feed": "\(name)"])
        }
        stalls = 0
    }
}
