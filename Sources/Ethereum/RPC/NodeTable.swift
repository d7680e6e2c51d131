// SPDX-License-Identifier: GPL-3.0-or-later

internal import Support

/// What is known of each node, and which is asked next. Without I/O.
///
/// A node's head is its own claim. It trails when another one had a block for a while that it still lacks, or when it lacks
/// a block that was read before; it is then asked after those that have it.
struct NodeTable: Sendable {
    typealias Instant = ContinuousClock.Instant

    struct Settings: Hashable, Sendable {
        /// How long a node that failed is left alone: doubled each time, up to the second.
        var pause: Duration = .seconds(1)
        var longestPause: Duration = .seconds(60)
        /// How long after another node's a block is waited for.
        var grace: Duration = .seconds(5)
        /// How long it is remembered what a node does not take.
        var memory: Duration = .seconds(600)
        /// Blocks whose logs are asked for at once, at most.
        var longestRange: UInt64 = 2048

        fileprivate var retry: RetryPolicy { RetryPolicy(first: pause, ceiling: longestPause) }
    }

    struct Head: Hashable, Sendable {
        var number: UInt64
        /// When the question was sent.
        var at: Instant
    }

    private struct Node {
        var failures = 0
        var pausedUntil: Instant
        /// It asked for that, or serves another chain: it is not asked even if there is no other.
        var isShut = false
        /// It has said that it serves our chain since it last failed.
        var isVerified = false
        var head: Head?
        var doubts = 0
        var doubtedUntil: Instant
        var range: LogRange
        var batch: (size: Int, until: Instant)?
        var takesNoBlockHash: Instant?
    }

    /// When a node was the first to have a block.
    private struct Milestone {
        var number: UInt64
        var node: Int
        var at: Instant
    }

    private let settings: Settings
    private var nodes: [Node]
    private var milestones: [Milestone] = []
    /// The block that must be there: logs were read up to it.
    private var needed: UInt64 = 0

    init(count: Int, settings: Settings, now: Instant) {
        self.settings = settings
        nodes = (0..<count).map { _ in
            Node(pausedUntil: now, doubtedUntil: now, range: LogRange(longest: settings.longestRange))
        }
    }

    // MARK: which one

    /// In the order of the configuration; those that trail later, those that failed last: the first is used again as soon as
    /// it is well, since a second one may be slower.
    func order(at now: Instant, byRange: Bool = false) -> [Int] {
        let open = nodes.indices.filter { !isShut($0, at: now) }
        let tiers = [
            open.filter { rank($0, now) == 0 }, open.filter { rank($0, now) == 1 }, open.filter { rank($0, now) == 2 },
        ]
        guard byRange, let widest = tiers[0].map({ nodes[$0].range.span }).max() else { return tiers.flatMap { $0 } }
        return tiers[0].filter { nodes[$0].range.span == widest } + tiers[0].filter { nodes[$0].range.span < widest }
            + tiers[1] + tiers[2]
    }

    private func rank(_ node: Int, _ now: Instant) -> Int {
        nodes[node].pausedUntil > now || nodes[node].doubtedUntil > now ? 2 : isTrailing(node, at: now) ? 1 : 0
    }

    func isShut(_ node: Int, at now: Instant) -> Bool { nodes[node].isShut && nodes[node].pausedUntil > now }

    func isTrailing(_ node: Int, at now: Instant) -> Bool {
        guard let head = nodes[node].head else { return false }
        if head.number < needed { return true }
        return milestones.contains { stone in
            stone.node != node && stone.number > head.number && head.at - stone.at >= settings.grace
                && isCredible(stone.node, at: now) && (nodes[stone.node].head?.number ?? 0) >= stone.number
        }
    }

    private func isCredible(_ node: Int, at now: Instant) -> Bool {
        nodes[node].pausedUntil <= now && nodes[node].doubtedUntil <= now
    }

    /// The highest head of those that are believed.
    func best(at now: Instant) -> UInt64? {
        nodes.indices.filter { isCredible($0, at: now) }.compactMap { nodes[$0].head?.number }.max()
            ?? nodes.compactMap { $0.head?.number }.max()
    }

    func head(of node: Int) -> Head? { nodes[node].head }

    func isVerified(_ node: Int) -> Bool { nodes[node].isVerified }

    // MARK: what they did

    mutating func verified(_ node: Int) { nodes[node].isVerified = true }

    mutating func answered(_ node: Int, at now: Instant) {
        nodes[node].failures = 0
        nodes[node].isShut = false
        nodes[node].pausedUntil = now
    }

    /// - Returns: how often it had failed in a row before.
    mutating func failed(_ node: Int, _ error: RPCError, at now: Instant) -> Int {
        let failures = nodes[node].failures
        nodes[node].failures += 1
        nodes[node].isVerified = false
        nodes[node].isShut = error.kind == .wrongChain || error.isRateLimit
        var pause = error.kind == .wrongChain ? settings.longestPause : settings.retry.delay(attempt: failures)
        if let asked = error.retryAfter { pause = max(pause, asked) }
        nodes[node].pausedUntil = now + min(pause, settings.longestPause)
        return failures
    }

    mutating func observe(_ number: UInt64, of node: Int, askedAt: Instant) {
        nodes[node].head = Head(number: number, at: askedAt)
        if milestones.last.map({ $0.number < number }) ?? true {
            milestones.append(Milestone(number: number, node: node, at: askedAt))
            // The newest that is old enough decides; those below it say nothing more.
            if let last = milestones.lastIndex(where: { askedAt - $0.at >= settings.grace }), last > 0 {
                milestones.removeFirst(last)
            }
            if milestones.count > 1000 { milestones.removeFirst(500) }
        }
    }

    /// Logs were read up to this block.
    mutating func need(_ number: UInt64) { needed = number }

    /// What it said cannot be: its head counts for nothing until it is asked again, later each time.
    mutating func doubt(_ node: Int, at now: Instant) {
        nodes[node].doubtedUntil = now + settings.retry.delay(attempt: nodes[node].doubts)
        nodes[node].doubts += 1
        nodes[node].head = nil
        milestones.removeAll { $0.node == node }
    }

    mutating func trust(_ node: Int) { nodes[node].doubts = 0 }

    // MARK: what they do not take

    func batchLimit(_ node: Int, at now: Instant) -> Int {
        nodes[node].batch.flatMap { $0.until > now ? $0.size : nil } ?? .max
    }

    mutating func limitBatches(_ node: Int, to size: Int, at now: Instant) {
        nodes[node].batch = (max(1, size), now + settings.memory)
    }

    func range(_ node: Int) -> UInt64 { nodes[node].range.span }
    mutating func rangeRefused(_ node: Int, blocks: UInt64) { nodes[node].range.refused(blocks) }
    mutating func rangeTaken(_ node: Int) { nodes[node].range.taken() }

    func takesBlockHash(_ node: Int, at now: Instant) -> Bool { nodes[node].takesNoBlockHash.map { $0 <= now } ?? true }
    mutating func refusesBlockHash(_ node: Int, at now: Instant) {
        nodes[node].takesNoBlockHash = now + settings.memory
    }
}

/// How many blocks a node is asked for at once: halved with each refusal, whatever its words, and slowly more again.
struct LogRange: Hashable, Sendable {
    let longest: UInt64
    private(set) var span: UInt64
    private var successes = 0
    /// So many before it is more: doubled each time that more was too much.
    private var successesForMore = 16
    private var isMore = false

    init(longest: UInt64) {
        self.longest = max(1, longest)
        span = max(1, longest)
    }

    mutating func refused(_ blocks: UInt64) {
        span = max(1, min(span, blocks) / 2)
        successes = 0
        if isMore { successesForMore = min(1024, successesForMore * 2) }
        isMore = false
    }

    mutating func taken() {
        successes += 1
        guard span < longest, successes >= successesForMore else { return }
        successes = 0
        isMore = true
        span = min(longest, span + max(1, span / 4))
    }
}
