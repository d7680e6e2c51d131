// SPDX-License-Identifier: GPL-3.0-or-later

internal import Ethereum
internal import FoundationEssentials
internal import JobLifecycle
internal import Logging
internal import Support

/// Claiming: what waits for us in the contract's queues.
extension DeepSquareGateway {
    /// When a block has touched one of the contracts, at most once a second, and at least at the configured interval: a
    /// cancel of a running job raises no event. An offer does: without a job there is nothing to look for in between.
    func claimLoop() async {
        while !Task.isCancelled {
            let begun = ContinuousClock.now
            await look()
            await claimWhenRead()
            await claimWake.wait(
                atMost: isQuiet ? max(Self.quietInterval, settings.claimInterval) : settings.claimInterval)
            // All is known up to a block of which the queues are known already.
            while isReadFurther, !looks.isEmpty, ContinuousClock.now - begun < settings.claimInterval {
                isReadFurther = false
                await claim()
                await claimWake.wait(atMost: settings.claimInterval)
            }
            isReadFurther = false
            let rest = Duration.seconds(1) - (ContinuousClock.now - begun)
            if rest > .zero { try? await Task.sleep(for: rest) }
        }
    }

    private static let quietInterval: Duration = .seconds(30)

    private var isQuiet: Bool {
        claims.isEmpty && looks.foundNothing
            && queues.values.allSatisfy { $0.failures == 0 && $0.inFlight.isEmpty }
    }

    /// Of a block that has just come the logs are being read: that takes a moment, and may bring nothing that wakes us.
    private func claimWhenRead() async {
        for _ in 0..<20 {
            await claim()
            guard let block = looks.first, block <= (readTo ?? 0) + 2, !Task.isCancelled else { return }
            try? await Task.sleep(for: .milliseconds(50))
        }
    }

    /// The logs up to another block have been taken in.
    func readFurther(to block: UInt64) {
        readTo = block
        guard !looks.isEmpty else { return }
        isReadFurther = true
        claimWake.raise()
    }

    /// Asks what is in the queues.
    private func look() async {
        guard isCaughtUp else { return }
        let asOf = queues.mapValues(\.outcomes)
        do {
            // The queue's size may cost the node a look at each job in it.
            let kinds = takesJobs ? ClaimKind.allCases : [.cancel, .topUp]
            var questions = kinds.map {
                ContractReader.Question($0.size, [.address(address)], at: contracts.queues)
            }
            questions.append(.init(ContractABI.isValidForScheduling, [.address(address)], at: contracts.providers))
            let block = await feed.head
            let answers = try await reader.ask(questions)
            if let isValid = try answers[kinds.count].get().first?.bool, isValid != provider.isApproved {
                await refreshProvider()
            }
            var sizes: [ClaimKind: UInt64] = [:]
            for (kind, answer) in zip(kinds, answers) { sizes[kind] = ClaimQueue.size(answer) }
            looks.add(.init(block: block, sizes: sizes, outcomes: asOf))
        } catch {
            note(GridError(.unavailable, "\(error)"))
            logger.debug("claims wait", metadata: ["why": "\(error)"])
        }
    }

    /// What is in a queue as of a block up to which all is known here was not taken back unheard.
    private func claim() async {
        await readOn()
        guard isCaughtUp, let readTo, provider.isApproved,
            let sizes = looks.take(upTo: readTo, outcomes: queues.mapValues(\.outcomes))
        else { return }
        // Each on its own: one queue's trouble is not another's.
        for kind in ClaimKind.allCases {
            guard let size = sizes[kind] else { continue }
            if size == 0 { queues[kind]?.foundEmpty() }
            guard size > 0 else { continue }
            let most = await mostClaims(kind)
            if most > 0 { await claim(kind, size: size, most: most, asOf: queues[kind]?.outcomes ?? 0) }
        }
    }

    /// A new block may hold nothing for us to read, and an entry of a queue all the same: a customer's cancel.
    func readOn() async {
        guard let position = await feed.position?.number, let waiting = try? await feed.next(limit: 1) else { return }
        if waiting.isEmpty { readTo = max(position, readTo ?? 0) }
    }

    /// What is known beforehand stops the claim rather than refuse the job.
    func mostClaims(_ kind: ClaimKind) async -> Int {
        // What cannot be remembered is not begun.
        guard ledger.storageTrouble == nil else { return 0 }
        guard kind == .job else { return .max }
        guard takesJobs else { return 0 }
        let most = await mostScripts()
        guard most > 0, await cluster.isUp() else { return 0 }
        return most
    }

    private func mostScripts() async -> Int {
        let answer = scripts.answer(now: seconds)
        switch answer {
        case .claim: return .max
        case .stop: return 0
        case .probe, .one: break
        }
        do throws(GridError) {
            try await sbatch.probe()
            scripts.probed(isThere: true, now: seconds)
            return answer == .one ? 1 : .max
        } catch {
            scripts.probed(isThere: false, now: seconds)
            note(error)
            logger.debug("no jobs are claimed: their scripts cannot be fetched", metadata: ["why": "\(error)"])
            return 0
        }
    }

    private func claim(_ kind: ClaimKind, size: UInt64, most: Int, asOf: Int) async {
        let share = await manager.inFlightLimit / 2
        var count = min(most, queues[kind]?.wanted(size: size, asOf: asOf, share: share, now: seconds) ?? 0)
        if kind == .job, let limit = settings.maximumJobs {
            // Those that wait for their customer's others do not keep the rest out.
            let open = claims.count - crowded.count
            count = min(count, limit - open - (queues[kind]?.inFlight.count ?? 0))
        }
        guard count > 0 else { return }
        if kind == .job, most == 1 { scripts.tookOne(now: seconds) }
        if queues[kind]?.isRehearsed == true {
            let question = ContractReader.Question(kind.claim, [], at: contracts.metaScheduler, from: address)
            guard let answer = try? await reader.ask([question]).first else { return }
            if case .failure(let error) = answer {
                guard error.code == .reverted else { return }
                queues[kind]?.rehearsalFailed(error.message, now: seconds)
                logger.notice(
                    "a claim would revert; the queue rests", metadata: ["queue": "\(kind.rawValue)", "why": "\(error)"])
                return
            }
        }
        for _ in 0..<count {
            // An administrator, or other prices, may have come in between.
            guard kind != .job || takesJobs else { return }
            let key = kind.keyPrefix + UUID().uuidString
            queues[kind]?.inFlight.insert(key)
            do {
                try await manager.submit(
                    TransactionIntent(
                        key: key, className: "claim", recipient: contracts.metaScheduler, data: try kind.claim.call()))
                watchClaim(kind, key)
            } catch {
                queues[kind]?.inFlight.remove(key)
                note(GridError(.storage, "\(error)"))
                return
            }
        }
    }

    func watchClaim(_ kind: ClaimKind, _ key: String) {
        spawn {
            let outcome = await self.outcome(of: key)
            if Task.isCancelled { return }
            await self.claimOver(kind, key, outcome?.hasEffect == true)
        }
    }

    private func claimOver(_ kind: ClaimKind, _ key: String, _ succeeded: Bool) {
        queues[kind]?.over(key, succeeded: succeeded, now: seconds)
        if !succeeded {
            logger.notice("a claim brought nothing; the queue rests", metadata: ["queue": "\(kind.rawValue)"])
        }
        // Its event is in the feed already: the manager hands a receipt's logs over before its outcome.
        wakeUp()
    }
}
