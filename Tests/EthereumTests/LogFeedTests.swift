// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Logging
import NIOConcurrencyHelpers
import Testing

@testable import Ethereum

@Suite("The log feed and odd nodes")
struct LogFeedTests {
    typealias Node = ScriptedNodes.Node

    /// A feed from block 0 on, with its store.
    struct Harness {
        let nodes: ScriptedNodes
        let client: RPCClient
        let feed: LogFeed
        let store: ChainStore
        let warnings: NIOLockedValueBox<[String]>
        let touches = NIOLockedValueBox(0)

        /// All logs that were delivered, by their blocks.
        func delivered() async throws -> [UInt64] { try await feed.next(limit: 10_000).map(\.log.block.number) }
    }

    private func harness(
        _ nodes: ScriptedNodes, _ hosts: [String], confirmations: UInt64 = 0,
        clock: NIOLockedValueBox<ContinuousClock.Instant> = .init(.now), _ body: (Harness) async throws -> Void
    ) async throws {
        let folder = NSTemporaryDirectory() + "feed-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let warnings = NIOLockedValueBox<[String]>([])
        let logger = Logger(label: "test") { _ in WarningHandler(box: warnings) }
        let client = RPCClient(
            endpoints: try hosts.map { try RPCEndpoint(http: "http://\($0)") }, chainID: 7, transport: nodes,
            logger: logger,
            now: { clock.withLockedValue { $0 } })
        let store = try ChainStore(path: folder + "/chain.sqlite")
        var settings = LogFeed.Settings()
        settings.confirmations = confirmations
        settings.firstBlock = 0
        let feed = LogFeed(
            name: "feed", filter: LogFilter(contracts: [Stage.contract]), client: client, store: store,
            settings: settings,
            logger: logger)
        let harness = Harness(nodes: nodes, client: client, feed: feed, store: store, warnings: warnings)
        feed.watch { harness.touches.withLockedValue { $0 += 1 } }
        try await body(harness)
        store.close()
    }

    private static let some: [UInt64: Int] = [1: 1, 17: 2, 300: 1, 599: 1, 600: 1]
    private static let places: [UInt64] = [1, 17, 17, 300, 599, 600]

    @Test(
        "a range is refused in whatever words, or under a status: smaller ones are asked for, to 50, 10, 5 and 1 blocks",
        arguments: [
            (50, -32614, "eth_getLogs is limited to a 50 range", nil),
            (50, -32602, "range 603 exceeds limit of 50", nil),
            (50, 35, "ranges over 50 blocks are not supported on freetier", nil),
            (50, -32000, "eth_getLogs and eth_newFilter are limited to a 50 blocks range", nil),
            (50, -32000, "logs matched by query exceeds limit of 10000", nil),
            (50, -32000, "backend response too large", nil), (50, -32002, "request timed out", nil),
            (50, -32000, "query timeout exceeded", nil), (50, -32005, "query exceeds max results 20000", nil),
            (50, -32000, "requested too many blocks from 1 to 603, maximum is set to 50", nil),
            (50, -32000, "block range is too wide (maximum 50)", nil),
            (50, -32000, "exceed maximum block range: 50", nil),
            (10, -32000, "Requested range exceeds maximum range limit", nil), (5, 3, "execution reverted", nil),
            (1, -32000, "nein", nil), (50, -32601, "the method does not exist", nil), (50, 0, "", 400),
            (10, 0, "", 413),
            (50, 0, "", 500), (50, 0, "", 503),
        ] as [(UInt64, Int64, String, Int?)])
    func ranges(_ limit: UInt64, _ code: Int64, _ words: String, _ status: Int?) async throws {
        var node = Node()
        node.range = limit
        node.rangeError = .object(["code": .integer(code), "message": .string(words), "all": .bool(true)])
        node.rangeStatus = status
        try await harness(ScriptedNodes(head: 600, logs: Self.some, ["a": node]), ["a"]) { harness async throws in
            // Under a status the whole batch fails, and the node is left alone for a moment each time.
            for _ in 0..<(status == nil ? 1 : 20) { await harness.feed.catchUp() }
            #expect(await harness.feed.position?.number == 600)
            #expect(await harness.feed.lag == 0)
            #expect(await harness.feed.hasCaughtUp)
            #expect(try await harness.delivered() == Self.places)
            let ranges = harness.nodes.world.withLockedValue { $0.ranges }
            #expect(ranges.filter { $0 > limit }.count <= 24, "\(ranges)")
        }
    }

    @Test("another node is asked when the first one refuses: the one with the widest range reads on")
    func otherNode() async throws {
        var narrow = Node()
        narrow.range = 5
        let nodes = ScriptedNodes(head: 20_000, logs: Self.some, ["a": narrow, "b": Node()])
        try await harness(nodes, ["a", "b"]) { harness async throws in
            await harness.feed.catchUp()
            #expect(await harness.feed.position?.number == 20_000)
            #expect(try await harness.delivered() == Self.places)
            #expect(harness.nodes.requests < 100, "not in steps of 5")
        }
    }

    @Test("a node that gives no logs at all is told of after some tries, once, and so is the end of it")
    func warning() async throws {
        var node = Node()
        node.range = 0
        node.takesBlockHash = false
        let clock = NIOLockedValueBox(ContinuousClock.Instant.now)
        try await harness(ScriptedNodes(head: 600, logs: Self.some, ["a": node]), ["a"], clock: clock) {
            harness async throws in
            for _ in 0..<12 { await harness.feed.catchUp() }
            #expect(await harness.feed.position?.number == 0)
            #expect(await harness.feed.lag == 600)
            #expect(harness.warnings.withLockedValue { $0.count { $0.contains("makes no progress") } } == 1)
            #expect(harness.nodes.requests < 100, "no loop that never waits")
            harness.nodes.change { $0.nodes["a"] = Node() }
            await harness.feed.catchUp()
            #expect(await harness.feed.position?.number == 600)
        }
    }

    @Test(
        "the first node stops syncing and answers on: the others' blocks are read, and it is used again when it is back"
    )
    func stuckNode() async throws {
        let clock = NIOLockedValueBox(ContinuousClock.Instant.now)
        let nodes = ScriptedNodes(head: 100, logs: [120: 1], ["a": Node(), "b": Node()])
        try await harness(nodes, ["a", "b"], clock: clock) { harness async throws in
            await harness.feed.catchUp()
            #expect(harness.nodes.requests(to: "b") == 0)
            nodes.change {
                $0.nodes["a"]?.head = 100
                $0.head = 150
            }
            await harness.client.compareHeads()
            #expect(await harness.feed.lag == 50, "against the best, not against its own")
            clock.withLockedValue { $0 += .seconds(6) }
            await harness.feed.catchUp()
            await harness.feed.catchUp()
            #expect(await harness.feed.position?.number == 150)
            #expect(try await harness.delivered() == [120])
            #expect(harness.client.order() == [1, 0])
            nodes.change { $0.nodes["a"]?.head = nil }
            clock.withLockedValue { $0 += .seconds(20) }
            await harness.client.compareHeads()
            #expect(harness.client.order() == [0, 1])
        }
    }

    @Test("after a restart a node that lacks the cursor's block is passed over at once")
    func lacksCursor() async throws {
        let nodes = ScriptedNodes(head: 500, logs: [450: 1], ["a": Node(), "b": Node()])
        nodes.change { $0.nodes["a"]?.head = 100 }
        try await harness(nodes, ["a", "b"]) { harness async throws in
            try await harness.store.setCursor("feed", BlockReference(number: 400, hash: Stage.hash(400)))
            await harness.feed.catchUp()
            #expect(await harness.feed.position?.number == 500)
            #expect(try await harness.delivered() == [450])
        }
    }

    @Test("a node that claims blocks which it does not have is not believed; the next one is read from")
    func liar() async throws {
        let nodes = ScriptedNodes(head: 300, logs: Self.some, ["a": Node(), "b": Node()])
        nodes.change { $0.nodes["a"]?.claims = 1 << 50 }
        try await harness(nodes, ["a", "b"]) { harness async throws in
            for _ in 0..<4 { await harness.feed.catchUp() }
            #expect(await harness.feed.position?.number == 300)
            #expect(harness.client.order() == [1, 0])
            #expect(harness.nodes.requests < 80)
        }
        nodes.change { $0.nodes["a"]?.claims = UInt64.max }
        try await harness(nodes, ["a", "b"]) { harness async throws in
            for _ in 0..<2 { await harness.feed.catchUp() }
            #expect(await harness.feed.position?.number == 300, "a number beyond any chain's is no block")
        }
    }

    @Test(
        "blocks without what is not needed",
        arguments: [
            ["gasLimit"], ["logsBloom"], ["transactions"], ["baseFeePerGas"],
            ["gasLimit", "logsBloom", "transactions"],
        ])
    func leftOut(_ fields: [String]) async throws {
        var node = Node()
        node.leavesOut = Set(fields)
        try await harness(ScriptedNodes(head: 20, logs: [3: 1, 19: 1], ["a": node]), ["a"]) { harness async throws in
            await harness.feed.catchUp()
            #expect(try await harness.delivered() == [3, 19])
        }
    }

    @Test("a node that takes no block's hash for logs gives them by number")
    func noHashes() async throws {
        var node = Node()
        node.takesBlockHash = false
        let nodes = ScriptedNodes(head: 20, logs: [3: 1, 19: 1, 21: 1], ["a": node])
        try await harness(nodes, ["a"]) { harness async throws in
            await harness.feed.catchUp()
            #expect(try await harness.delivered() == [3, 19])
            let before = nodes.requests
            nodes.change { $0.head = 21 }
            await harness.feed.catchUp()
            #expect(try await harness.delivered() == [3, 19, 21])
            #expect(nodes.requests - before == 2, "it is remembered")
        }
    }

    @Test(
        "an idle chain costs one call a block, whatever the confirmations; a block of ours one more",
        arguments: [0, 6, 200])
    func idle(_ confirmations: UInt64) async throws {
        let nodes = ScriptedNodes(head: 400, logs: [410: 1], ["a": Node()])
        try await harness(nodes, ["a"], confirmations: confirmations) { harness async throws in
            await harness.feed.catchUp()
            let (requests, calls) = (nodes.requests, nodes.calls)
            for head in 401...409 {
                nodes.change { $0.head = UInt64(head) }
                await harness.feed.catchUp()
            }
            #expect(nodes.requests - requests == 9)
            #expect(nodes.calls - calls == (confirmations == 0 ? 9 : 18))
            #expect(harness.touches.withLockedValue { $0 } == 0)
            nodes.change { $0.head = 410 }
            await harness.feed.catchUp()
            #expect(harness.touches.withLockedValue { $0 } > 0, "told when it is seen, not when it is final")
            for head in 411...(410 + confirmations + 1) {
                nodes.change { $0.head = head }
                await harness.feed.catchUp()
            }
            #expect(try await harness.delivered() == [410])
            #expect(nodes.requests - requests == 9 + 1 + Int(confirmations) + 1 + 1)
        }
    }

    @Test("where blooms are wrong, that shows by our own receipts, and every block is asked for its logs")
    func wrongBlooms() async throws {
        var node = Node()
        node.bloomLies = true
        let nodes = ScriptedNodes(head: 10, logs: [12: 1, 14: 1], ["a": node])
        try await harness(nodes, ["a"]) { harness async throws in
            await harness.feed.catchUp()
            for head in 11...12 {
                nodes.change { $0.head = UInt64(head) }
                await harness.feed.catchUp()
            }
            #expect(try await harness.delivered().isEmpty)
            let block = BlockReference(number: 12, hash: Stage.hash(12))
            let log = ChainLog(
                address: Stage.contract, topics: [.zero], data: [], block: block, transaction: Stage.hash(1200),
                index: 0)
            await harness.feed.offer(
                TransactionReceipt(
                    transaction: Stage.hash(1200), block: block, succeeded: true, gasUsed: 1, gasPrice: nil, logs: [log]
                ))
            for head in 13...14 {
                nodes.change { $0.head = UInt64(head) }
                await harness.feed.catchUp()
            }
            #expect(try await harness.delivered() == [12, 14])
        }
    }

    @Test("a fork is walked back from, and read again")
    func fork() async throws {
        let nodes = ScriptedNodes(head: 20, logs: [18: 1], ["a": Node()])
        try await harness(nodes, ["a"]) { harness async throws in
            await harness.feed.catchUp()
            nodes.change {
                $0.forkAt = 15
                $0.head = 22
                $0.logs = [19: 1]
            }
            for _ in 0..<3 { await harness.feed.catchUp() }
            #expect(await harness.feed.position == BlockReference(number: 22, hash: Stage.hash(22, fork: 1)))
            #expect(try await harness.delivered() == [19])
        }
    }

    @Test("a search of the past goes down to the ranges that a node takes, as far as its requests suffice")
    func search() async throws {
        var narrow = Node()
        narrow.range = 10
        try await harness(ScriptedNodes(head: 3600, logs: Self.some, ["a": narrow]), ["a"]) { harness async throws in
            let search = LogSearch(client: harness.client, filter: LogFilter(contracts: [Stage.contract]))
            let all = try await search.logs(in: 100...3600, requests: 1000)
            #expect(all.from == 100 && all.logs.map(\.block.number).sorted() == [300, 599, 600])
            let part = try await search.logs(in: 0...3600, requests: 20)
            #expect(part.from > 3300 && part.from < 3600 && part.logs.isEmpty)
            harness.nodes.change { $0.nodes["a"]?.range = 0 }
            await #expect(throws: RPCError.self) { try await search.logs(in: 0...3600, requests: 1000) }
        }
    }
}

/// Keeps what is warned of.
struct WarningHandler: LogHandler {
    let box: NIOLockedValueBox<[String]>
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .warning

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        box.withLockedValue { $0.append("\(event.message)") }
    }
}
