// SPDX-License-Identifier: GPL-3.0-or-later

/// What the queues held, as asked at the chain's newest block, until all that the chain said up to there is known. No I/O.
///
/// A state of the past would do as well, but nodes keep few of them.
struct QueueLooks: Sendable, Hashable {
    struct Look: Sendable, Hashable {
        /// The newest block when it was asked.
        var block: UInt64
        var sizes: [ClaimKind: UInt64]
        /// Of each queue, when it was asked.
        var outcomes: [ClaimKind: Int]
    }

    /// By their blocks.
    private var looks: [Look] = []
    private var newest: Look?

    var isEmpty: Bool { looks.isEmpty }
    /// The last look found nothing in any queue that answered.
    var foundNothing: Bool { newest.map { $0.sizes.values.allSatisfy { $0 == 0 } } ?? false }
    /// The block of the oldest look.
    var first: UInt64? { looks.first?.block }

    mutating func add(_ look: Look) {
        newest = look
        // A node that lags, or a chain that was reorganised: what was seen of later blocks counts no more.
        looks.removeAll { $0.block >= look.block }
        looks.append(look)
    }

    /// What each queue holds for sure, by the newest look up to a block; nil when there is none. It counts once.
    mutating func take(upTo block: UInt64, outcomes: [ClaimKind: Int]) -> [ClaimKind: UInt64]? {
        guard let index = looks.lastIndex(where: { $0.block <= block }) else { return nil }
        let look = looks[index]
        looks.removeFirst(index + 1)
        var sizes: [ClaimKind: UInt64] = [:]
        for (kind, size) in look.sizes {
            // Each outcome since may have been a claim of what was counted then.
            let since = UInt64(max(0, (outcomes[kind] ?? 0) - (look.outcomes[kind] ?? 0)))
            sizes[kind] = min(size > since ? size - since : 0, newest?.sizes[kind] ?? size)
        }
        return sizes
    }
}
