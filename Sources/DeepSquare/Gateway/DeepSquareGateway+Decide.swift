// SPDX-License-Identifier: GPL-3.0-or-later

internal import Ethereum
internal import JobLifecycle
internal import Logging

/// From a claim to an order, or to the reason why not.
extension DeepSquareGateway {
    /// Scripts that are fetched at once.
    private static let concurrency = 8
    /// Seconds that a user who is not there is asked for: a name service that is away may say so too.
    private static let userPatience: Int64 = 300

    func startDeciding(_ key: Key) {
        // Until then somebody else may have moved it, unheard.
        guard isCaughtUp else { return }
        var runner = runners[key, default: .init()]
        let answer = runner.begin(.decide, at: now())
        // When all are busy it is asked again when one is decided.
        guard answer != .now || deciding < Self.concurrency else { return }
        runners[key] = runner
        guard answer == .now else { return }
        deciding += 1
        spawn {
            await self.decide(key)
            await self.decided(key)
        }
    }

    /// What failed is tried at once.
    func lookNow(_ key: Key) {
        runners[key]?.forget(.decide)
        runners[key, default: .init()].look(at: now())
    }

    private func decided(_ key: Key) {
        deciding -= 1
        ended(.decide, key)
        // Those that came when all were busy.
        let now = now()
        let waiting = claims.filter { other, claim in
            guard other != key, claim.isUndecided else { return false }
            return runners[other].map { $0.isIdle && $0.mayBegin(.decide, at: now) == .now } ?? true
        }.map(\.key)
        for other in inTurn(waiting) where deciding < Self.concurrency { advance(other) }
    }

    private func decide(_ key: Key) async {
        guard let claim = claims[key] else { return }
        do {
            // Ordered before a crash.
            if try await ledger.order(name, externalID(key), claim: claim.number) != nil {
                return try await accept(key, minutes: claim.minutes)
            }
            if key.number > 1, let before = try await store.claim(claim.name, key.number - 1), before.wasRefusedForGood
            {
                let why = before.final?.words ?? ""
                return await settle(key, .failed("refused before, and given to this provider again: \(why)"))
            }
            switch policy.check(claim.definition, customer: claim.customer, minutes: claim.minutes) {
            case .refuse(let why): return await settle(key, .refused(why))
            case .fail(let why): return await settle(key, .failed(why))
            case .fine: break
            }
            guard hasPlace(key) else {
                if isCrowdedOut(key, claim) {
                    outcomes.crowdsOut(key)
                    return await settle(key, .refused(crowdWords), isPassing: true, level: .notice)
                }
                failed(.decide, key, crowdWords)
                return
            }
            let placement = policy.placement(of: claim.customer)
            let revision = policyRevision
            let (account, answer) = try await owner(at: placement)
            if account == nil, age(since: claim.claimedAt) < min(Self.userPatience, retryLimit) {
                failed(.decide, key, "there is no Unix user \(placement.login): \(Self.mapUser)")
                return
            }
            if case .refuse(let why) = answer { return await settle(key, .refused(why)) }
            if inherited.contains(key) {
                guard try await adoption(of: claim, []).runs.isEmpty else {
                    claims[key]?.needsExamination = true
                    return
                }
                inherited.remove(key)
            }
            let script = try await sbatch.script(
                for: claim.job, hash: claim.definition.batchLocationHash, customer: claim.customer)
            scripts.fetched()
            await learn(loggerAddress: script.loggerAddress)
            if case .fail(let why) = policy.check(script: script.text) { return await settle(key, .failed(why)) }
            // Whose job it is has changed meanwhile: it is decided on what holds now.
            guard let account, revision == policyRevision else { return }
            let wanted = request(
                claim.job, claim.definition, minutes: claim.minutes, account, placement, script: script.text)
            if let why = try await cluster.whyImpossible(wanted) {
                return await settle(key, .refused("this cluster cannot run the job: \(why)"))
            }
            let request = try cluster.request(wanted)
            // The chain may have taken the job back meanwhile, or somebody else may run it.
            guard let current = claims[key], !current.chain.isOver, !current.needsExamination else { return }
            try await ledger.accept(
                JobOrder(gateway: name, externalID: externalID(key), claim: claim.number, request: request))
            try await accept(key, minutes: claim.minutes)
        } catch let failure as SBatchService.Failure {
            switch failure {
            case .notFound(let why), .unusable(let why):
                scripts.fetched()
                await settle(key, .failed(why))
            case .notNow(let why):
                scripts.failed(key, of: policy.login(of: claim.customer))
                await notNow(key, why)
            }
        } catch let error as GridError where error.code == .malformed || error.code == .configuration {
            // Of this cluster's inner life the customer reads nothing.
            logger.warning("the cluster cannot take a job", metadata: ids(key, ["why": "\(error)"]))
            await settle(key, .refused("this cluster cannot take the job"))
        } catch {
            await notNow(key, "\(error)")
        }
    }

    private var retryLimit: Int64 { Int64(settings.retryLimit / .seconds(1)) }

    /// The Unix user that jobs run as, and whether they may.
    func owner(
        at placement: GridPlacement
    ) async throws(GridError) -> (account: GridAccount?, answer: JobPolicy.Answer) {
        guard let account = try await cluster.account(login: placement.login) else {
            return (nil, policy.check(nil, login: placement.login, systemUsers: []))
        }
        let systemUsers = try await cluster.systemUsers()
        return (account, policy.check(account, login: placement.login, systemUsers: systemUsers))
    }

    func request(
        _ job: Hash32, _ definition: JobDefinition, minutes: UInt64, _ account: GridAccount, _ placement: GridPlacement,
        script: String
    ) -> GridJobRequest {
        GridJobRequest(
            name: job.description, userID: account.userID, script: GridJobRequest.wrap(script),
            partition: placement.partition,
            tasks: UInt32(clamping: definition.tasks),
            cpusPerTask: UInt32(clamping: definition.cpusPerTask),
            memoryPerCPU: definition.memoryPerCPU, gpus: UInt32(clamping: definition.gpus),
            timeLimit: UInt32(clamping: minutes),
            // A name that could be guessed could be made by somebody else before.
            output: "/tmp/slurm-grid-agent-%j-\(String(UInt64.random(in: .min ... .max), radix: 36)).log",
            account: placement.account, qos: placement.qos,
            // Names are long, and begin alike: what is seen of them in squeue says nothing.
            comment: "grid job \(job.short) for \(placement.login)")
    }

    /// The ledger has the order.
    private func accept(_ key: Key, minutes: UInt64) async throws {
        succeeded(.decide, key)
        inherited.remove(key)
        guard let claim = claims[key] else {
            // Nobody else would ever take it back.
            _ = try await ledger.withdraw(name, externalID(key), claim: key.number, why: "its claim is over")
            return
        }
        guard claim.verdict == .undecided else { return }
        claims[key]?.accept(now: seconds)
        leave(key)
        claims[key]?.slurm.isOrdered = true
        claims[key]?.slurm.limit = minutes
        // A crash may have kept some from here.
        for transition in try await ledger.transitions(of: name, externalID(key), claim: key.number) {
            claims[key]?.take(transition, now: seconds)
        }
        await saveOrRetry(key)
    }

    private func settle(
        _ key: Key, _ verdict: GridClaim.Verdict, isPassing: Bool = false, level: Logger.Level = .warning
    ) async {
        succeeded(.decide, key)
        scripts.over(key)
        inherited.remove(key)
        leave(key)
        claims[key]?.settle(verdict, isPassing: isPassing, now: seconds)
        placeIsFree(of: login(of: key))
        await saveOrRetry(key)
        tell(key, verdict, level: level)
    }

    /// A job that becomes none has no log but this.
    func tell(_ key: Key, _ verdict: GridClaim.Verdict, level: Logger.Level = .warning) {
        guard let customer = claims[key]?.customer else { return }
        let why: String
        switch verdict {
        case .refused(let reason): why = "refused: \(reason)"
        case .failed(let reason): why = "failed: \(reason)"
        case .undecided, .accepted: return
        }
        logger.log(
            level: level, "no job becomes of a claim",
            metadata: ids(key, ["customer": "\(customer.checksummed)", "why": "\(why)"]))
        spawn { await self.tell(key.job, customer, claim: self.claims[key], why) }
    }

    func tell(_ job: Hash32, _ customer: Address, claim: GridClaim?, _ why: String) async {
        // Only the sbatch service knows where the log goes.
        if loggerAddress == nil, settings.gridLogger == nil, let claim,
            let script = try? await sbatch.script(
                for: job, hash: claim.definition.batchLocationHash, customer: customer)
        {
            await learn(loggerAddress: script.loggerAddress)
        }
        await gridLogger.write(["slurm-grid-agent: \(why)"], job: job, customer: customer, told: loggerAddress)
    }

    private func learn(loggerAddress address: String) async {
        guard address != loggerAddress else { return }
        loggerAddress = address
        try? await store.set("grid-logger", address)
    }

    /// Slurm takes held jobs in that it would refuse otherwise, and keeps them for ever.
    func giveBackIfStuck(_ key: Key) async {
        guard let claim = claims[key], claim.verdict == .accepted, claim.slurm.isLive, !claim.slurm.hasStarted,
            let id = claim.slurm.jobID, let why = try? await cluster.whyStuck(id),
            claims[key]?.slurm.hasStarted == false, claims[key]?.verdict == .accepted
        else { return }
        await settle(key, .refused("this cluster cannot run the job: \(why)"))
        advance(key)
    }

    private func notNow(_ key: Key, _ why: String) async {
        guard let claim = claims[key] else { return }
        if age(since: claim.claimedAt) >= retryLimit {
            // Addresses and paths are for the administrator.
            logger.warning("a job could not be started in time", metadata: ids(key, ["why": "\(why)"]))
            return await settle(key, .refused("the provider could not start the job in time"), isPassing: true)
        }
        failed(.decide, key, why)
    }
}
