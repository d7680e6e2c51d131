// SPDX-License-Identifier: GPL-3.0-or-later

public import Logging
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
        /// Between two looks when nothing wakes it. Default 2 s.
        public var interval: Duration = .seconds(2)
        /// Blocks asked for at once. Default 2048.
        public var longestRange: UInt64 = 2048
        /// Delivered logs, and the blocks of the way back, are kept for this many blocks. Default 10,000.
        public var memory: UInt64 = 10_000

        public init() {}
    }

    private let name: String
    private let filter: LogFilter
    private let client: RPCClient
    private let store: ChainStore
    private let settings: Settings
    private let logger: Logger
    private let wake = WakeUp()
    /// Raised after each commit that brought something.
    private let news: @Sendable () -> Void
    private var cursor: LogCursor?
    /// Since the start everything that a node had to give was read once.
    public private(set) var hasCaughtUp = false
    private var head: UInt64 = 0
    private var isReading = false
    /// No common block was found, and that was told.
    private var isLost = false

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
        do throws(ChainStoreError) {
            if try await store.takeLogs(name, logs, cursor: nil) > 0 { news() }
        } catch {
            logger.warning("a receipt's logs wait until the feed reads them", metadata: ["why": "\(error)"])
        }
    }

    /// Blocks between the node's head and the cursor.
    public var lag: UInt64? {
        cursor.map { head > $0.position.number ? head - $0.position.number : 0 }
    }

    public var position: BlockReference? { cursor?.position }

    // MARK: running

    /// There may be a new block. From any thread.
    public nonisolated func wakeUp() { wake.raise() }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                await self.catchUp()
                await self.wake.wait(atMost: self.settings.interval)
            }
        }
    }

    /// Reads on until there is nothing new, or somebody has to be waited for.
    public func catchUp() async {
        guard !isReading else { return }
        isReading = true
        defer { isReading = false }
        do {
            while try await step(), !Task.isCancelled {}
        } catch {
            logger.debug("the log feed waits", metadata: ["feed": "\(name)", "why": "\(error)"])
        }
    }

    /// - Returns: whether there may be more at once.
    private func step() async throws -> Bool {
        var cursor = try await restored()
        let tip = try await client.batch([
            RPCCall("eth_getBlockByNumber", [.string("latest"), .bool(false)]), Self.header(cursor.position.number),
        ])
        let newest = try BlockHeader(tip.value(0))
        head = newest.number
        let atPosition = try? BlockHeader(tip.value(1)).hash
        switch cursor.next(head: newest.number, atPosition: atPosition) {
        case .upToDate:
            // A node that lacks our block is behind us.
            if !hasCaughtUp, atPosition == cursor.position.hash {
                hasCaughtUp = true
                news()
            }
            return false
        case .range(let blocks):
            return try await read(blocks, &cursor, node: tip.node)
        case .blocks(let blocks):
            return try await readByHash(blocks, &cursor, node: tip.node)
        case .walkBack:
            return try await walkBack(&cursor, node: tip.node)
        }
    }

    private func restored() async throws -> LogCursor {
        if let cursor { return cursor }
        let position: BlockReference
        if let known = try await store.cursor(name) {
            position = known
        } else {
            let tag = settings.firstBlock.map { JSONValue.string(Quantity.encode($0 > 0 ? $0 - 1 : 0)) }
            let answer = try await client.call("eth_getBlockByNumber", [tag ?? .string("latest"), .bool(false)])
            position = try BlockHeader(answer).reference
            try await store.setCursor(name, position)
        }
        let fresh = LogCursor(
            .init(confirmations: settings.confirmations, longestRange: settings.longestRange), position: position)
        cursor = fresh
        return fresh
    }

    private static func header(_ number: UInt64) -> RPCCall {
        RPCCall("eth_getBlockByNumber", [.string(Quantity.encode(number)), .bool(false)])
    }

    private func read(_ blocks: ClosedRange<UInt64>, _ cursor: inout LogCursor, node: Int) async throws -> Bool {
        let before = try await client.batch([Self.header(blocks.upperBound)], at: node)
        let expected = try BlockHeader(before.value(0)).hash
        let answers: RPCClient.Answers
        do throws(RPCError) {
            answers = try await client.batch(
                [filter.call(blocks), Self.header(blocks.lowerBound), Self.header(blocks.upperBound)], at: node)
            if case .failure(let error) = answers.results[0] { throw error }
        } catch {
            // Too many blocks, too many logs, too large an answer, too slow: fewer may do.
            guard error.refusal == .rangeTooLarge || error.kind == .tooLarge || error.kind == .timedOut,
                blocks.count > 1
            else { throw error }
            cursor.shrink()
            self.cursor = cursor
            return true
        }
        let verdict = cursor.judge(
            expectedEnd: expected, first: try? BlockHeader(answers.value(1)), end: try? BlockHeader(answers.value(2)))
        let logs = try ChainLog.readAll(answers.value(0))
        guard logs.allSatisfy({ blocks.contains($0.block.number) }) else {
            throw RPCError(.malformed, "logs of other blocks than were asked for")
        }
        return try await conclude(verdict, logs, &cursor, node: node)
    }

    private func readByHash(_ blocks: ClosedRange<UInt64>, _ cursor: inout LogCursor, node: Int) async throws -> Bool {
        let answers = try await client.batch(blocks.map(Self.header), at: node)
        // What the node does not have yet comes later.
        let headers = answers.results.prefix { (try? $0.get().isNull) == false }.compactMap {
            try? BlockHeader($0.get())
        }
        let verdict = cursor.judge(headers)
        guard case .commit = verdict else { return try await conclude(verdict, [], &cursor, node: node) }
        let found = try await client.batch(headers.map { filter.call(block: $0.hash) }, at: node)
        var logs: [ChainLog] = []
        for (header, result) in zip(headers, found.results) {
            let ofBlock = try ChainLog.readAll(result.get())
            guard ofBlock.allSatisfy({ $0.block == header.reference }) else {
                throw RPCError(.malformed, "logs of another block than was asked for")
            }
            logs += ofBlock
        }
        return try await conclude(verdict, logs, &cursor, node: node)
    }

    private func conclude(
        _ verdict: LogCursor.Verdict, _ logs: [ChainLog], _ cursor: inout LogCursor, node: Int
    ) async throws -> Bool {
        switch verdict {
        case .doubt:
            return false
        case .walkBack:
            return try await walkBack(&cursor, node: node)
        case .commit(let end):
            let fresh = try await store.takeLogs(name, filter.placed(logs), cursor: end)
            cursor.advance(to: end)
            self.cursor = cursor
            if fresh > 0 { news() }
            if end.number % 256 == 0 || logs.count > 256 {
                try await store.pruneLogs(name, below: end.number > settings.memory ? end.number - settings.memory : 0)
            }
            return true
        }
    }

    /// Finds the newest block that was read and still is the chain's, and reads on from there: what comes again is known.
    private func walkBack(_ cursor: inout LogCursor, node: Int) async throws -> Bool {
        let taken = try await store.checkpoints(name)
        var ancestor: BlockReference?
        for part in stride(from: 0, to: taken.count, by: 64) where ancestor == nil {
            let slice = Array(taken[part..<min(part + 64, taken.count)])
            let answers = try await client.batch(slice.map { Self.header($0.number) }, at: node)
            var canonical: [UInt64: Hash32] = [:]
            for result in answers.results {
                if let header = try? BlockHeader(result.get()) { canonical[header.number] = header.hash }
            }
            ancestor = LogCursor.ancestor(slice, canonical: canonical)
        }
        guard let ancestor else {
            if !isLost {
                logger.error(
                    "the log feed cannot go on: the node is on another chain than was read so far",
                    metadata: ["feed": "\(name)", "node": "\(client.endpoints[node])"])
            }
            isLost = true
            throw RPCError(
                .malformed,
                "none of the \(taken.count) blocks that were read last is on the chain of \(client.endpoints[node])")
        }
        isLost = false
        logger.notice(
            "the chain was reorganised",
            metadata: ["feed": "\(name)", "from": "\(cursor.position.number)", "to": "\(ancestor.number)"])
        try await store.rewind(name, to: ancestor)
        cursor.goBack(to: ancestor)
        self.cursor = cursor
        return true
    }
}
