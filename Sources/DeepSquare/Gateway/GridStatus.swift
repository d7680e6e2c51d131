// SPDX-License-Identifier: GPL-3.0-or-later

internal import BigInt
internal import Ethereum
internal import JobLifecycle
internal import Logging
internal import Support

/// What `grid status` and `grid jobs` show.
public struct GridStatus: Codable, Sendable {
    public struct Hold: Codable, Sendable, Hashable {
        /// Unix seconds.
        public var until: Int64
        /// Minutes that would not be paid without it.
        public var minutes: UInt64
    }

    public struct Problem: Codable, Sendable {
        /// Unix seconds.
        public var at: Int64
        public var what: String
    }

    public struct Queue: Codable, Sendable {
        public var inFlight: Int
        public var trouble: String?
    }

    /// One step of a job's way from the request to the payment.
    public struct Step: Codable, Sendable, Hashable {
        /// Unix seconds: of the block, or Slurm's word, or when it became known here.
        public var at: Int64
        /// `claimed`, `submitted as Slurm job 7`, `reported Running`, `ended: COMPLETED`, `paid 8.333 credits`, …
        public var what: String
        /// The transaction that did it, or that told of it.
        public var transaction: String?
    }

    public struct Job: Codable, Sendable {
        public var job: String
        public var claim: Int64
        public var customer: String
        public var slurmJob: UInt32?
        /// Claimed, with top-ups.
        public var minutes: UInt64
        /// The time limit that Slurm was told, where that is less; nil: it is not.
        public var limitMinutes: UInt64?
        /// The chain's word, as far as we know it.
        public var chainStatus: String
        /// What goes on, in words.
        public var state: String
        public var reportedMinutes: UInt64?
        public var hold: Hold?
        /// What is tried again, and why.
        public var trouble: String?
        public var wasBilledTooMuch: Bool
        /// Nothing more will happen to it.
        public var isOver: Bool
        /// Wei of credits that this provider got; nil while it may still get some, and when it is not known.
        public var earned: String?
        /// In the order in which they became known.
        public var steps: [Step]
    }

    public var contract: String
    public var provider: String
    public var state: String
    public var isApproved: Bool
    /// nil: an agent of an earlier release, as with the next one.
    public var standing: ProviderStanding?
    /// Why no new jobs are claimed; empty: they are.
    public var obstacles: [String]?
    public var isOpen: Bool
    public var isDrained: Bool
    /// A registration with other prices is not decided on yet; nothing is claimed until it is.
    public var isRegistering: Bool
    /// What it waits for, in words.
    public var registration: String?
    /// Wei.
    public var credits: String?
    /// When they were read, Unix seconds, and the chain's newest block then.
    public var creditsAt: Int64?
    public var creditsBlock: UInt64?
    public var queues: [String: Queue]
    public var jobs: [Job]
    /// Reports that wait for the chain to approve us again.
    public var waitingReports: Int
    public var lastProblem: Problem?
    /// nil: an agent of an earlier release.
    public var outcomes: GridOutcomes?
}

extension DeepSquareGateway {
    public var status: GridStatus {
        let world = world()
        var waiting = 0
        let jobs = claims.sorted { $0.value.claimedAt < $1.value.claimedAt }.map { key, claim in
            if !provider.isApproved, claim.wantsToReport(world) { waiting += 1 }
            return job(claim, runners[key])
        }
        return GridStatus(
            contract: contracts.metaScheduler.checksummed, provider: address.checksummed, state: standingWords,
            isApproved: provider.isApproved, standing: standing, obstacles: whyNothingIsClaimed,
            isOpen: provider.isOpen, isDrained: isDrained,
            isRegistering: isRegistering, registration: registrationWords,
            credits: provider.credits.map { "\($0)" }, creditsAt: provider.creditsAt,
            creditsBlock: provider.creditsBlock,
            queues: Dictionary(
                uniqueKeysWithValues: queues.map {
                    ($0.key.rawValue, GridStatus.Queue(inFlight: $0.value.inFlight.count, trouble: $0.value.trouble))
                }),
            jobs: jobs, waitingReports: waiting, lastProblem: lastProblem, outcomes: outcomes.summary(now: seconds))
    }

    /// The newest first, also those that are over.
    public func recentJobs(limit: Int) async throws(GridError) -> [GridStatus.Job] {
        try await store.recentClaims(limit: limit).map { stored in
            let claim = claims[Key(stored)] ?? stored
            return job(claim, runners[Key(stored)])
        }
    }

    private func job(_ claim: GridClaim, _ runner: ClaimRunner?) -> GridStatus.Job {
        let trouble = runner?.trouble
        return GridStatus.Job(
            job: claim.name, claim: claim.number, customer: claim.customer.hex, slurmJob: claim.slurm.jobID,
            minutes: claim.paidMinutes, limitMinutes: claim.slurm.granted,
            chainStatus: claim.chain.isOurs ? "\(claim.chain.status)" : "not ours any more",
            state: trouble != nil && claim.isUndecided ? "waits to become a Slurm job" : claim.words,
            reportedMinutes: claim.final?.kind == .end ? claim.final?.minutes : nil, hold: runner?.hold,
            trouble: trouble,
            wasBilledTooMuch: claim.wasBilledTooMuch, isOver: claim.isClosed, earned: claim.earned.map { "\($0)" },
            steps: claim.timeline)
    }

    /// No new jobs are claimed until `resume`; what is claimed goes on.
    public func setDrained(_ drained: Bool) async throws(GridError) {
        try await store.set("drained", drained ? "yes" : nil)
        isDrained = drained
        logger.notice(drained ? "drained: claims no more jobs" : "resumed")
        if !drained { claimWake.raise() }
    }
}

extension GridClaim {
    /// For people.
    var words: String {
        if isClosed { return closedWords }
        if needsExamination { return "is looked for in Slurm" }
        if final?.state == .sent {
            return final?.kind == .refuse ? "is being given back" : "its end is being reported"
        }
        switch verdict {
        case .undecided: return "its script is being fetched"
        case .refused(let why): return "to be given back: \(why)"
        case .failed(let why): return "to be failed: \(why)"
        case .accepted: break
        }
        if slurm.ending != nil { return "ended; its report waits" }
        if slurm.isOver { return "over in Slurm" }
        if isCancelWanted { return "is being cancelled" }
        if slurm.hasStarted { return running?.state == .sent ? "runs; that is being reported" : "runs" }
        return slurm.jobID == nil ? "is being submitted" : "waits in the queue"
    }

    var closedWords: String {
        switch verdict {
        case .refused(let why): "given back: \(why)"
        case .failed(let why): "failed: \(why)"
        case .undecided: lastWordOfTheChain
        case .accepted:
            if let final, final.kind == .end, final.status == chain.status {
                final.words.isEmpty ? "done" : final.words
            } else {
                lastWordOfTheChain
            }
        }
    }

    private var lastWordOfTheChain: String {
        chain.isOurs && chain.status.isCold ? "\(chain.status) on the chain" : "taken back by the chain"
    }

    func wantsToReport(_ world: World) -> Bool {
        var approved = world
        approved.isApproved = true
        return steps(approved).contains {
            if case .send = $0 { true } else { false }
        }
    }
}
