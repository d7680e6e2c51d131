// SPDX-License-Identifier: GPL-3.0-or-later

internal import BigInt
internal import FoundationEssentials

extension TransactionMachine {
    /// What a node says of the chain now. It may lag, and so say less than another one did.
    mutating func observe(_ seen: ChainView, at now: Date) {
        view = seen
        if queue.isEmpty || seen.balance > 0 { clear(.insufficientFunds) }
        for index in attempts.indices where attempts[index].isOpen {
            if attempts[index].nonce < seen.count {
                attempts[index].usedSince = attempts[index].usedSince ?? now
            } else {
                attempts[index].usedSince = nil
                resend(index, now)
            }
        }
        watchLowest(seen, now)
    }

    /// Nodes forget what waits; identical bytes can be sent as often as one likes.
    private mutating func resend(_ index: Int, _ now: Date) {
        guard let last = attempts[index].versions.indices.last else { return }
        let version = attempts[index].versions[last]
        if let sent = version.sentAt, now.timeIntervalSince(sent) < settings.resendAfter / .seconds(1) { return }
        attempts[index].versions[last].sentAt = now
        broadcast(version.hash)
    }

    private mutating func watchLowest(_ seen: ChainView, _ now: Date) {
        guard let lowest = attempts.first(where: \.isOpen),
            now.timeIntervalSince(lowest.madeAt) >= settings.stuckAfter / .seconds(1)
        else {
            clear(.stuck)
            clear(.nonceGap)
            return
        }
        let isNext = !attempts.contains { !$0.isOpen && $0.nonce >= seen.count && $0.nonce < lowest.nonce }
        if seen.count < lowest.nonce, isNext {
            raise(
                .nonceGap,
                "the chain waits for nonce \(seen.count), which was used before: it has lost blocks, or the node lags; the "
                    + "lowest nonce here is \(lowest.nonce)")
        } else {
            raise(.stuck, "nonce \(lowest.nonce) is not mined since \(lowest.madeAt.ISO8601Format())")
        }
    }

    // MARK: broadcasts

    /// What a node said to a broadcast.
    mutating func answered(_ hash: Hash32, _ answer: Result<Void, RPCError>, at now: Date) {
        guard let index = attempts.firstIndex(where: { $0.versions.last?.hash == hash }), attempts[index].isOpen else {
            return
        }
        guard case .failure(let error) = answer else {
            clear(.rejected)
            return
        }
        let nonce = attempts[index].nonce
        switch error.refusal {
        case nil, .alreadyKnown, .poolFull, .nonceTooHigh, .rateLimited:
            break
        case .nonceTooLow:
            attempts[index].usedSince = attempts[index].usedSince ?? now
        case .underpriced, .replacementUnderpriced:
            attempts[index].wantsReplacement = true
        case .gasLimitTooHigh:
            // The block's limit has fallen since.
            if let limit = view?.head.gasLimit, limit < attempts[index].gasLimit {
                attempts[index].gasLimit = limit
                attempts[index].wantsReplacement = true
            } else {
                raise(.rejected, "nonce \(nonce) asks for more gas than a block has: \(error)")
            }
        case .gasLimitTooLow:
            attempts[index].gasLimit = min(gasCeiling, attempts[index].gasLimit * 2)
            attempts[index].wantsReplacement = true
        case .typeNotSupported:
            legacyOnly = true
            attempts[index].wantsReplacement = true
        case .insufficientFunds:
            raise(.insufficientFunds, "\(address) has too little for nonce \(nonce): send it coins (\(error))")
        case .feeAboveNodeCap, .wrongChain, .rangeTooLarge, .unknownBlock, .methodMissing, .batchTooLarge, .reverted,
            .other:
            raise(.rejected, "a node does not take nonce \(nonce): \(error)")
        }
    }

    // MARK: receipts

    /// What to ask receipts for: nonces that the chain counts, and receipts that are not final.
    var watches: [Watch] {
        attempts.flatMap { attempt -> [Watch] in
            if let receipt = attempt.receipt {
                return [Watch(hash: receipt.transaction, block: receipt.block.number)]
            }
            guard attempt.usedSince != nil else { return [] }
            return attempt.versions.map { Watch(hash: $0.hash, block: nil) }
        }
    }

    /// A receipt for one of our hashes.
    ///
    /// - Parameter canonical: the hash of the chain's block of that number, from the same node in the same answer; nil if
    ///   it was not asked.
    mutating func received(_ receipt: TransactionReceipt, canonical: Hash32?, at now: Date) {
        guard let index = attempts.firstIndex(where: { $0.versions.contains { $0.hash == receipt.transaction } }) else {
            return
        }
        attempts[index].receipt = receipt
        attempts[index].usedSince = nil
        attempts[index].wantsReplacement = false
        if settings.confirmations > 0 {
            guard let head = view?.head.number, canonical == receipt.block.hash,
                head >= receipt.block.number + settings.confirmations
            else { return }
        }
        finalize(index, receipt, now)
    }

    /// No receipt where there was one. Only another block in its place proves that the chain was reorganised; a node that
    /// lags, or has lost it, proves nothing.
    mutating func lostReceipt(_ hash: Hash32, canonical: Hash32?, at now: Date) {
        guard let index = attempts.firstIndex(where: { $0.receipt?.transaction == hash }),
            let canonical, canonical != attempts[index].receipt?.block.hash
        else { return }
        attempts[index].receipt = nil
        if let last = attempts[index].versions.indices.last { attempts[index].versions[last].sentAt = nil }
        resend(index, now)
    }

    private mutating func finalize(_ index: Int, _ receipt: TransactionReceipt, _ now: Date) {
        let attempt = attempts.remove(at: index)
        raiseFloor(attempt.nonce + 1)
        guard let pending = sending[attempt.intent],
            let version = attempt.versions.first(where: { $0.hash == receipt.transaction })
        else { return }
        let intent = pending.intent
        let price = receipt.gasPrice ?? version.fee.cap
        let value = receipt.succeeded ? version.transaction.unsigned.value : 0
        spending.add(price * BigUInt(receipt.gasUsed) + value, to: intent.className, on: now)
        change(
            .spent(
                day: spending.day, className: intent.className, spending.spent[intent.className] ?? 0))
        if version.isCancellation {
            finish(pending, nonce: attempt.nonce, .cancelled)
            return
        }
        let limit = version.transaction.unsigned.gasLimit
        if receipt.succeeded {
            learn(intent.call, receipt.gasUsed, intent.data.count)
            finish(pending, nonce: attempt.nonce, .succeeded(receipt))
            return
        }
        // A call within the call can leave one part in 64 behind (EIP-150).
        let usedUp = receipt.gasUsed >= limit - limit / 64
        let more = min(gasCeiling, limit * 2)
        guard usedUp, more > limit else {
            finish(pending, nonce: attempt.nonce, .reverted(receipt))
            return
        }
        // Its like get as much as its second try, or each of them would fail first.
        learn(intent.call, UInt64((Double(more) / settings.gasMargin).rounded(.up)), intent.data.count)
        requeue(pending, attempt.nonce, minimumGas: more)
    }

    private mutating func requeue(_ pending: PendingIntent, _ nonce: UInt64, minimumGas: UInt64) {
        var again = pending
        again.minimumGas = max(again.minimumGas, minimumGas)
        sending[pending.id] = nil
        if pending.wantsCancellation {
            finish(pending, nonce: nonce, .cancelled)
            return
        }
        change(.requeued(again, nonce: nonce))
        enqueue(again)
    }

    // MARK: doubt

    /// A nonce that the chain counts while no node has a receipt for any of its hashes: to be looked for in these blocks,
    /// the newest first.
    mutating func takeSearches(at now: Date) -> [(nonce: UInt64, blocks: ClosedRange<UInt64>)] {
        guard let head = view?.head.number else { return [] }
        var searches: [(nonce: UInt64, blocks: ClosedRange<UInt64>)] = []
        let patience = settings.doubtAfter / .seconds(1)
        for index in attempts.indices {
            guard attempts[index].isOpen, let since = attempts[index].usedSince,
                now.timeIntervalSince(since) >= patience,
                attempts[index].searchedAt.map({ now.timeIntervalSince($0) >= patience }) ?? true
            else { continue }
            attempts[index].searchedAt = now
            let first = attempts[index].firstBlock
            let last = attempts[index].searchedDownTo.map { $0 - 1 } ?? head
            // A node that lags may be below.
            if last >= first { searches.append((attempts[index].nonce, first...last)) }
        }
        return searches
    }

    /// What the blocks hold under a nonce of ours; nil: nothing was found from `downTo` up.
    mutating func found(
        _ nonce: UInt64, _ occupant: (hash: Hash32, block: UInt64)?, downTo: UInt64, at now: Date
    ) {
        guard let index = attempts.firstIndex(where: { $0.nonce == nonce && $0.isOpen }) else { return }
        guard let occupant else {
            if downTo > attempts[index].firstBlock {
                attempts[index].searchedDownTo = downTo
                return
            }
            // All of them: from the head again next time.
            attempts[index].searchedDownTo = nil
            raise(
                .nonceInDoubt,
                "the chain counts nonce \(nonce), and no block is found that holds it: is the node complete? Nothing is sent "
                    + "in its place until that is known")
            return
        }
        clear(.nonceInDoubt)
        let attempt = attempts[index]
        // One of ours: its receipt will come.
        if attempt.versions.contains(where: { $0.hash == occupant.hash }) { return }
        guard let head = view?.head.number, head >= occupant.block + settings.confirmations else { return }
        attempts.remove(at: index)
        raiseFloor(nonce + 1)
        suspect([nonce])
        if let pending = sending[attempt.intent] { requeue(pending, nonce, minimumGas: 0) }
    }
}
