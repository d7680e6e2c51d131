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
            now: seconds, isApproved: isCaughtUp && provider.isApproved && provider.delta != nil,
            billing: Billing(
                rounding: settings.rounding, delta: provider.delta ?? 0,
                longestHold: Int64(settings.longestHold / .seconds(1))),
            exitCode: settings.exitCode, retryLimit: Int64(settings.retryLimit / .seconds(1)))
    }

    func advance(_ key: Key) {
        guard let claim = claims[key] else { return }
        timers.removeValue(forKey: key)
        holds.removeValue(forKey: key)
        var reports: [GridClaim.Report] = []
        for step in claim.steps(world()) {
            switch step {
            case .examine: start(.examine, key) { await self.examine(key) }
            case .decide: startDeciding(key)
            case .withdraw(let why): start(.withdraw, key) { await self.withdraw(key, why) }
            case .cancel(let id): start(.cancel, key) { await self.cancel(key, id) }
            case .setLimit(let id, let minutes): start(.setLimit, key) { await self.setLimit(key, id, minutes) }
            case .read: start(.read, key) { await self.read(key) }
            case .send(let report): reports.append(report)
            case .wait(let until): wake(key, at: until)
            case .hold(let until, let losing):
                wake(key, at: until)
                holds[key] = GridStatus.Hold(until: until, minutes: losing)
                claims[key]?.hold(until: until, losing: losing, now: seconds)
            case .close: start(.send, key) { await self.close(key) }
            }
        }
        if !reports.isEmpty {
            let inOrder = reports
            start(.send, key) { for report in inOrder { await self.send(report, key) } }
        }
    }

    private func wake(_ key: Key, at time: Int64) {
        let date = Date(timeIntervalSince1970: Double(time))
        timers[key] = min(timers[key] ?? date, date)
    }

    /// One at a time of a sort for a claim; after a failure not before its time.
    private func start(_ work: Work, _ key: Key, _ body: @escaping @Sendable () async -> Void) {
        if busy[key]?.contains(work) == true { return }
        if let retry = retries[key]?[work], retry.notBefore > now() {
            timers[key] = min(timers[key] ?? retry.notBefore, retry.notBefore)
            return
        }
        busy[key, default: []].insert(work)
        spawn {
            await body()
            await self.ended(work, key)
        }
    }

    private func ended(_ work: Work, _ key: Key) {
        busy[key]?.remove(work)
        if busy[key]?.isEmpty == true { busy.removeValue(forKey: key) }
        advance(key)
    }

    func succeeded(_ work: Work, _ key: Key) { retries[key]?.removeValue(forKey: work) }

    /// - Returns: how often in a row.
    @discardableResult
    func failed(_ work: Work, _ key: Key, _ why: String) -> Int {
        var retry = retries[key]?[work] ?? Retry()
        retry.tries += 1
        retry.why = why
        retry.notBefore = now() + min(30, 0.5 * Double(1 << min(retry.tries - 1, 6)))
        retries[key, default: [:]][work] = retry
        if retry.tries == 1 || retry.tries == 6 {
            logger.notice("will be tried again", metadata: ids(key, ["what": "\(work)", "why": "\(why)"]))
        }
        return retry.tries
    }

    // MARK: Slurm

    private func withdraw(_ key: Key, _ why: String) async {
        do throws(LedgerError) {
            // True: the ledger tells it as refused, which comes by `deliver`.
            if try await ledger.withdraw(name, externalID(key), claim: key.number, why: why) {
                retries[key, default: [:]][.withdraw] = Retry(notBefore: now() + 5)
            } else {
                failed(.withdraw, key, "the job is being submitted just now")
            }
        } catch {
            failed(.withdraw, key, error.description)
        }
    }

    private func cancel(_ key: Key, _ id: UInt32) async {
        do throws(GridError) {
            try await cluster.cancel(id)
            succeeded(.cancel, key)
            claims[key]?.slurm.isCancelled = true
            logger.info("cancelled", metadata: ids(key))
            await saveOrRetry(key)
        } catch {
            failed(.cancel, key, error.description)
        }
    }

    private func setLimit(_ key: Key, _ id: UInt32, _ minutes: UInt64) async {
        do throws(GridError) {
            try await cluster.setTimeLimit(id, minutes: minutes)
            succeeded(.setLimit, key)
            claims[key]?.slurm.limit = minutes
            logger.info("set the time limit", metadata: ids(key, ["minutes": "\(minutes)"]))
            await saveOrRetry(key)
        } catch {
            failed(.setLimit, key, error.description)
        }
    }

    // MARK: the contract

    /// The contract's word decides what becomes of a report that it did not take; also whether we may report at all.
    private func read(_ key: Key) async {
        await refreshProvider()
        let before = claims[key]
        do throws(GridError) {
            let (word, block) = try await reader.job(key.job, of: contracts)
            // What was learned meanwhile is newer.
            guard claims[key] == before else { return }
            guard claims[key]?.take(word, provider: address, block: block) == true else {
                failed(.read, key, "the node lags behind what the chain has said of this job")
                return
            }
            try await save([key])
            // The same question over and over brings nothing new at once.
            retries[key, default: [:]][.read] = Retry(notBefore: now() + 1)
        } catch {
            note(error)
            failed(.read, key, error.description)
        }
    }

    // MARK: reports

    /// Job ids are small numbers in practice: another contract has the same ones.
    func intentKey(_ key: Key, _ attempt: Int) -> String {
        "deepsquare \(contracts.metaScheduler.hex) \(key) \(attempt)"
    }

    /// Committed here, then by the transaction manager, which broadcasts it at once: a crash between the two is mended at the
    /// next start.
    private func send(_ report: GridClaim.Report, _ key: Key) async {
        guard var claim = claims[key] else { return }
        claim.attempts += 1
        var numbered = report
        numbered.attempt = claim.attempts
        if report.kind == .running { claim.running = numbered } else { claim.final = numbered }
        claims[key] = claim
        do throws(GridError) {
            try await save([key])
        } catch {
            // Nothing has left; it is decided anew.
            if report.kind == .running { claims[key]?.running = nil } else { claims[key]?.final = nil }
            note(error)
            timers[key] = now() + 1
            return
        }
        logger.info(
            "reports",
            metadata: ids(
                key,
                [
                    "status": "\(numbered.statusWord)", "minutes": "\(report.minutes)",
                    "exit_code": "\(report.exitCode)", "why": "\(report.words)",
                    "transaction_key": "\(intentKey(key, numbered.attempt))",
                ]))
        await handOver(numbered, key)
    }

    private func handOver(_ decided: GridClaim.Report, _ key: Key) async {
        var report = decided
        while !Task.isCancelled {
            do {
                try await manager.submit(intent(report, key))
                return watch(report, key)
            } catch let error as ChainStoreError where error.code == .conflict {
                // From before this gateway's file was made anew.
                guard var claim = claims[key] else { return }
                claim.attempts += 1
                report.attempt = claim.attempts
                if report.kind == .running { claim.running = report } else { claim.final = report }
                claims[key] = claim
                await saveOrRetry(key)
            } catch {
                if Task.isCancelled { return }
                logger.error(
                    "a report waits for the chain's ledger", metadata: ids(key, ["why": "\(error)"]))
                try? await Task.sleep(for: .seconds(1))
            }
        }
    }

    private func intent(_ report: GridClaim.Report, _ key: Key) throws -> TransactionIntent {
        let data: [UInt8] =
            switch report.kind {
            case .refuse:
                try ContractABI.refuseJob.call([.hash(key.job)])
            case .running, .end:
                try ContractABI.providerSetJobStatus.call([
                    .hash(key.job), .uint64(UInt64(report.status.rawValue)), .uint64(report.minutes),
                    .string(report.words), .int64(report.exitCode),
                ])
            }
        // What each of them costs differs.
        return TransactionIntent(
            key: intentKey(key, report.attempt), className: "status", recipient: contracts.metaScheduler, data: data,
            call: "\(contracts.metaScheduler.hex):\(report.kind == .refuse ? "refuse" : "\(report.status)")")
    }

    /// After a start: reports that were decided are handed over again, which changes nothing for those that had been.
    func resume(_ key: Key) {
        guard let claim = claims[key] else { return }
        let open = [claim.running, claim.final].compactMap { $0 }.filter { $0.state == .sent }
        guard !open.isEmpty else { return }
        spawn { for report in open { await self.handOver(report, key) } }
    }

    private func watch(_ report: GridClaim.Report, _ key: Key) {
        let intent = intentKey(key, report.attempt)
        spawn {
            guard let outcome = await self.outcome(of: intent) else { return }  // The gateway ends.
            await self.over(report, key, outcome)
        }
    }

    /// nil only when the gateway ends, or there is no such intent.
    func outcome(of intent: String) async -> TransactionOutcome? {
        while !Task.isCancelled {
            do {
                return try await manager.outcome(intent)
            } catch {
                note(GridError(.storage, "\(error)"))
                try? await Task.sleep(for: .seconds(1))
            }
        }
        return nil
    }

    private func over(_ report: GridClaim.Report, _ key: Key, _ outcome: TransactionOutcome) async {
        guard let known = report.kind == .running ? claims[key]?.running : claims[key]?.final,
            known.attempt == report.attempt, known.state == .sent
        else { return }
        var words: Logger.Metadata = ["status": "\(report.statusWord)"]
        if let receipt = outcome.receipt {
            words["transaction"] = "\(receipt.transaction)"
            words["block"] = "\(receipt.block.number)"
        }
        switch outcome {
        case .succeeded(let receipt):
            let payments = pay(in: receipt, of: report, key)
            claims[key]?.succeeded(
                report.kind, block: receipt.block.number, transaction: receipt.transaction, payments: payments,
                now: seconds)
            logger.info("reported", metadata: ids(key, words))
        case .reverted, .cancelled:
            claims[key]?.reverted(
                report.kind, block: outcome.receipt?.block.number ?? 0, transaction: outcome.receipt?.transaction,
                now: seconds)
            words["outcome"] = "\(outcome.receipt == nil ? "cancelled" : "reverted")"
            logger.notice(
                "the contract did not take a report; its state decides what comes next", metadata: ids(key, words))
        }
        await saveOrRetry(key)
        advance(key)
    }

    private func close(_ key: Key) async {
        do {
            // The chain may have taken the job back in the very moment in which it was ordered.
            if claims[key]?.slurm.isOrdered == false,
                try await ledger.order(name, externalID(key), claim: key.number) != nil
            {
                claims[key]?.slurm.isOrdered = true
                for transition in try await ledger.transitions(of: name, externalID(key), claim: key.number) {
                    claims[key]?.take(transition, now: seconds)
                }
                return await saveOrRetry(key)
            }
            claims[key]?.closedAt = seconds
            try await save([key])
        } catch {
            claims[key]?.closedAt = nil
            note(GridError(.storage, "\(error)"))
            timers[key] = now() + 1
            return
        }
        guard let claim = claims[key] else { return }
        logger.info("over", metadata: ids(key, ["status": "\(claim.chain.status)"]))
        claims.removeValue(forKey: key)
        retries.removeValue(forKey: key)
        timers.removeValue(forKey: key)
        holds.removeValue(forKey: key)
        if settings.maximumJobs != nil { claimWake.raise() }
    }
}
