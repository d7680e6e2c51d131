// SPDX-License-Identifier: GPL-3.0-or-later

/// Where a feed is on the chain, and what it does next. Without I/O.
struct LogCursor: Hashable, Sendable {
    struct Settings: Hashable, Sendable {
        /// Blocks on top of one before its logs are taken; 0: at once.
        var confirmations: UInt64
        /// Blocks that are asked for at once, at most.
        var longestRange: UInt64 = 2048
        /// The newest ones are asked by their hash, so many at once.
        var byHash: UInt64 = 16
    }

    enum Step: Hashable, Sendable {
        case upToDate
        /// By number; the end's hash is asked for before.
        case range(ClosedRange<UInt64>)
        /// One by one, by hash.
        case blocks(ClosedRange<UInt64>)
        /// The chain is not the one that was read.
        case walkBack
    }

    enum Verdict: Hashable, Sendable {
        case commit(BlockReference)
        /// This node is behind, or between two forks: ask again later.
        case doubt
        case walkBack
    }

    let settings: Settings
    /// Everything up to this block has been taken.
    private(set) var position: BlockReference
    private(set) var span: UInt64

    init(_ settings: Settings, position: BlockReference) {
        self.settings = settings
        self.position = position
        span = settings.longestRange
    }

    /// - Parameters:
    ///   - head: of a node.
    ///   - atPosition: the hash of that node's block at our position, nil when it has none.
    func next(head: UInt64, atPosition: Hash32?) -> Step {
        guard let atPosition else { return .upToDate }
        guard atPosition == position.hash else { return .walkBack }
        guard head >= settings.confirmations, head - settings.confirmations > position.number else { return .upToDate }
        let end = head - settings.confirmations
        let from = position.number + 1
        if end - position.number <= settings.byHash { return .blocks(from...end) }
        // Leaves the newest ones to be asked by hash.
        let last = max(from, end - min(settings.byHash, end - from))
        return .range(from...min(last, from + span - 1))
    }

    /// Whether a range's logs may be taken: the same answer must hold the end block with the hash it had before, and a
    /// first block that continues ours. A node that is not there yet says "no logs" too.
    func judge(expectedEnd: Hash32, first: BlockHeader?, end: BlockHeader?) -> Verdict {
        guard let first, let end else { return .doubt }
        guard first.number == position.number + 1, end.number >= first.number else { return .doubt }
        guard first.parent == position.hash else { return .walkBack }
        guard end.hash == expectedEnd else { return .doubt }
        return .commit(end.reference)
    }

    /// Headers of consecutive blocks: how many of them continue our position.
    func judge(_ headers: [BlockHeader]) -> Verdict {
        var last = position
        for header in headers {
            guard header.number == last.number + 1 else { return .doubt }
            guard header.parent == last.hash else { return last == position ? .walkBack : .doubt }
            last = header.reference
        }
        return last == position ? .doubt : .commit(last)
    }

    mutating func advance(to block: BlockReference) {
        position = block
        span = min(settings.longestRange, span * 2)
    }

    /// The node does not give that many at once.
    mutating func shrink() {
        span = max(1, span / 4)
    }

    mutating func goBack(to block: BlockReference) {
        position = block
    }

    /// The newest block that was taken and still is the chain's.
    static func ancestor(_ taken: [BlockReference], canonical: [UInt64: Hash32]) -> BlockReference? {
        taken.filter { canonical[$0.number] == $0.hash }.max { $0.number < $1.number }
    }
}
