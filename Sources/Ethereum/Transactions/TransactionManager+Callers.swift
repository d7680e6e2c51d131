// SPDX-License-Identifier: GPL-3.0-or-later

/// What others ask of it: to take, to take back, to tell.
extension TransactionManager {
    /// Takes an intent. Returns once it is on the disk; by then it is being broadcast too, unless something holds its class
    /// back. The same key again is the same intent: what became of it so far is kept.
    ///
    /// Throws `.conflict` when the key stands for something else.
    public func submit(_ intent: TransactionIntent) async throws(ChainStoreError) {
        try await start()
        if let known = openIntent(intent.key) {
            try Self.expectSame(known, intent)
            return try await committed()
        }
        if let (known, _) = try await store.intent(intent.key) {
            return try Self.expectSame(known, intent)
        }
        // Handed over twice at once.
        if let known = openIntent(intent.key) {
            try Self.expectSame(known, intent)
        } else {
            machine.add(intent)
        }
        try await committed()
    }

    private func openIntent(_ key: String) -> TransactionIntent? {
        machine.queue.first { $0.intent.key == key }?.intent
            ?? machine.sending.values.first { $0.intent.key == key }?.intent
    }

    private static func expectSame(_ known: TransactionIntent, _ new: TransactionIntent) throws(ChainStoreError) {
        guard known.recipient == new.recipient, known.value == new.value, known.data == new.data else {
            throw ChainStoreError(
                .conflict, "\"\(new.key)\" was handed over before with another content: use a new key")
        }
    }

    /// Whether a transaction was made here, also one that another has replaced.
    public func made(_ transaction: Hash32) async throws(ChainStoreError) -> Bool {
        try await store.knows(transaction)
    }

    /// Whether this very intent was handed over before, whatever became of it. False also when its key stands for another.
    public func knows(_ intent: TransactionIntent) async throws(ChainStoreError) -> Bool {
        try await start()
        var known = openIntent(intent.key)
        if known == nil { known = try await store.intent(intent.key)?.0 }
        guard let known else { return false }
        return known.recipient == intent.recipient && known.value == intent.value && known.data == intent.data
    }

    /// Takes an intent back that has no nonce: its outcome is `cancelled`.
    /// - Returns: false when nothing waits under this key; what was signed is not touched.
    public func withdraw(_ key: String) async throws(ChainStoreError) -> Bool {
        try await start()
        guard machine.withdraw(key) else { return false }
        try await committed()
        return true
    }

    /// The intents that are not over yet and whose keys begin so.
    public func openKeys(prefix: String) -> [String] {
        (machine.queue.map(\.intent.key) + machine.sending.values.map(\.intent.key)).filter { $0.hasPrefix(prefix) }
    }

    /// Transactions that may be on their way at once.
    public var inFlightLimit: Int { machine.settings.inFlightLimit }

    /// Waits for the end of an intent; nil when there is no such intent, or the caller's task was cancelled.
    public func outcome(_ key: String) async throws(ChainStoreError) -> TransactionOutcome? {
        try await start()
        // One that is just over is told when that is on the disk.
        let isToBeTold = machine.hasOutcome(key) || uncommitted.outcomes.contains { $0.intent.key == key }
        if openIntent(key) == nil, !isToBeTold {
            return try await store.intent(key)?.1
        }
        nextWaiter += 1
        let waiter = nextWaiter
        return await withTaskCancellationHandler {
            await withCheckedContinuation { outcomeWaiters[key, default: [:]][waiter] = $0 }
        } onCancel: {
            Task { await self.giveUp(waiter, key) }
        }
    }

    /// Keys of intents whose outcome may have been told, and whose block the chain has lost since: they are on their way again
    /// and may end otherwise. From now on; for one reader, the latest.
    public func reopened() -> AsyncStream<String> {
        let (stream, reader) = AsyncStream.makeStream(of: String.self)
        reopenedReader?.finish()
        reopenedReader = reader
        return stream
    }

    private func giveUp(_ waiter: Int, _ key: String) {
        outcomeWaiters[key]?.removeValue(forKey: waiter)?.resume(returning: nil)
    }

    /// Administrators: false when no such intent is open.
    public func cancel(_ key: String) async throws(ChainStoreError) -> Bool {
        try await start()
        guard machine.cancel(key) else { return false }
        try await committed()
        return true
    }

    public func bump(_ key: String) async throws(ChainStoreError) -> Bool {
        try await start()
        guard machine.bump(key) else { return false }
        await drive()
        return true
    }

    /// Foreign nonces have been seen by an administrator.
    public func acknowledge() async throws(ChainStoreError) {
        try await start()
        machine.acknowledge()
        try await committed()
    }

    /// The chain's file is a new one, or an old copy: whatever this account sent meanwhile is taken for its own.
    public func forgive() async throws(ChainStoreError) {
        try await start()
        machine.forgive()
        try await committed()
    }

    /// Fills the nonces that the chain waits for, and that nobody has anything for, now.
    /// - Returns: those nonces; empty when there is no gap.
    public func fill() async throws(ChainStoreError) -> [UInt64] {
        try await start()
        let nonces = machine.fill()
        if !nonces.isEmpty { try await committed() }
        return nonces
    }

    public var status: Status {
        Status(
            chain: machine.chainID, address: machine.address.checksummed, head: machine.view?.head.number,
            balance: machine.view.map { "\($0.balance)" }, minedNonce: machine.view?.count,
            nextNonce: machine.nonceFloor == nil ? nil : machine.nextNonce,
            inFlight: machine.attempts.filter(\.isOpen).count,
            waiting: machine.queue.count,
            alarms: Dictionary(uniqueKeysWithValues: machine.alarms.map { ($0.key.rawValue, $0.value) }))
    }
}
