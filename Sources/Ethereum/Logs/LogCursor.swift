// SPDX-License-Identifier: GPL-3.0-or-later

/// Where a feed is on the chain, and what it does next. Without I/O.
struct LogCursor: Hashable, Sendable {
    struct Settings: Hashable, Sendable {
        /// Blocks on top of one before its logs are taken; 0: at once.
        var confirmations: UInt64
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

    init(_ settings: Settings, position: BlockReference) {
        self.settings = settings
        self.position = position
    }

    /// What a node's newest block says of its block at our position: nil when it has none. Above our successor it says
    /// nothing, and the first block that is read must continue ours.
    func hash(atPositionOf newest: BlockHeader) -> Hash32? {
        if newest.number < position.number { return nil }
        if newest.number == position.number { return newest.hash }
        return newest.number == position.number + 1 ? newest.parent : position.hash
    }

    /// The newest block whose logs may be taken.
    func end(head: UInt64) -> UInt64? {
        guard head >= settings.confirmations, head - settings.confirmations > position.number else { return nil }
        return head - settings.confirmations
    }

    /// - Parameters:
    ///   - head: of a node.
    ///   - atPosition: the hash of that node's block at our position, nil when it has none.
    ///   - span: blocks that this node is asked for at once.
    func next(head: UInt64, atPosition: Hash32?, span: UInt64) -> Step {
        guard let atPosition else { return .upToDate }
        guard atPosition == position.hash else { return .walkBack }
        guard let end = end(head: head) else { return .upToDate }
        let from = position.number + 1
        if end - position.number <= settings.byHash { return .blocks(from...end) }
        // Leaves the newest ones to be asked by hash.
        let last = max(from, end - min(settings.byHash, end - from))
        return .range(from...(from + min(last - from, max(1, span) - 1)))
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
    }

    mutating func goBack(to block: BlockReference) {
        position = block
    }

    /// The newest block that was taken and still is the chain's.
    static func ancestor(_ taken: [BlockReference], canonical: [UInt64: Hash32]) -> BlockReference? {
        taken.filter { canonical[$0.number] == $0.hash }.max { $0.number < $1.number }
    }
}
