// SPDX-License-Identifier: GPL-3.0-or-later

/// Why a question to a node has no answer.
public struct RPCError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Kind: Hashable, Sendable {
        /// No connection, or it broke: whether the node has acted on the question is not known.
        case unreachable
        case timedOut
        /// The answer is larger than the limit.
        case tooLarge
        /// Not what JSON-RPC, or this method, answers.
        case malformed
        /// An HTTP status other than 200.
        case http(Int)
        /// It serves another chain, or its own id is not the configured one.
        case wrongChain
        /// The node's own error.
        case refused(Refusal)
    }

    /// What a node's error means, whatever its words: geth, coreth, subnet-evm, erigon, nethermind, besu and py-evm each
    /// have their own.
    public enum Refusal: Hashable, Sendable {
        case nonceTooLow
        case nonceTooHigh
        case alreadyKnown
        /// A transaction of this nonce waits already, and this one does not pay 10 % more.
        case replacementUnderpriced
        /// Below the base fee, or below what the node takes.
        case underpriced
        case insufficientFunds
        case gasLimitTooHigh
        case gasLimitTooLow
        /// geth's --rpc.txfeecap.
        case feeAboveNodeCap
        case poolFull
        case typeNotSupported
        /// Signed for another chain.
        case wrongChain
        case rateLimited
        case rangeTooLarge
        case unknownBlock
        case methodMissing
        case batchTooLarge
        case reverted
        case other
    }

    public var kind: Kind
    /// One line, of bounded length.
    public var message: String
    /// The node's code, such as -32000.
    public var code: Int64?
    /// What a reverted call gave.
    public var revertData: [UInt8]?
    /// How long the node asks to be left alone (Retry-After).
    public var retryAfter: Duration?

    public init(
        _ kind: Kind, _ message: String, code: Int64? = nil, revertData: [UInt8]? = nil, retryAfter: Duration? = nil
    ) {
        self.kind = kind
        self.message = Self.bounded(message)
        self.code = code
        self.revertData = revertData
        self.retryAfter = retryAfter
    }

    public var refusal: Refusal? { if case .refused(let refusal) = kind { refusal } else { nil } }

    /// The node has read the question and said no: another one may say yes, the same one will not.
    public var isRefusal: Bool { refusal != nil && refusal != .rateLimited }

    /// The node asks for fewer questions.
    var isRateLimit: Bool { kind == .http(429) || refusal == .rateLimited }

    /// An answer, of whatever words: not silence, and not the wrong chain.
    var isAnswer: Bool { kind != .unreachable && kind != .wrongChain }

    public var description: String { message }

    private static let longestMessage = 300

    /// A node's words may be anything: one line, printable, short.
    private static func bounded(_ text: String) -> String {
        let start = text.unicodeScalars.prefix(longestMessage + 1)
        let line = start.prefix(longestMessage).map { $0.value < 32 || $0.value == 127 ? " " : String($0) }.joined()
        return start.count > longestMessage ? line + "…" : line
    }

    // MARK: classification

    /// Reads the `error` of an answer.
    init(node error: JSONValue) {
        let message = error["message"]?.text ?? error.text ?? "an error without a message"
        let code = error["code"]?.integer
        // geth: data is the revert's; nethermind and others put their words there.
        let data = error["data"]?.text ?? error["data"]?["data"]?.text
        // Looked through for many phrases: no more of it than is ever shown.
        let said = Self.bounded(message) + " " + (data?.hasPrefix("0x") == true ? "" : Self.bounded(data ?? ""))
        let words = said.lowercased()
        let refusal = Self.refusal(code: code, words: words)
        self.init(
            .refused(refusal), message, code: code,
            revertData: refusal == .reverted ? data.flatMap { Hex.decode($0) } : nil)
    }

    private static let dialects: [(Refusal, [String])] = [
        (
            .alreadyKnown,
            [
                "already known", "known transaction", "alreadyknown", "already imported", "already in the pool",
                "existing tx with same hash", "already exists in cache",
            ]
        ),
        (
            .replacementUnderpriced,
            [
                "replacement transaction underpriced", "replacementnotallowed", "could not replace",
                "too low to replace", "replacement fee too low", "another tx which has the same nonce",
            ]
        ),
        (
            .nonceTooLow,
            ["nonce too low", "nonce is too low", "oldnonce", "nonce below", "nonce has already been used"]
        ),
        (.nonceTooHigh, ["nonce too high", "nonce too distant", "noncegap", "nonce too far"]),
        (
            .insufficientFunds,
            [
                "insufficient funds", "insufficient balance", "insufficientfunds", "upfront cost exceeds",
                "not enough balance", "cannot afford", "does not have enough funds", "cause overdraft",
                "not enough funds", "insufficient eth", "lack of funds",
            ]
        ),
        (.feeAboveNodeCap, ["exceeds the configured cap", "exceeds configured maximum fee"]),
        (
            .underpriced,
            [
                "underpriced", "less than block base fee", "fee cap less than", "feetoolow", "below configured minimum",
                "below the minimum", "gas price too low", "tip needed", "minimum needed", "gas price below",
                "below current minimum", "less than the current base fee", "less than the current basefee",
                "fee too low",
                "gas price too cheap", "max fee per gas less than", "tip too low", "below base fee",
                "below the base fee",
            ]
        ),
        (
            .gasLimitTooHigh,
            ["exceeds block gas limit", "gaslimitexceeded", "gas limit too high", "exceeds the block gas"]
        ),
        (
            .gasLimitTooLow,
            ["intrinsic gas", "insufficient gas", "gas limit below", "gaslimittoolow", "floor data gas"]
        ),
        (
            .poolFull,
            [
                "txpool is full", "pool is full", "transaction pool limit", "too many transactions", "pool overflow",
                "tx pool full", "queue is full",
            ]
        ),
        (
            .typeNotSupported,
            ["type not supported", "unsupported transaction type", "unsupported tx type", "invalid transaction type"]
        ),
        (.wrongChain, ["invalid sender", "invalid chain id", "wrong chain", "invalid chainid", "chain id mismatch"]),
        (.rateLimited, ["rate limit", "too many requests", "request limit", "capacity exceeded", "throttl"]),
        (.batchTooLarge, ["batch too large", "batch limit", "batch size", "too many batch"]),
        (
            .rangeTooLarge,
            [
                "query returned more than", "block range", "range is too", "requested too many blocks", "range limit",
                "response size", "too many results", "too many logs", "log response", "max results", "limit exceeded",
                "range too large",
            ]
        ),
        (
            .unknownBlock,
            [
                "unknown block", "header not found", "block not found", "header for hash not found",
                "missing trie node",
                "cannot query unfinalized", "no block", "block with such an id",
            ]
        ),
        (.reverted, ["execution reverted", "vm execution error", "revert", "transaction reverted"]),
        (
            .methodMissing,
            ["method not found", "does not exist/is not available", "method not supported", "unsupported method"]
        ),
    ]

    private static func refusal(code: Int64?, words: String) -> Refusal {
        if code == -32601 { return .methodMissing }
        if code == 3 { return .reverted }
        // py-evm and eth-tester: "Invalid transaction nonce: Expected 5, but got 3".
        if let refusal = expectedNonce(words) { return refusal }
        for (refusal, phrases) in dialects where phrases.contains(where: words.contains) { return refusal }
        return code == -32005 ? .rateLimited : .other
    }

    private static func expectedNonce(_ words: String) -> Refusal? {
        guard words.contains("nonce"), words.contains("expected") else { return nil }
        let numbers = words.split { !$0.isNumber }.compactMap { UInt64($0) }
        guard numbers.count == 2 else { return nil }
        return numbers[1] < numbers[0] ? .nonceTooLow : .nonceTooHigh
    }
}
