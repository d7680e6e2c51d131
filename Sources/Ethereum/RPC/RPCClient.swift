// SPDX-License-Identifier: GPL-3.0-or-later

public import Logging
internal import NIOConcurrencyHelpers

/// Asks one of several nodes; the next one when the first is away, lags, or talks nonsense.
public final class RPCClient: Sendable {
    public struct Settings: Sendable {
        /// For one answer. Default 10 s.
        public var timeout: Duration = .seconds(10)
        /// Bytes of one answer. Default 16 MiB.
        public var answerLimit = 16 << 20
        /// How long a node that failed is left alone: doubled each time, up to the second. That is also the longest that a
        /// node may ask for by Retry-After.
        public var pause: Duration = .seconds(1)
        public var longestPause: Duration = .seconds(60)
        /// Blocks whose logs are asked for at once. Default 2048.
        public var longestRange: UInt64 = 2048

        public init() {}
    }

    /// What one node answered to a batch.
    public struct Answers: Sendable {
        /// Which node, by its place in the configuration.
        public var node: Int
        /// One for each call.
        public var results: [Result<JSONValue, RPCError>]

        public func value(_ index: Int) throws(RPCError) -> JSONValue {
            try results[index].get()
        }
    }

    /// What went to the nodes since the start.
    public struct Traffic: Codable, Hashable, Sendable {
        /// HTTP requests.
        public var requests: UInt64 = 0
        /// JSON-RPC calls in them.
        public var calls: UInt64 = 0
    }

    struct State {
        var table: NodeTable
        var nextID: Int64 = 1
        var chainID: UInt64?
        var traffic = Traffic()
    }

    public let endpoints: [RPCEndpoint]
    let transport: any RPCTransport
    let settings: Settings
    let logger: Logger
    let now: @Sendable () -> ContinuousClock.Instant
    let state: NIOLockedValueBox<State>

    /// - Parameters:
    ///   - endpoints: at least one; the first is preferred.
    ///   - chainID: what every node must serve; nil: what the first one says.
    public init(
        endpoints: [RPCEndpoint], chainID: UInt64? = nil, transport: any RPCTransport, settings: Settings = Settings(),
        logger: Logger, now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        precondition(!endpoints.isEmpty, "a client needs a node")
        self.endpoints = endpoints
        self.transport = transport
        self.settings = settings
        self.logger = logger
        self.now = now
        let table = NodeTable(
            count: endpoints.count,
            settings: .init(
                pause: settings.pause, longestPause: settings.longestPause, longestRange: settings.longestRange),
            now: now())
        state = NIOLockedValueBox(State(table: table, chainID: chainID))
    }

    /// Of the nodes. Asks one when that is not known yet.
    public func chainID() async throws(RPCError) -> UInt64 {
        if let known = state.withLockedValue({ $0.chainID }) { return known }
        _ = try await batch([RPCCall("eth_chainId")])
        guard let known = state.withLockedValue({ $0.chainID }) else {
            throw RPCError(.malformed, "no node has told its chain id")
        }
        return known
    }

    public var traffic: Traffic { state.withLockedValue { $0.traffic } }

    // MARK: asking

    public func call(_ method: String, _ parameters: [JSONValue] = []) async throws(RPCError) -> JSONValue {
        try await batch([RPCCall(method, parameters)]).value(0)
    }

    /// All calls to one node, in one request if it takes that. A node's refusal of a call is that call's result; only when
    /// no node gives an answer at all it throws, the last node's error.
    public func batch(_ calls: [RPCCall]) async throws(RPCError) -> Answers {
        var last = RPCError(.refused(.rateLimited), "every node has asked for a pause")
        for node in order() {
            do throws(RPCError) {
                return try await batch(calls, at: node)
            } catch {
                last = error
            }
        }
        throw last
    }

    /// In the order of the configuration, those that trail and those that failed last; without those that asked for a pause.
    func order(byRange: Bool = false) -> [Int] {
        let instant = now()
        return state.withLockedValue { $0.table.order(at: instant, byRange: byRange) }
    }

    /// All calls to this node.
    public func batch(_ calls: [RPCCall], at node: Int) async throws(RPCError) -> Answers {
        let instant = now()
        guard !state.withLockedValue({ $0.table.isShut(node, at: instant) }) else {
            throw RPCError(.refused(.rateLimited), "\(endpoints[node]): is left alone for a while")
        }
        do throws(RPCError) {
            if !state.withLockedValue({ $0.table.isVerified(node) }) { try await verify(node) }
            let results = try await ask(calls, node)
            state.withLockedValue { $0.table.answered(node, at: now()) }
            return Answers(node: node, results: results)
        } catch {
            pause(node, after: error)
            throw error
        }
    }

    /// A node of another chain would tell of other accounts' nonces and other contracts' logs.
    private func verify(_ node: Int) async throws(RPCError) {
        let results = try await ask([RPCCall("eth_chainId")], node)
        guard let served = try results[0].get().text.flatMap(Quantity.decode64) else {
            throw RPCError(.malformed, "\(endpoints[node]): gives no chain id")
        }
        let expected = state.withLockedValue { state in
            if state.chainID == nil { state.chainID = served }
            return state.chainID
        }
        guard served == expected else {
            throw RPCError(
                .wrongChain, "\(endpoints[node]): serves chain \(served), not \(expected ?? 0): correct its address")
        }
        state.withLockedValue { $0.table.verified(node) }
    }

    private func pause(_ node: Int, after error: RPCError) {
        let failures = state.withLockedValue { $0.table.failed(node, error, at: now()) }
        let metadata: Logger.Metadata = ["node": "\(endpoints[node])", "why": "\(error)"]
        if error.kind == .wrongChain {
            logger.error("a node is left out", metadata: metadata)
        } else if failures == 0, !Task.isCancelled {
            logger.info("a node gives no answer", metadata: metadata)
        } else {
            logger.debug("a node gives no answer", metadata: metadata)
        }
    }
}
