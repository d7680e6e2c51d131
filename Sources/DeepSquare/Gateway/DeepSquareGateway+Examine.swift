// SPDX-License-Identifier: GPL-3.0-or-later

internal import Ethereum
internal import FoundationEssentials
internal import JobLifecycle
internal import Logging

/// Claims by transactions that are not the agent's: whoever sent them may have made jobs of them.
extension DeepSquareGateway {
    /// Between the two answers that make a job lost.
    private static let doubtInterval = 60.0

    func examine(_ key: Key) async {
        guard let claim = claims[key] else { return }
        do {
            let (word, block) = try await reader.job(key.job, of: contracts)
            guard claims[key]?.take(word, provider: address, block: block) == true else {
                failed(.examine, key, "the node lags behind what the chain has said of this job")
                return
            }
            if claims[key]?.chain.isOver == true {
                // What whoever was here before left running for nobody.
                if let user = try await cluster.account(login: policy.login(of: claim.customer))?.userID {
                    for job in try await cluster.jobs(named: claim.name, of: user) where !job.state.base.isEnd {
                        try await cluster.cancel(job.jobID)
                    }
                }
                claims[key]?.needsExamination = false
                return await saveOrRetry(key)
            }
            if try await ledger.order(name, externalID(key), claim: claim.number) != nil {
                return await adopted(key)
            }
            // Anybody can give a job that name: only the customer's own is the customer's.
            let user = try await cluster.account(login: policy.login(of: claim.customer))?.userID
            if let user, try await adopt(key, try await cluster.jobs(named: claim.name, of: user)) { return }
            let since = seconds - Int64(settings.startWindow / .seconds(1)) - 86_400
            let accounting = try await cluster.accounting(named: claim.name, of: user ?? .max, since: since)
            if let accounting, try await adopt(key, accounting) { return }
            if word.status == .scheduled {
                try await examineScheduled(key, hasAccounting: accounting != nil)
            } else {
                try await examineRunning(key)
            }
        } catch {
            failed(.examine, key, "\(error)")
        }
    }

    private func adopt(_ key: Key, _ runs: [JobObservation]) async throws -> Bool {
        guard let last = runs.max(by: { $0.submitTime < $1.submitTime }) else { return false }
        try await ledger.fold(Ledger.Intake(observations: runs))
        guard try await ledger.adopt(name, externalID(key), claim: key.number, jobID: last.jobID) else {
            throw GridError(.storage, "the ledger has Slurm job \(last.jobID) for another order")
        }
        logger.notice(
            "took over a job that was there before the agent",
            metadata: ids(key, ["slurm": "\(last.jobID)"]))
        claims[key]?.slurm.limit = last.details.timeLimit.map(UInt64.init)
        await adopted(key)
        return true
    }

    private func adopted(_ key: Key) async {
        claims[key]?.needsExamination = false
        claims[key]?.verdict = .accepted
        claims[key]?.slurm.isOrdered = true
        // Not known: it is set.
        if claims[key]?.slurm.limit == nil { claims[key]?.slurm.limit = 0 }
        do {
            for transition in try await ledger.transitions(of: name, externalID(key), claim: key.number) {
                claims[key]?.take(transition, now: seconds)
            }
        } catch {
            claims[key]?.needsExamination = true
            failed(.examine, key, "\(error)")
        }
        await saveOrRetry(key)
    }

    /// On the chain it waits for its Slurm job, and there is none.
    private func examineScheduled(_ key: Key, hasAccounting: Bool) async throws {
        guard let claim = claims[key] else { return }
        // Who claimed it beside us may be about to submit it.
        if claim.place.block > examinedBlocks, isFirstAnswer(key, Self.notYet) { return }
        if !hasAccounting {
            // slurmctld forgets what has ended.
            let claimed = try await StartBlock.time(of: claim.place.block, reader.client)
            let age = seconds - Int64(clamping: claimed)
            if age >= (try await cluster.endedJobMemory()) {
                claims[key]?.settle(
                    .failed(
                        "whether the job was submitted before cannot be known any more, so it is not submitted again"),
                    now: seconds)
            }
        }
        // Otherwise it was provably never submitted: now it is.
        claims[key]?.needsExamination = false
        succeeded(.examine, key)
        await saveOrRetry(key)
    }

    /// On the chain it runs, and nobody knows it: lost, after two answers.
    private func examineRunning(_ key: Key) async throws {
        if isFirstAnswer(key, Self.missing) { return }
        claims[key]?.needsExamination = false
        claims[key]?.lost(now: seconds)
        succeeded(.examine, key)
        await saveOrRetry(key)
    }

    /// Then it is asked again after a while.
    private func isFirstAnswer(_ key: Key, _ what: String) -> Bool {
        if retries[key]?[.examine]?.why == what { return false }
        retries[key, default: [:]][.examine] = Retry(tries: 1, notBefore: now() + Self.doubtInterval, why: what)
        return true
    }

    private static let notYet =
        "this agent knows nothing of the claim's transaction: whoever sent it may submit the job yet"
    private static let missing = "neither slurmctld nor slurmdbd knows the job"
}
