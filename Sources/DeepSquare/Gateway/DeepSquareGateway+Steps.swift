// SPDX-License-Identifier: GPL-3.0-or-later

internal import Ethereum
internal import FoundationEssentials
internal import JobLifecycle
internal import Logging
internal import Support

/// Does what a claim's `steps` say.
extension DeepSquareGateway {
    func world() -> GridClaim.World {
        GridClaim.World(
            now: seconds, trustedNow: trustedSeconds, leap: ledger.clock.leap,
            isApproved: isCaughtUp && provider.isApproved && provider.delta != nil,
            billing: Billing(
                rounding: settings.rounding, delta: provider.delta ?? 0,
                longestHold: Int64(settings.longestHold / .seconds(1))),
            exitCode: settings.exitCode, retryLimit: Int64(settings.retryLimit / .seconds(1)))
    }

    func advance(_ key: Key) {
        guard let claim = claims[key] else { return }
        runners[key]?.beginLook()
        if claim.chain.isOver, !claim.openReports.isEmpty { start(.recall, key) { await self.recall(key) } }
        var reports: [GridClaim.Report] = []
        for step in claim.steps(world()) {
            switch step {
            case .examine: start(.examine, key) { await self.examine(key) }
            case .decide: startDeciding(key)
            case .withdraw(let why): start(.withdraw, key) { await self.withdraw(key, why) }
            case .cancel(let id, let why): start(.cancel, key) { await self.cancel(key, id, why) }
            case .setLimit(let id, let minutes): start(.setLimit, key) { await self.setLimit(key, id, minutes) }
            case .read: start(.read, key) { await self.read(key) }
            case .send(let report): reports.append(report)
            case .wait(let until): wake(key, at: until)
            case .hold(let until, let losing):
                wake(key, at: until)
                runners[key]?.hold = GridStatus.Hold(until: until, minutes: losing)
                claims[key]?.hold(until: until, losing: losing, now: seconds)
            case .close: start(.close, key) { await self.close(key) }
            }
        }
        if !reports.isEmpty {
            let inOrder = reports
            start(.send, key) {
                // Each after the one before, or not at all.
                for report in inOrder where await !self.send(report, key) { break }
            }
        }
    }

    private func wake(_ key: Key, at time: Int64) {
        runners[key, default: .init()].look(at: Date(timeIntervalSince1970: Double(time)))
    }

    /// What may not begin now is asked for again: when what is in its way is done, or its time has come.
    private func start(_ work: Work, _ key: Key, _ body: @escaping @Sendable () async -> Void) {
        guard runners[key, default: .init()].begin(work, at: now()) == .now else { return }
        spawn {
            await body()
            await self.ended(work, key)
        }
    }

    func ended(_ work: Work, _ key: Key) {
        runners[key]?.end(work)
        advance(key)
    }

    func succeeded(_ work: Work, _ key: Key) { runners[key]?.forget(work) }

    /// - Returns: how often in a row.
    @discardableResult
    func failed(_ work: Work, _ key: Key, _ why: String) -> Int {
        let tries = runners[key, default: .init()].failed(work, why: why, at: now())
        if tries == 1 || tries == 6 {
            logger.notice("will be tried again", metadata: ids(key, ["what": "\(work)", "why": "\(why)"]))
        }
        return tries
    }

    /// Not again before so many seconds have passed.
    func pause(_ work: Work, _ key: Key, seconds: Double, why: String? = nil) {
        runners[key, default: .init()].pause(work, until: now() + seconds, why: why)
    }

    // MARK: Slurm

    private func withdraw(_ key: Key, _ why: String) async {
        do throws(LedgerError) {
            // True: the ledger tells it as refused, which comes by `deliver`.
            if try await ledger.withdraw(name, externalID(key), claim: key.number, why: why) {
                pause(.withdraw, key, seconds: 5)
            } else {
                failed(.withdraw, key, "the job is being submitted just now")
            }
        } catch {
            failed(.withdraw, key, error.description)
        }
    }

    private func cancel(_ key: Key, _ id: UInt32, _ why: String) async {
        guard await carryOut(.cancel(why: why), .cancel, key), claims[key]?.slurm.jobID == id else { return }
        claims[key]?.slurm.isCancelled = true
        logger.info("cancelled", metadata: ids(key))
        await saveOrRetry(key)
    }

    private func setLimit(_ key: Key, _ id: UInt32, _ paid: UInt64) async {
        guard let claim = claims[key] else { return }
        let partition: UInt64?
        do throws(GridError) {
            partition = try await cluster.longestTime(of: id)
        } catch {
            failed(.setLimit, key, error.description)
            return
        }
        let limit = policy.limit(claimed: claim.minutes, paid: paid, partition: partition)
        guard await carryOut(.timeLimit(minutes: limit.minutes), .setLimit, key), claims[key]?.slurm.jobID == id else {
            return
        }
        claims[key]?.slurm.limit = paid
        logger.info("set the time limit", metadata: ids(key, ["minutes": "\(limit.minutes)"]))
        limited(key, limit, paid)
        await saveOrRetry(key)
    }

    /// Has the core do it, which keeps it through a crash and tries again by itself; what is refused is asked for again later.
    /// - Returns: whether it is done.
    private func carryOut(_ command: JobCommand, _ work: Work, _ key: Key) async -> Bool {
        do throws(LedgerError) {
            let state = try await ledger.carryOut(command, of: name, externalID(key), claim: key.number) {
                await self.isTriedAgain(work, key, tries: $0, why: $1)
            }
            switch state {
            case .open: return false
            case .done:
                succeeded(work, key)
                return true
            case .impossible(let why): failed(work, key, why)
            }
        } catch {
            failed(work, key, error.description)
        }
        return false
    }

    /// By the core: for `status`.
    private func isTriedAgain(_ work: Work, _ key: Key, tries: Int, why: String) {
        runners[key, default: .init()].isTried(work, tries: tries, why: why)
    }

    /// More was paid for than the job may run here: the contract gives back what is not used.
    private func limited(_ key: Key, _ limit: JobPolicy.Limit, _ paid: UInt64) {
        claims[key]?.slurm.granted = limit.bound == nil ? nil : limit.minutes
        guard let bound = limit.bound, let claim = claims[key] else { return }
        let words = "\(limit.minutes) of \(paid) min: \(bound)"
        claims[key]?.note(.limited, at: seconds, words)
        logger.notice(
            "a top-up passes what jobs may run here",
            metadata: ids(key, ["minutes": "\(limit.minutes)", "paid": "\(paid)", "why": "\(bound)"]))
        spawn {
            await self.tell(key.job, claim.customer, claim: claim, "the job's time limit stays at \(words)")
        }
    }

    // MARK: the contract

    /// The contract's word decides what becomes of a report that it did not take; also whether we may report at all.
    private func read(_ key: Key) async {
        await refreshProvider()
        let before = claims[key]
        do throws(GridError) {
            let (word, block) = try await reader.job(key.job, of: contracts)
            let isHeard = await hasRead(to: block)
            // What was learned meanwhile is newer.
            guard claims[key] == before else { return }
            guard isHeard else {
                failed(.read, key, Self.unheard)
                return
            }
            guard claims[key]?.take(word, provider: address, block: block) == true else {
                failed(.read, key, "the node lags behind what the chain has said of this job")
                return
            }
            try await save([key])
            // The same question over and over brings nothing new at once.
            pause(.read, key, seconds: 1)
        } catch {
            note(error)
            failed(.read, key, error.description)
        }
    }

    /// The contract's word on a job is on its newest claim, which may not have been heard of: it counts once all is taken in
    /// that the chain said up to that block.
    /// - Returns: false when that takes too long.
    func hasRead(to block: UInt64) async -> Bool {
        // With confirmations the logs are so many blocks behind.
        for _ in 0..<6000 where !Task.isCancelled {
            await readOn()
            if let readTo, readTo >= block { return true }
            try? await Task.sleep(for: .milliseconds(100))
        }
        return false
    }

    static let unheard = "the events up to the block that the contract's word is of are still being read"

    private func close(_ key: Key) async {
        // From here on no other step begins.
        claims[key]?.closedAt = seconds
        do {
            // The chain may have taken the job back in the very moment in which it was ordered.
            if claims[key]?.slurm.isOrdered == false,
                try await ledger.order(name, externalID(key), claim: key.number) != nil
            {
                claims[key]?.closedAt = nil
                claims[key]?.slurm.isOrdered = true
                for transition in try await ledger.transitions(of: name, externalID(key), claim: key.number) {
                    claims[key]?.take(transition, now: seconds)
                }
                return await saveOrRetry(key)
            }
            try await save([key])
        } catch {
            claims[key]?.closedAt = nil
            note(GridError(.storage, "\(error)"))
            failed(.close, key, "\(error)")
            return
        }
        // The chain may have lost its end meanwhile.
        guard let claim = claims[key], claim.isClosed else { return }
        logger.info("over", metadata: ids(key, ["status": "\(claim.chain.status)"]))
        claims.removeValue(forKey: key)
        inherited.remove(key)
        leave(key)
        placeIsFree(of: policy.login(of: claim.customer))
        scripts.over(key)
        runners.removeValue(forKey: key)
        if settings.maximumJobs != nil { claimWake.raise() }
    }
}
