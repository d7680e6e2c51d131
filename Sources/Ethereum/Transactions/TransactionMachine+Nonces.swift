// SPDX-License-Identifier: GPL-3.0-or-later

internal import BigInt
internal import FoundationEssentials

/// Which nonces are used, by whom, and what is done about those that nothing explains.
///
/// A count is a node's claim. One above ours is believed only once a block was seen that holds another transaction of the
/// account; one below ours, from a node that is not behind, means that the chain lost a block: what is on the disk for these
/// nonces is sent again, and what nobody has is filled by a transfer of nothing to ourselves.
extension TransactionMachine {
    /// Nonces that a node counts, and that nothing of ours explains.
    struct UnexplainedNonces: Hashable, Sendable {
        let since: Date
        var searchedAt: Date?
        /// Blocks from this one up hold nothing of them.
        var searchedDownTo: UInt64?
        /// All blocks were looked at that could hold them: the count is not believed.
        var isSearched = false
    }

    /// Nonces below ones that are in flight or final, and that the chain does not count.
    struct NonceGap: Hashable, Sendable {
        let since: Date
        /// Of the views that showed it, this one included.
        var views = 1
        /// At most `gapLimit`, the lowest first.
        var nonces: [UInt64]
        /// Of those: whether the disk was asked what had them, and holds nothing that can be sent again.
        var withoutBytes: Set<UInt64> = []
        var asked: Set<UInt64> = []
    }

    /// Nonces of a gap that are dealt with at a time, and foreign ones that are named.
    static let gapLimit = 64
    /// Blocks below the head that are searched when it is not known where the count was last explained.
    static let searchDepth: UInt64 = 10_000

    /// Above every nonce of ours.
    var nextNonce: UInt64 {
        max(nonceFloor ?? 0, attempts.last.map { Self.after($0.nonce) } ?? 0)
    }

    static func after(_ nonce: UInt64) -> UInt64 { nonce < .max ? nonce + 1 : nonce }

    // MARK: a count above ours

    mutating func explain(_ seen: ChainView, _ now: Date) {
        if forgives {
            forgives = false
            forgivenBelow = seen.count
            change(.forgiven(seen.count))
            nonceFloor = max(ownFloor, seen.count)
            change(.nonceFloor(nonceFloor ?? 0))
            explainedAt = seen.head.number
            change(.explained(seen.head.number))
            unexplained = nil
            return
        }
        guard nonceFloor != nil else {
            nonceFloor = seen.count
            change(.nonceFloor(seen.count))
            explainedAt = seen.head.number
            change(.explained(seen.head.number))
            return
        }
        guard seen.count > nextNonce else {
            unexplained = nil
            explainedAt = max(explainedAt ?? 0, seen.head.number)
            return
        }
        if unexplained == nil { unexplained = UnexplainedNonces(since: now) }
    }

    /// The blocks that may hold what explains the count, the newest first.
    mutating func takeCountSearch(at now: Date) -> NonceSearch? {
        guard let head = view?.head.number, let count = view?.count, var search = unexplained, count > nextNonce else {
            return nil
        }
        let patience = settings.doubtAfter / .seconds(1)
        if let last = search.searchedAt, now.timeIntervalSince(last) < patience { return nil }
        search.searchedAt = now
        unexplained = search
        let first = countSearchBottom(head)
        let last = search.searchedDownTo.map { $0 > 0 ? $0 - 1 : 0 } ?? head
        guard last >= first else { return nil }
        return NonceSearch(nonces: nextNonce...(count - 1), blocks: first...last, isOfCount: true)
    }

    private func countSearchBottom(_ head: UInt64) -> UInt64 {
        let deepest = head > Self.searchDepth ? head - Self.searchDepth : 0
        return explainedAt.map { min(head, Self.after($0)) } ?? deepest
    }

    /// What the blocks hold of the nonces above ours.
    mutating func foundAboveOurs(_ occupants: [UInt64: NonceOccupant], downTo: UInt64, at now: Date) {
        guard unexplained != nil, let view else { return }
        let settled = occupants.filter { $0.key >= nextNonce && isDeepEnough($0.value.block, view) }
        if let highest = settled.keys.max() {
            // Nonces are mined in their order: those below it are used too.
            let first = max(nextNonce, highest > 99 ? highest - 99 : 0)
            suspect(Array(first...highest))
            raiseFloor(Self.after(highest))
            unexplained = view.count > nextNonce ? UnexplainedNonces(since: now) : nil
            return
        }
        guard occupants.isEmpty else { return }
        if downTo > countSearchBottom(view.head.number) {
            unexplained?.searchedDownTo = downTo
            // What was not read yet is read at once.
            unexplained?.searchedAt = nil
            return
        }
        // From the head again next time: there may be a new block.
        unexplained?.searchedDownTo = nil
        unexplained?.isSearched = true
        // The key has not been used here: there is nothing that a wrong count could hold up.
        if !hasSent {
            raiseFloor(view.count)
            explainedAt = view.head.number
            unexplained = nil
        }
    }

    func isDeepEnough(_ block: UInt64, _ view: ChainView) -> Bool {
        block <= view.head.number && view.head.number - block >= settings.confirmations
    }

    /// Whether a new nonce may be given: not while it is looked up who used the ones above ours.
    func maySend(at now: Date) -> Bool {
        guard nonceFloor != nil else { return false }
        guard let unexplained, !unexplained.isSearched else { return true }
        return now.timeIntervalSince(unexplained.since) >= settings.doubtAfter / .seconds(1)
    }

    mutating func suspect(_ nonces: [UInt64]) {
        let others = nonces.filter { $0 >= forgivenBelow }
        if others.isEmpty, foreign.isEmpty { return }
        foreign = Array((foreign + others).suffix(100))
        change(.foreign(foreign))
        raise(
            .foreignNonce,
            "transactions of \(address) that this agent does not know (nonce "
                + "\(foreign.map(String.init).suffix(5).joined(separator: ", "))): somebody else sends with its key, or they are "
                + "from before its state was lost: find which, then `chain acknowledge`; until then only what is essential is sent"
        )
    }

    mutating func raiseFloor(_ nonce: UInt64) {
        guard nonce > nonceFloor ?? 0 else { return }
        nonceFloor = nonce
        change(.nonceFloor(nonce))
    }

    /// An administrator knows of the foreign nonces, or of those in doubt: what the chain counts now is taken as it is, and
    /// what was meant for such a nonce gets another one.
    mutating func acknowledge() {
        foreign = []
        change(.foreign([]))
        clear(.foreignNonce)
        guard let view else { return }
        for attempt in attempts where attempt.isOpen && attempt.isInDoubt && attempt.nonce < view.count {
            attempts.removeAll { $0.nonce == attempt.nonce }
            if let pending = sending[attempt.intent] { requeue(pending, attempt.nonce, minimumGas: 0) }
        }
        if !attempts.contains(where: \.isInDoubt) { clear(.nonceInDoubt) }
        nonceFloor = max(ownFloor, view.count)
        change(.nonceFloor(nonceFloor ?? 0))
        explainedAt = view.head.number
        change(.explained(view.head.number))
        unexplained = nil
    }

    // MARK: a count below ours

    /// Whether the chain waits for a nonce that was used before.
    mutating func watchGap(_ seen: ChainView, _ now: Date) {
        let missing = missingNonces(seen)
        for pending in queue
        where pending.intent.className == Self.fillClass && !missing.contains(where: { Self.fills($0, pending) }) {
            queue.removeAll { $0.id == pending.id }
            finish(pending, nonce: nil, .cancelled)
        }
        guard !missing.isEmpty else {
            gap = nil
            return
        }
        guard var known = gap else {
            gap = NonceGap(since: now, nonces: missing)
            return
        }
        known.views += 1
        known.nonces = missing
        gap = known
        raise(
            .nonceGap,
            "the chain waits for nonce \(seen.count), which is neither in flight nor mined: it has lost a block, or a node "
                + "counted too much. What is on the disk for it is sent again; else it is filled after "
                + "\(settings.fillAfter), or by `chain fill`")
    }

    private func missingNonces(_ seen: ChainView) -> [UInt64] {
        // A node that has not seen our last block knows nothing of a loss.
        guard seen.head.number >= settledBlock ?? 0 else { return [] }
        let known = Set(attempts.map(\.nonce))
        var missing: [UInt64] = []
        var nonce = seen.count
        while nonce < nextNonce, missing.count < Self.gapLimit {
            if !known.contains(nonce) { missing.append(nonce) }
            nonce += 1
        }
        return missing
    }

    /// Nonces of the gap of which the disk is to be asked.
    func gapQuestions() -> [UInt64] {
        guard let gap, gap.views > 1 else { return [] }
        return gap.nonces.filter { !gap.asked.contains($0) }
    }

    /// What the disk holds for a nonce of the gap: an intent that was over, with a receipt that the chain has lost.
    mutating func gapAnswer(
        _ nonce: UInt64, _ settled: (intent: PendingIntent, attempt: TransactionAttempt)?, at now: Date
    ) {
        guard gap?.nonces.contains(nonce) == true, !attempts.contains(where: { $0.nonce == nonce }) else { return }
        gap?.asked.insert(nonce)
        guard let settled, settled.attempt.nonce == nonce, !settled.attempt.versions.isEmpty,
            sending[settled.intent.id] == nil, !queue.contains(where: { $0.id == settled.intent.id })
        else {
            gap?.withoutBytes.insert(nonce)
            return
        }
        var attempt = settled.attempt
        attempt.isReopened = true
        for index in attempt.versions.indices {
            attempt.versions[index].madeAt = now
            attempt.versions[index].sentAt = now
            attempt.versions[index].head = view?.head.number
        }
        reopen(settled.intent, nonce: nonce)
        insert(attempt)
        if let last = attempt.versions.last { broadcast(last.hash) }
    }

    /// Attempts are kept in the order of their nonces.
    mutating func insert(_ attempt: TransactionAttempt) {
        let place = attempts.firstIndex { $0.nonce > attempt.nonce } ?? attempts.endIndex
        attempts.insert(attempt, at: place)
    }

    /// An administrator does not want to wait.
    /// - Returns: the nonces that will be filled.
    mutating func fill() -> [UInt64] {
        guard let gap, gap.views > 1 else { return [] }
        fillsNow = true
        return gap.nonces
    }

    /// Of what fills gaps. It goes before all others, and is not capped.
    static let fillClass = "fill"

    static func fills(_ nonce: UInt64, _ pending: PendingIntent) -> Bool {
        pending.intent.className == fillClass && pending.intent.key.hasPrefix("fill-\(nonce)-")
    }

    /// What fills this nonce, and waits for its signature.
    mutating func fillIntent(_ nonce: UInt64) -> PendingIntent {
        if let pending = queue.first(where: { Self.fills(nonce, $0) }) { return pending }
        let intent = TransactionIntent(
            key: "fill-\(nonce)-\(nextID)", className: Self.fillClass, recipient: address, gasLimit: GasTable.least)
        return PendingIntent(id: add(intent), intent: intent)
    }

    /// The lowest nonce of a gap that nobody has anything for, when it is time to fill it.
    func nonceToFill(at now: Date) -> UInt64? {
        guard let gap, gap.views > 2 || fillsNow,
            fillsNow || now.timeIntervalSince(gap.since) >= settings.fillAfter / .seconds(1)
        else { return nil }
        return gap.nonces.first { nonce in
            gap.withoutBytes.contains(nonce) && !attempts.contains { $0.nonce == nonce }
        }
    }
}

/// Blocks to be read for transactions of ours with these nonces.
struct NonceSearch: Hashable, Sendable {
    var nonces: ClosedRange<UInt64>
    var blocks: ClosedRange<UInt64>
    /// Of nonces above ours; else of one attempt's.
    var isOfCount = false
}

/// What a block holds under a nonce of our account.
struct NonceOccupant: Hashable, Sendable {
    var hash: Hash32
    var block: UInt64
}
