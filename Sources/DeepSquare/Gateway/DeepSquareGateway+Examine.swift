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
            guard await hasRead(to: block) else {
                failed(.examine, key, Self.unheard)
                return
            }
            guard claims[key] == claim else { return }
            guard claims[key]?.take(word, provider: address, block: block) == true else {
                failed(.examine, key, "the node lags behind what the chain has said of this job")
                return
            }
            if claims[key]?.chain.isOver == true {
                try await endForNobody(claim)
                claims[key]?.needsExamination = false
                return await saveOrRetry(key)
            }
            if claim.needsNothingOfSlurm {
                claims[key]?.needsExamination = false
                return await saveOrRetry(key)
            }
            if try await ledger.order(name, externalID(key), claim: claim.number) != nil {
                return await adopted(key)
            }
            let since = trustedSeconds - Int64(settings.startWindow / .seconds(1)) - 86_400
            let accounting = try await cluster.accounting(named: claim.name, since: since)
            var others: Set<UInt32> = []
            while true {
                let found = try await adoption(of: claim, accounting ?? [], besides: others)
                guard let job = found.runs.last?.orderNumber else { break }
                if try await adopt(key, found) { return }
                // It is another claim's.
                others.insert(job)
            }
            // It was a job once: it is never submitted again.
            if word.status == .scheduled, claim.slurm.former == nil {
                try await examineScheduled(key, hasAccounting: accounting != nil)
            } else {
                try await examineMissing(key)
            }
        } catch {
            failed(.examine, key, "\(error)")
        }
    }

    /// What whoever was here before left running for nobody.
    private func endForNobody(_ claim: GridClaim) async throws {
        let user = try await cluster.account(login: policy.login(of: claim.customer))?.userID
        for job in try await cluster.jobs(named: claim.name)
        where job.details.userID == user && user != nil && !job.state.base.isEnd {
            // It may be the next claim's.
            guard claims[Key(claim)]?.isSuperseded == false else { return }
            try await cluster.cancel(job.jobID)
        }
    }

    /// Slurm's jobs of the claim's name: which of them is its own. The others are told of.
    func adoption(
        of claim: GridClaim, _ accounting: [JobObservation], besides others: Set<UInt32> = []
    ) async throws -> JobAdoption {
        let user = try await cluster.account(login: policy.login(of: claim.customer))?.userID
        let live = try await cluster.jobs(named: claim.name)
        // What slurmctld says of a run is newer.
        let known = Set(live.map { [Int64($0.orderNumber), $0.submitTime] })
        let before = accounting.filter { !known.contains([Int64($0.orderNumber), $0.submitTime]) }
        var isOwn = false
        if let transaction = claim.history?.first?.transaction { isOwn = try await manager.made(transaction) }
        let seen = (live + before).filter { !others.contains($0.orderNumber) }
        let found = JobAdoption(of: seen, user: user, former: claim.slurm.former, isOwnClaim: isOwn)
        for job in found.doubtful { doubt(job, Key(claim)) }
        return found
    }

    private func doubt(_ job: UInt32, _ key: Key) {
        let isKnown = claims[key]?.history?.contains { $0.kind == .doubtful && $0.detail == "\(job)" }
        guard isKnown == false else { return }
        claims[key]?.note(.doubtful, at: seconds, "\(job)")
        let words =
            "Slurm job \(job) bears the name of a job of the grid, and is not taken for it: see who submitted it"
        note(GridError(.malformed, words))
        logger.warning(
            "a Slurm job that bears the name of a job of the grid is not taken for it: see who submitted it",
            metadata: ids(key, ["slurm": "\(job)"]))
    }

    /// - Returns: false when the ledger has it for another claim.
    private func adopt(_ key: Key, _ found: JobAdoption) async throws -> Bool {
        guard let last = found.runs.last else { return false }
        try await ledger.fold(Ledger.Intake(observations: found.runs))
        guard
            try await ledger.adopt(
                name, externalID(key), claim: key.number, jobID: last.orderNumber,
                heldWith: found.mayBeHeld ? found.tag : nil)
        else { return false }
        logger.notice(
            "took over a job that was there before the agent",
            metadata: ids(key, ["slurm": "\(last.orderNumber)"]))
        claims[key]?.slurm.limit = last.details.timeLimit.map(UInt64.init)
        await adopted(key)
        return true
    }

    private func adopted(_ key: Key) async {
        claims[key]?.needsExamination = false
        claims[key]?.accept(now: seconds)
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
        if claims[key]?.verdict == .accepted { claims[key]?.verdict = .undecided }
        succeeded(.examine, key)
        await saveOrRetry(key)
    }

    /// On the chain it runs, or it was a job here, and nobody knows it: lost, after two answers.
    private func examineMissing(_ key: Key) async throws {
        if isFirstAnswer(key, Self.missing) { return }
        claims[key]?.needsExamination = false
        claims[key]?.lost(now: seconds)
        succeeded(.examine, key)
        await saveOrRetry(key)
    }

    /// Then it is asked again after a while.
    private func isFirstAnswer(_ key: Key, _ what: String) -> Bool {
        if runners[key]?.trouble(of: .examine) == what { return false }
        pause(.examine, key, seconds: Self.doubtInterval, why: what)
        return true
    }

    private static let notYet =
        "this agent knows nothing of the claim's transaction: whoever sent it may submit the job yet"
    private static let missing = "neither slurmctld nor slurmdbd knows the job"
}
