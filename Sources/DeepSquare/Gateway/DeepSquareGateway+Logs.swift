// SPDX-License-Identifier: GPL-3.0-or-later

internal import Ethereum
internal import FoundationEssentials
internal import Logging

/// What the chain says.
extension DeepSquareGateway {
    /// Takes all logs that the feed has, in order; each counts once.
    func takeLogs() async {
        do {
            while try await takeSomeLogs(), !Task.isCancelled {}
            try await rememberRead()
        } catch {
            if Task.isCancelled { return }
            note(GridError(.storage, "\(error)"))
            logger.warning("events of the chain wait", metadata: ["why": "\(error)"])
            logsAt = now() + 1
        }
    }

    /// Between two notes in the file of how far the chain was read, seconds.
    private static let noteInterval = 60.0

    /// The other files are compared with it at the next start: what lies above it is delivered again then.
    private func rememberRead() async throws {
        guard let readTo, readTo != notedRead, logsAt == nil, now() >= noteReadAt else { return }
        noteReadAt = now() + Self.noteInterval
        try await store.setReadBlock(readTo)
        notedRead = readTo
    }

    private static let pageSize = 1000

    private func takeSomeLogs() async throws -> Bool {
        logsAt = nil
        // Up to there all logs are in the inbox.
        let position = await feed.position?.number
        let readTo = position ?? 0
        // Those of our own transactions come early, so the order of delivery is not that of the chain.
        let logs = try await feed.next(limit: Self.pageSize).sorted {
            ($0.log.block.number, $0.log.index) < ($1.log.block.number, $1.log.index)
        }
        guard !logs.isEmpty else {
            if let position { readFurther(to: position) }
            return false
        }
        let known = try await store.known(logs)
        var changed: Set<Key> = []
        var taken: [DeliveredLog] = []
        var waiting: Set<Hash32> = []
        var isProviderChanged = false
        for log in logs {
            if known.contains(TakenLog(log)) {
                taken.append(log)
                continue
            }
            let event: GridEvent?
            do {
                event = try GridEvent.read(log.log, of: contracts)
            } catch {
                logger.error(
                    "a log of the contract cannot be read and is left out",
                    metadata: ["transaction": "\(log.log.transaction)", "why": "\(error)"])
                event = nil
            }
            if case .providerChanged(let who) = event, who == address { isProviderChanged = true }
            if let event, let job = event.job {
                // Of one job in their order.
                guard !waiting.contains(job),
                    try await take(event, log, readTo: readTo, changed: &changed)
                else {
                    waiting.insert(job)
                    continue
                }
            }
            taken.append(log)
        }
        try await save(changed, logs: taken.map(TakenLog.init))
        try await feed.handled(taken)
        advanceAll(changed)
        if isProviderChanged { spawn { await self.refreshProvider() } }
        if !waiting.isEmpty {
            logsAt = now() + 0.2
            feed.wakeUp()
        }
        if logs.count < Self.pageSize, waiting.isEmpty, let position { readFurther(to: position) }
        return !taken.isEmpty && logs.count == Self.pageSize
    }

    /// - Returns: false when it cannot be understood yet.
    private func take(
        _ event: GridEvent, _ delivered: DeliveredLog, readTo: UInt64, changed: inout Set<Key>
    ) async throws -> Bool {
        let place = GridClaim.Place(block: delivered.log.block.number, index: delivered.log.index)
        let transaction = delivered.log.transaction
        switch event {
        case .claimed(let job, let customer, let who, let minutes, let definition):
            guard who == address else { return true }
            // Whoever claimed it may have made a job of it.
            let isForeign = try await !manager.made(transaction)
            // Or this file is an old copy, and the ledger may be one too.
            let isLost = delivered.isAgain || place.block <= examinedBlocks
            return try await takeClaim(
                GridClaim(
                    job: job, number: 1, customer: customer, definition: definition, minutes: minutes, place: place,
                    claimedAt: seconds, needsExamination: isForeign || isLost, transaction: transaction),
                readTo: readTo, changed: &changed)
        case .cancelClaimed(let job, let who):
            guard who == address, let key = owner(of: job, at: place), claims[key]?.chain.isOver == false else {
                return true
            }
            claims[key]?.wantCancel(at: seconds, transaction: transaction)
            changed.insert(key)
        case .topUpClaimed(let job, let who, let minutes):
            guard who == address, minutes > 0, let key = owner(of: job, at: place) else { return true }
            claims[key]?.take(
                topUp: minutes, log: "\(transaction)/\(delivered.place)", transaction: transaction, now: seconds)
            changed.insert(key)
            logger.info("topped up", metadata: ids(key, ["minutes": "\(minutes)"]))
        case .billedTooMuch(let job, let who):
            guard who == address else { return true }
            logger.error(
                "the contract found our report too long and paid for its own wall time only",
                metadata: newest(job).map { ids($0) } ?? ["job": "\(job)"])
            guard let key = owner(of: job, at: place) else { return true }
            claims[key]?.wasBilledTooMuch = true
            changed.insert(key)
        case .transition(let job, _, let to):
            guard let key = owner(of: job, at: place) else {
                if to.isCold { try await takeLateEnd(of: job, to, at: place, transaction: transaction) }
                return true
            }
            guard claims[key]?.take(transitionTo: to, at: place, transaction: transaction, now: seconds) == true
            else { return true }
            changed.insert(key)
        case .providerChanged:
            break
        }
        return true
    }

    /// The claim that an event is of: not always the newest, as logs whose save failed are taken in again.
    private func owner(of job: Hash32, at place: GridClaim.Place) -> Key? {
        claims.filter { key, claim in key.job == job && place > claim.place }.keys.max { $0.number < $1.number }
    }

    private func newest(_ job: Hash32) -> Key? {
        claims.keys.filter { $0.job == job }.max { $0.number < $1.number }
    }

    /// A new number opens only after the chain showed the job Pending in between.
    private func takeClaim(_ fresh: GridClaim, readTo: UInt64, changed: inout Set<Key>) async throws -> Bool {
        let stored = try await store.claims(ofJob: fresh.job).last
        let last = newest(fresh.job).flatMap { claims[$0] } ?? stored
        guard let last else {
            add(fresh, number: 1, changed: &changed)
            return true
        }
        if last.chain.isOurs {
            // The logs of our own transactions come before those of others' that lie between: what gave the job back may
            // still be unread.
            if fresh.place > last.place, readTo < fresh.place.block { return false }
            // Mined again after a reorganisation, or told twice.
            if var same = claims[Key(last)] {
                same.take(again: fresh)
                claims[Key(last)] = same
                changed.insert(Key(last))
            }
            return true
        }
        add(fresh, number: last.number + 1, changed: &changed)
        return true
    }

    private func add(_ claim: GridClaim, number: Int64, changed: inout Set<Key>) {
        let numbered = claim.numbered(number)
        for older in claims.keys where older.job == claim.job && older.number < number {
            claims[older]?.supersede()
            changed.insert(older)
        }
        claims[Key(numbered)] = numbered
        // Somebody may have got on with it before this start, and lost all trace of that.
        if !isCaughtUp { inherited.insert(Key(numbered)) }
        changed.insert(Key(numbered))
        logger.info(
            "claimed",
            metadata: ids(
                Key(numbered),
                [
                    "customer": "\(claim.customer.hex)", "minutes": "\(claim.minutes)",
                    "block": "\(claim.place.block)",
                ]))
    }
}

extension GridEvent {
    var job: Hash32? {
        switch self {
        case .claimed(let job, _, _, _, _), .cancelClaimed(let job, _), .topUpClaimed(let job, _, _),
            .billedTooMuch(let job, _), .transition(let job, _, _):
            job
        case .providerChanged: nil
        }
    }
}
