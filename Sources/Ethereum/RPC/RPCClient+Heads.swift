// SPDX-License-Identifier: GPL-3.0-or-later

internal import Logging
internal import NIOConcurrencyHelpers
public import ServiceLifecycle

/// Where each node is on the chain.
extension RPCClient {
    static let latest = RPCCall("eth_getBlockByNumber", [.string("latest"), .bool(false)])

    static func header(_ number: UInt64) -> RPCCall {
        RPCCall("eth_getBlockByNumber", [.string(Quantity.encode(number)), .bool(false)])
    }

    /// A node said that this is its newest block.
    /// - Parameter askedAt: before the question was sent.
    func observe(_ head: UInt64, of node: Int, askedAt: ContinuousClock.Instant) {
        let before = order().first
        state.withLockedValue { $0.table.observe(head, of: node, askedAt: askedAt) }
        let after = order().first
        if let before, let after, before != after {
            logger.info(
                "another node is asked: it has newer blocks, or the preferred one is there again",
                metadata: ["node": "\(endpoints[after])", "old": "\(endpoints[before])"])
        }
    }

    /// Logs were read up to this block: a node without it trails.
    func need(_ block: UInt64) { state.withLockedValue { $0.table.need(block) } }

    /// It said what cannot be.
    func doubt(_ node: Int, _ why: String) {
        state.withLockedValue { $0.table.doubt(node, at: now()) }
        logger.debug("a node is not believed", metadata: ["node": "\(endpoints[node])", "why": "\(why)"])
    }

    func trust(_ node: Int) { state.withLockedValue { $0.table.trust(node) } }

    /// The newest block that any node has told of.
    public var best: UInt64? { state.withLockedValue { $0.table.best(at: now()) } }

    /// Asks every node for its head, also those that are not used: one that stands still looks like a quiet chain.
    func compareHeads() async {
        let instant = now()
        let asked = order()
        await withTaskGroup(of: Void.self) { group in
            for node in asked {
                group.addTask {
                    guard let head = try? BlockHeader(await self.batch([Self.latest], at: node).value(0)) else {
                        return
                    }
                    self.observe(head.number, of: node, askedAt: instant)
                }
            }
        }
    }

    /// Compares the heads of several nodes, now and then; nothing to do for a single one.
    public struct HeadComparison: Service {
        let client: RPCClient
        let interval: Duration

        public init(client: RPCClient, interval: Duration = .seconds(20)) {
            self.client = client
            self.interval = interval
        }

        public func run() async throws {
            guard client.endpoints.count > 1 else {
                try? await gracefulShutdown()
                return
            }
            await cancelWhenGracefulShutdown {
                while !Task.isCancelled {
                    await client.compareHeads()
                    try? await Task.sleep(for: interval)
                }
            }
        }
    }
}

/// What each node takes of questions for logs.
extension RPCClient {
    func isShut(_ node: Int) -> Bool { state.withLockedValue { $0.table.isShut(node, at: now()) } }
    func range(_ node: Int) -> UInt64 { state.withLockedValue { $0.table.range(node) } }
    func rangeRefused(_ node: Int, blocks: UInt64) {
        state.withLockedValue { $0.table.rangeRefused(node, blocks: blocks) }
    }
    func rangeTaken(_ node: Int) { state.withLockedValue { $0.table.rangeTaken(node) } }
    func takesBlockHash(_ node: Int) -> Bool { state.withLockedValue { $0.table.takesBlockHash(node, at: now()) } }
    func refusesBlockHash(_ node: Int) { state.withLockedValue { $0.table.refusesBlockHash(node, at: now()) } }
}
