// SPDX-License-Identifier: GPL-3.0-or-later

internal import BigInt
internal import FoundationEssentials
internal import Support

extension TransactionMachine {
    private var policy: FeePolicy {
        FeePolicy(
            ceiling: settings.feeCeiling, minimumTip: settings.minimumTip, legacyOnly: legacyOnly,
            marketLimit: settings.marketLimit)
    }

    /// The most gas that a block, and so a transaction, can have.
    var gasCeiling: UInt64 { view?.head.gasLimit ?? 30_000_000 }

    /// A transaction that is to be signed now; to be asked again until there is none. First those that replace, from the
    /// lowest nonce up, then new ones.
    mutating func nextDraft(at now: Date) -> Draft? {
        guard let view else { return nil }
        if let rests = signingRestsUntil, now < rests { return nil }
        if policy.isShort(view.market) {
            raise(
                .feeCeiling,
                "the chain asks for more than the fee ceiling of \(Wei.gwei(settings.feeCeiling)): raise it")
        } else if !attempts.contains(where: { $0.isOpen && $0.wantsReplacement }) {
            clear(.feeCeiling)
        }
        return replacement(view, now) ?? filler(view, now) ?? newDraft(view, now)
    }

    // MARK: replacing

    private mutating func replacement(_ view: ChainView, _ now: Date) -> Draft? {
        // Nothing was heard of the chain for long: what it says now is not known, and nobody takes a transaction.
        guard let viewAt, now.timeIntervalSince(viewAt) < settings.replaceAfter / .seconds(1) else { return nil }
        // When the open one before was last made dearer. One behind a cheap one waits for that one all the same.
        var before: Date?
        for index in attempts.indices where attempts[index].isOpen && attempts[index].nonce >= view.count {
            let attempt = attempts[index]
            guard let last = attempt.versions.last, let pending = sending[attempt.intent] else { continue }
            let age = now.timeIntervalSince(last.madeAt)
            // A block was seen that could have held it, and does not; or none is made, as nobody takes what it offers: some
            // chains make a block only when they have something to put into it.
            let isPassedOver =
                last.head.map { view.head.number > $0 } ?? false || policy.isOutbid(last.fee, view.market)
            let isLate =
                isPassedOver && age >= settings.replaceAfter / .seconds(1) && (before.map { $0 > last.madeAt } ?? true)
            before = last.madeAt
            let cancels = attempt.wantsCancellation && !last.isCancellation
            guard isLate || cancels || attempt.wantsReplacement && age >= 1 else { continue }
            let fee: Fee
            switch policy.replacement(of: last.fee, view.market, anyFee: attempt.wantsAnyFee || cancels) {
            case .fee(let found): fee = found
            case .aboveMarket: continue
            case .aboveCeiling:
                raise(
                    .feeCeiling,
                    "nonce \(attempt.nonce) cannot be replaced within the fee ceiling of \(Wei.gwei(settings.feeCeiling)): it "
                        + "is sent again as it is; raise the ceiling")
                continue
            }
            let isCancellation = last.isCancellation || attempt.wantsCancellation
            return Draft(
                intent: pending.id,
                transaction: transaction(pending.intent, attempt.nonce, attempt.gasLimit, fee, isCancellation),
                isCancellation: isCancellation, isReplacement: true)
        }
        return nil
    }

    private func transaction(
        _ intent: TransactionIntent, _ nonce: UInt64, _ gasLimit: UInt64, _ fee: Fee, _ isCancellation: Bool
    ) -> UnsignedTransaction {
        isCancellation
            ? UnsignedTransaction(
                chainID: chainID, nonce: nonce, recipient: address, gasLimit: GasTable.least, fee: fee)
            : UnsignedTransaction(
                chainID: chainID, nonce: nonce, recipient: intent.recipient, value: intent.value, data: intent.data,
                gasLimit: gasLimit, fee: fee)
    }

    /// A transfer of nothing to ourselves, under a nonce that the chain waits for.
    private mutating func filler(_ view: ChainView, _ now: Date) -> Draft? {
        guard let nonce = nonceToFill(at: now) else { return nil }
        let pending = fillIntent(nonce)
        return Draft(
            intent: pending.id,
            transaction: transaction(pending.intent, nonce, GasTable.least, policy.initial(view.market), false),
            isCancellation: false, isReplacement: false)
    }

    // MARK: new ones

    private mutating func newDraft(_ view: ChainView, _ now: Date) -> Draft? {
        guard maySend(at: now) else { return nil }
        let open = attempts.filter(\.isOpen).count
        var held: Set<String> = []
        for index in queue.indices {
            let pending = queue[index]
            let name = pending.intent.className
            // Only under the nonce that it was made for.
            if name == Self.fillClass { continue }
            // Within a class the order stays.
            guard !held.contains(name) else { continue }
            guard open < limit(of: name), let gasLimit = gasLimit(pending) else {
                held.insert(name)
                continue
            }
            let nonce = nextNonce
            let draft = transaction(pending.intent, nonce, gasLimit, policy.initial(view.market), false)
            guard mayCost(draft.maximumCost, name, view, now) else {
                held.insert(name)
                continue
            }
            return Draft(intent: pending.id, transaction: draft, isCancellation: false, isReplacement: false)
        }
        return nil
    }

    /// Only essential ones may take the last quarter of what may be in flight.
    private func limit(of name: String) -> Int {
        let all = settings.inFlightLimit
        let hasEssential = classes.values.contains { $0.isEssential }
        let isEssential = classes[name]?.isEssential ?? false
        return isEssential || !hasEssential || all < 2 ? all : all - max(1, all / 4)
    }

    /// nil: it is not known yet.
    private func gasLimit(_ pending: PendingIntent) -> UInt64? {
        let intent = pending.intent
        let known =
            intent.gasLimit
            ?? gas.limit(intent.call, bytes: intent.data.count, margin: settings.gasMargin, ceiling: gasCeiling)
            ?? classes[intent.className]?.firstGas.map {
                GasTable.first($0, bytes: intent.data.count, ceiling: gasCeiling)
            } ?? (unestimated.contains(intent.call) ? settings.defaultGas : nil)
        return known.map { min(gasCeiling, max($0, pending.minimumGas)) }
    }

    /// Calls whose gas a node is to be asked for. Each is told once.
    mutating func takeEstimates() -> [TransactionIntent] {
        var wanted: [TransactionIntent] = []
        for pending in queue where view != nil && gasLimit(pending) == nil {
            if estimating.insert(pending.intent.call).inserted { wanted.append(pending.intent) }
        }
        return wanted
    }

    /// - Parameter estimate: nil when the node could not: a transaction that depends on one in the pool, or calls a contract
    ///   that the node does not see, cannot be estimated, and needs its gas all the same.
    mutating func estimated(_ intent: TransactionIntent, _ estimate: UInt64?) {
        estimating.remove(intent.call)
        if let estimate {
            learn(intent.call, estimate, intent.data.count)
        } else {
            unestimated.insert(intent.call)
        }
    }

    mutating func learn(_ call: String, _ used: UInt64, _ bytes: Int) {
        if gas.learn(call, gas: used, bytes: bytes), let entry = gas.entries[call] {
            change(.gas(call: call, entry))
        }
        while let forgotten = gas.forget() { change(.gasForgotten(call: forgotten)) }
    }

    /// Caps, the balance and other people's nonces hold back what is not essential.
    private mutating func mayCost(_ cost: BigUInt, _ name: String, _ view: ChainView, _ now: Date) -> Bool {
        let kind = classes[name]
        if kind?.isEssential == true { return true }
        guard foreign.isEmpty else { return false }
        let open = attempts.filter(\.isOpen)
        let reserved = open.reduce(BigUInt(0)) { $0 + $1.maximumCost }
        guard reserved + cost <= view.balance else {
            if shortage?.nonce == nil {
                shortage = Shortage(needed: reserved + cost, balance: view.balance, nonce: nil)
            }
            raise(
                .insufficientFunds,
                "\(address) has \(Wei.text(view.balance)) coins, \(Wei.text(reserved)) of them for what is in flight: "
                    + "the next of \(kind?.purpose ?? name) may cost \(Wei.text(cost)) and waits: send it coins"
            )
            return false
        }
        guard let cap = kind?.dailyCap else { return true }
        let ofClass = open.filter { sending[$0.intent]?.intent.className == name }
        let total = spending.total(name, on: now) + ofClass.reduce(cost) { $0 + $1.maximumCost }
        guard total <= cap else {
            raise(
                .spendCap,
                "\(kind?.purpose ?? name): they reached their \(Wei.text(cap)) coins for today (UTC): it goes on tomorrow"
            )
            return false
        }
        clear(.spendCap)
        return true
    }

    // MARK: signed

    /// Takes what a draft was signed into. It is broadcast after the next commit.
    mutating func signed(_ draft: Draft, _ transaction: SignedTransaction, at now: Date) {
        signingFailures = 0
        signingRestsUntil = nil
        clear(.signer)
        let version = TransactionAttempt.Version(
            transaction: transaction, madeAt: now, sentAt: now, head: view?.head.number,
            isCancellation: draft.isCancellation)
        if draft.isReplacement {
            // It was mined while this was signed.
            guard
                let index = attempts.firstIndex(where: { $0.nonce == draft.transaction.nonce && $0.isOpen })
            else { return }
            attempts[index].versions.append(version)
            attempts[index].wantsReplacement = false
            attempts[index].wantsAnyFee = false
            change(.version(attempts[index]))
        } else {
            // Taken back, or the nonce taken by somebody else, while this was signed.
            let nonce = draft.transaction.nonce
            guard let view, let place = queue.firstIndex(where: { $0.id == draft.intent }),
                nonce == nextNonce || gap?.nonces.contains(nonce) == true,
                !attempts.contains(where: { $0.nonce == nonce })
            else { return }
            let pending = queue.remove(at: place)
            sending[pending.id] = pending
            // Where a node counts more than ours, what uses the nonce may lie below the head.
            let firstBlock =
                view.count > nonce ? min(view.head.number, explainedAt ?? view.head.number) : view.head.number
            let attempt = TransactionAttempt(
                intent: draft.intent, nonce: nonce, firstBlock: firstBlock, madeAt: now,
                gasLimit: draft.transaction.gasLimit, versions: [version])
            insert(attempt)
            ownFloor = max(ownFloor, Self.after(nonce))
            change(.version(attempt))
        }
        broadcast(version.hash)
    }

    private static let signingRetry = RetryPolicy(first: .milliseconds(500), ceiling: .seconds(60))

    /// The nonce goes to whatever is signed next.
    mutating func signingFailed(_ why: String, at now: Date) {
        signingRestsUntil = now + Self.signingRetry.seconds(attempt: signingFailures)
        signingFailures += 1
        raise(.signer, why)
    }
}
