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
        /// How long a node that failed is left alone: doubled each time, up to the second.
        public var pause: Duration = .seconds(1)
        public var longestPause: Duration = .seconds(60)

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

    private struct Node {
        var failures = 0
        var restsUntil = ContinuousClock.Instant.now
        /// It has said that it serves our chain since it last failed.
        var isVerified = false
    }

    private struct State {
        var nodes: [Node]
        var nextID: Int64 = 1
        var chainID: UInt64?
    }

    public let endpoints: [RPCEndpoint]
    private let transport: any RPCTransport
    private let settings: Settings
    private let logger: Logger
    private let now: @Sendable () -> ContinuousClock.Instant
    private let state: NIOLockedValueBox<State>

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
        state = NIOLockedValueBox(State(nodes: endpoints.map { _ in Node() }, chainID: chainID))
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

    // MARK: asking

    public func call(_ method: String, _ parameters: [JSONValue] = []) async throws(RPCError) -> JSONValue {
        try await batch([RPCCall(method, parameters)]).value(0)
    }

    /// All calls to one node, in one request. A node's refusal of a call is that call's result; only when no node gives
    /// an answer at all it throws, the last node's error.
    public func batch(_ calls: [RPCCall]) async throws(RPCError) -> Answers {
        var last = RPCError(.unreachable, "no node is left to ask")
        for node in order() {
            do throws(RPCError) {
                return try await batch(calls, at: node)
            } catch {
                last = error
            }
        }
        throw last
    }

    /// In the order of the configuration, those that rest last: the first is used again as soon as it is back, since a
    /// second one may lag.
    func order() -> [Int] {
        let instant = now()
        return state.withLockedValue { state in
            let awake = endpoints.indices.filter { state.nodes[$0].restsUntil <= instant }
            return awake + endpoints.indices.filter { !awake.contains($0) }
        }
    }

    /// All calls to this node.
    public func batch(_ calls: [RPCCall], at node: Int) async throws(RPCError) -> Answers {
        do throws(RPCError) {
            if !state.withLockedValue({ $0.nodes[node].isVerified }) { try await verify(node) }
            let results = try await ask(calls, node)
            state.withLockedValue { state in
                state.nodes[node].failures = 0
                state.nodes[node].restsUntil = now()
            }
            return Answers(node: node, results: results)
        } catch {
            rest(node, after: error)
            throw error
        }
    }

    private func ask(_ calls: [RPCCall], _ node: Int) async throws(RPCError) -> [Result<JSONValue, RPCError>] {
        let firstID = state.withLockedValue { state in
            defer { state.nextID += Int64(calls.count) }
            return state.nextID
        }
        let body = try await transport.post(
            RPCCodec.encode(calls, firstID: firstID), to: endpoints[node], timeout: settings.timeout,
            answerLimit: settings.answerLimit)
        do throws(RPCError) {
            return try RPCCodec.decode(body, count: calls.count, firstID: firstID)
        } catch {
            if error.refusal == .batchTooLarge, calls.count > 1 {
                let half = calls.count / 2
                return try await ask(Array(calls[..<half]), node) + (try await ask(Array(calls[half...]), node))
            }
            throw RPCError(error.kind, "\(endpoints[node]): \(error.message)", code: error.code)
        }
    }

    /// A node of another chain would tell of other accounts' nonces and other contracts' logs.
    private func verify(_ node: Int) async throws(RPCError) {
        let answer = try await ask([RPCCall("eth_chainId")], node)
        guard let served = try answer[0].get().text.flatMap(Quantity.decode64) else {
            throw RPCError(.malformed, "\(endpoints[node]): eth_chainId gives no number")
        }
        let expected = state.withLockedValue { state in
            if state.chainID == nil { state.chainID = served }
            return state.chainID
        }
        guard served == expected else {
            throw RPCError(
                .wrongChain, "\(endpoints[node]): serves chain \(served), not \(expected ?? 0): correct its address")
        }
        state.withLockedValue { $0.nodes[node].isVerified = true }
    }

    private func rest(_ node: Int, after error: RPCError) {
        let failures = state.withLockedValue { state in
            let failures = state.nodes[node].failures
            state.nodes[node].failures += 1
            state.nodes[node].isVerified = false
            let pause = min(settings.longestPause, settings.pause * (1 << min(failures, 10)))
            state.nodes[node].restsUntil = now() + (error.kind == .wrongChain ? settings.longestPause : pause)
            return failures
        }
        let metadata: Logger.Metadata = ["node": "\(endpoints[node])", "why": "\(error)"]
        if error.kind == .wrongChain {
            logger.error("a node is left out", metadata: metadata)
        } else if failures == 0 {
            logger.info("a node gives no answer", metadata: metadata)
        } else {
            logger.debug("a node gives no answer", metadata: metadata)
        }
    }
}
