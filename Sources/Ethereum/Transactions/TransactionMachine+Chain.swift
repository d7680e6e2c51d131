// SPDX-License-Identifier: GPL-3.0-or-later

internal import BigInt
internal import FoundationEssentials

extension TransactionMachine {
    /// What a node says of the chain now. It may lag, and so say less than another one did.
    mutating func observe(_ seen: ChainView, at now: Date) {
        view = seen
        viewAt = now
        for index in attempts.indices where attempts[index].isOpen {
            for version in attempts[index].versions.indices where attempts[index].versions[version].head == nil {
                attempts[index].versions[version].head = seen.head.number
            }
            if attempts[index].nonce < seen.count {
                attempts[index].usedSince = attempts[index].usedSince ?? now
            } else {
                attempts[index].usedSince = nil
                attempts[index].isInDoubt = false
                resend(index, now)
            }
        }
        explain(seen, now)
        watchGap(seen, now)
        watchLowest(now)
        watchAlarms(seen)
    }

    /// An alarm about some nonces ends with what it was raised for, and not with another one's success.
    private mutating func watchAlarms(_ seen: ChainView) {
        func isPending(_ nonce: UInt64) -> Bool {
            attempts.contains { $0.nonce == nonce && $0.isOpen } && nonce >= seen.count
        }
        if let shortage {
            let isRich = seen.balance >= shortage.needed
            let isOver =
                if let nonce = shortage.nonce { !isPending(nonce) || isRich && seen.balance > shortage.balance } else {
                    isRich || queue.isEmpty
                }
            if isOver { clearShortage() }
        }
        rejected = rejected.filter(isPending)
        if rejected.isEmpty { clear(.rejected) }
        if !attempts.contains(where: \.isInDoubt) { clear(.nonceInDoubt) }
    }

    mutating func clearShortage() {
        shortage = nil
        clear(.insufficientFunds)
    }

    /// Nodes forget what waits; identical bytes can be sent as often as one likes.
    private mutating func resend(_ index: Int, _ now: Date) {
        guard let last = attempts[index].versions.indices.last else { return }
        let version = attempts[index].versions[last]
        if let sent = version.sentAt, now.timeIntervalSince(sent) < settings.resendAfter / .seconds(1) { return }
        attempts[index].versions[last].sentAt = now
        broadcast(version.hash)
    }

    private mutating func watchLowest(_ now: Date) {
        if gap == nil {
            clear(.nonceGap)
            fillsNow = false
        }
        guard let lowest = attempts.first(where: \.isOpen),
            now.timeIntervalSince(lowest.madeAt) >= settings.stuckAfter / .seconds(1)
        else {
            clear(.stuck)
            return
        }
        if gap == nil { raise(.stuck, "nonce \(lowest.nonce) is not mined since \(lowest.madeAt.ISO8601Format())") }
    }

    // MARK: broadcasts

    /// What a node said to a broadcast.
    mutating func answered(_ hash: Hash32, _ answer: Result<Void, RPCError>, at now: Date) {
        guard let index = attempts.firstIndex(where: { $0.versions.last?.hash == hash }), attempts[index].isOpen else {
            return
        }
        let nonce = attempts[index].nonce
        guard case .failure(let error) = answer else {
            rejected.remove(nonce)
            if rejected.isEmpty { clear(.rejected) }
            if let short = shortage?.nonce, short <= nonce { clearShortage() }
            return
        }
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
                reject(nonce, "nonce \(nonce) asks for more gas than a block has: \(error)")
            }
        case .gasLimitTooLow:
            attempts[index].gasLimit = min(gasCeiling, Self.doubled(attempts[index].gasLimit))
            attempts[index].wantsReplacement = true
        case .typeNotSupported:
            legacyOnly = true
            attempts[index].wantsReplacement = true
        case .insufficientFunds:
            let needed = attempts.filter { $0.isOpen && $0.nonce <= nonce }.reduce(BigUInt(0)) { $0 + $1.maximumCost }
            shortage = Shortage(needed: needed, balance: view?.balance ?? 0, nonce: nonce)
            raise(.insufficientFunds, "\(address) has too little for nonce \(nonce): send it coins (\(error))")
        case .feeAboveNodeCap, .wrongChain, .rangeTooLarge, .unknownBlock, .methodMissing, .batchTooLarge, .reverted,
            .other:
            reject(nonce, "a node does not take nonce \(nonce): \(error)")
        }
    }

    private mutating func reject(_ nonce: UInt64, _ words: String) {
        rejected.insert(nonce)
        raise(.rejected, words)
    }

    static func doubled(_ gas: UInt64) -> UInt64 { gas > .max / 2 ? .max : gas * 2 }

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
        attempts[index].isInDoubt = false
        attempts[index].wantsReplacement = false
        if settings.confirmations > 0 {
            guard let view, canonical == receipt.block.hash, isDeepEnough(receipt.block.number, view) else { return }
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
        settle(attempt.nonce, in: receipt.block.number)
        guard let pending = sending[attempt.intent],
            let version = attempt.versions.first(where: { $0.hash == receipt.transaction })
        else { return }
        let intent = pending.intent
        let price = receipt.gasPrice ?? version.fee.cap
        let value = receipt.succeeded ? version.transaction.unsigned.value : 0
        if !attempt.isReopened {
            spending.add(price * BigUInt(receipt.gasUsed) + value, to: intent.className, on: now)
            change(
                .spent(
                    day: spending.day, className: intent.className, spending.spent[intent.className] ?? 0))
        }
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
        let more = min(gasCeiling, Self.doubled(limit))
        guard usedUp, more > limit else {
            finish(pending, nonce: attempt.nonce, .reverted(receipt))
            return
        }
        // Its like get as much as its second try, or each of them would fail first.
        learn(intent.call, UInt64((Double(more) / settings.gasMargin).rounded(.up)), intent.data.count)
        requeue(pending, attempt.nonce, minimumGas: more)
    }

    /// A nonce of ours is used for good.
    private mutating func settle(_ nonce: UInt64, in block: UInt64) {
        raiseFloor(Self.after(nonce))
        ownFloor = max(ownFloor, Self.after(nonce))
        if block > settledBlock ?? 0 {
            settledBlock = block
            change(.settledBlock(block))
        }
        if let explainedAt { change(.explained(explainedAt)) }
    }

    mutating func requeue(_ pending: PendingIntent, _ nonce: UInt64, minimumGas: UInt64) {
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

    /// A nonce that the chain counts while no node has a receipt for any of its hashes, or that nothing of ours explains: to
    /// be looked for in these blocks, the newest first.
    mutating func takeSearches(at now: Date) -> [NonceSearch] {
        guard let head = view?.head.number else { return [] }
        var searches: [NonceSearch] = []
        let patience = settings.doubtAfter / .seconds(1)
        for index in attempts.indices {
            guard attempts[index].isOpen, let since = attempts[index].usedSince,
                now.timeIntervalSince(since) >= patience,
                attempts[index].searchedAt.map({ now.timeIntervalSince($0) >= patience }) ?? true
            else { continue }
            attempts[index].searchedAt = now
            let first = attempts[index].firstBlock
            let last = attempts[index].searchedDownTo.map { $0 > 0 ? $0 - 1 : 0 } ?? head
            let nonce = attempts[index].nonce
            // A node that lags may be below.
            if last >= first { searches.append(NonceSearch(nonces: nonce...nonce, blocks: first...last)) }
        }
        if let search = takeCountSearch(at: now) { searches.append(search) }
        return searches
    }

    /// What the blocks hold under a nonce of ours; nil: nothing was found from `downTo` up.
    mutating func found(_ nonce: UInt64, _ occupant: NonceOccupant?, downTo: UInt64, at now: Date) {
        guard let index = attempts.firstIndex(where: { $0.nonce == nonce && $0.isOpen }) else { return }
        guard let occupant else {
            if downTo > attempts[index].firstBlock {
                attempts[index].searchedDownTo = downTo
                return
            }
            // All of them: from the head again next time.
            attempts[index].searchedDownTo = nil
            attempts[index].isInDoubt = true
            raise(
                .nonceInDoubt,
                "the chain counts nonce \(nonce), and no block is found that holds it: is the node complete? Nothing is sent "
                    + "in its place until that is known; `chain acknowledge` gives what was meant for it another nonce")
            return
        }
        attempts[index].isInDoubt = false
        if !attempts.contains(where: \.isInDoubt) { clear(.nonceInDoubt) }
        let attempt = attempts[index]
        // One of ours: its receipt will come.
        if attempt.versions.contains(where: { $0.hash == occupant.hash }) { return }
        guard let view, isDeepEnough(occupant.block, view) else { return }
        attempts.remove(at: index)
        raiseFloor(Self.after(nonce))
        suspect([nonce])
        guard let pending = sending[attempt.intent] else { return }
        if nonce < forgivenBelow {
            // It went out in other bytes that are lost, and may have done its work: whoever wants it decides again.
            finish(pending, nonce: nonce, .cancelled)
        } else {
            requeue(pending, nonce, minimumGas: 0)
        }
    }
}
