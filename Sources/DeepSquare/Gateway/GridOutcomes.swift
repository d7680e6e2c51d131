// SPDX-License-Identifier: GPL-3.0-or-later

internal import Ethereum
internal import JobLifecycle

/// What became of the grid's jobs here: a cluster that refuses each of them works well otherwise.
public struct GridOutcomes: Codable, Sendable, Hashable {
    public struct Counts: Codable, Sendable, Hashable {
        /// Became a Slurm job.
        public var submitted = 0
        /// Went back to the grid, by the agent's word or Slurm's.
        public var refused = 0
        /// Became no Slurm job, and nobody can run it.
        public var failed = 0
        /// Slurm jobs that ended well, that failed, and that ended otherwise (cancelled, out of time, lost).
        public var finished = 0
        public var endedFailed = 0
        public var endedOtherwise = 0

        public init() {}
    }

    public struct Refusal: Codable, Sendable, Hashable {
        public var job: String
        public var customer: String
        public var reason: String
        /// Unix seconds.
        public var at: Int64
        /// Nobody can run it; otherwise it went back to the grid. nil: an agent of an earlier release.
        public var isFailure: Bool?

        public init(job: String, customer: String, reason: String, at: Int64, isFailure: Bool? = nil) {
            self.isFailure = isFailure
            self.job = job
            self.customer = customer
            self.reason = reason
            self.at = at
        }
    }

    public var lastDay = Counts()
    /// Of the agent.
    public var sinceStart = Counts()
    /// Refused or failed since the last one that became a Slurm job.
    public var inARow = 0
    /// The newest that was refused or failed.
    public var newest: Refusal?

    public init() {}

    /// So many in a row are worth a warning: one customer's mistake is not.
    public static let manyInARow = 3

    public var isRefusingAll: Bool { inARow >= Self.manyInARow }
}

/// Counts them. No I/O.
struct OutcomeLog: Sendable {
    typealias Key = DeepSquareGateway.Key

    enum Kind: Sendable, Hashable, CaseIterable {
        case submitted, refused, failed, finished, endedFailed, endedOtherwise
    }

    /// One of a claim's.
    struct Outcome: Sendable, Hashable {
        var kind: Kind
        /// Unix seconds.
        var at: Int64
        var reason: String?
    }

    static let window: Int64 = 86_400
    /// More are not kept: the day's counts are then of fewer hours.
    static let limit = 20_000

    private var recent: [(kind: Kind, at: Int64)] = []
    /// Of a claim that is not over.
    private struct Counted {
        var kinds: Set<Kind> = []
        /// `inARow` when it became a Slurm job.
        var inARow = 0
    }

    private var counted: [Key: Counted] = [:]
    private var totals: [Kind: Int] = [:]
    private var inARow = 0
    private var newest: GridOutcomes.Refusal?
    /// Refused because their customers have enough jobs here: that says nothing of this cluster.
    private var crowded: Set<Key> = []

    /// At the start, oldest first: what became of it before is a part of the day, not of this run.
    mutating func begin(with claims: [GridClaim], now: Int64) {
        let before = claims.flatMap { claim in claim.outcomes.map { (claim, $0) } }.sorted { $0.1.at < $1.1.at }
        for (claim, outcome) in before where outcome.at > now - Self.window {
            take(outcome, of: claim, isPassing: claim.isRefusalPassing == true)
        }
        for claim in claims where !claim.isClosed {
            counted[Key(claim), default: Counted()].kinds = Set(claim.outcomes.map(\.kind))
        }
        for claim in claims where claim.isClosed { counted.removeValue(forKey: Key(claim)) }
        totals = [:]
    }

    /// What is refused next of this claim is so because its customer has enough jobs here.
    mutating func crowdsOut(_ key: Key) { crowded.insert(key) }

    /// A claim as it was saved.
    mutating func take(_ claim: GridClaim) {
        let key = Key(claim)
        for outcome in claim.outcomes where counted[key]?.kinds.contains(outcome.kind) != true {
            counted[key, default: Counted()].kinds.insert(outcome.kind)
            take(outcome, of: claim, isPassing: crowded.contains(key))
        }
        guard claim.isClosed else { return }
        counted.removeValue(forKey: key)
        crowded.remove(key)
    }

    private mutating func take(_ outcome: Outcome, of claim: GridClaim, isPassing: Bool) {
        recent.append((outcome.kind, outcome.at))
        if recent.count > Self.limit { recent.removeFirst(Self.limit / 10) }
        totals[outcome.kind, default: 0] += 1
        switch outcome.kind {
        case .submitted:
            counted[Key(claim), default: Counted()].inARow = inARow
            inARow = 0
        case .refused, .failed:
            // Slurm takes jobs in that it never starts: those are given back.
            inARow = max(inARow, counted[Key(claim)]?.inARow ?? 0) + (isPassing ? 0 : 1)
            newest = .init(
                job: claim.name, customer: claim.customer.checksummed, reason: outcome.reason ?? "", at: outcome.at,
                isFailure: outcome.kind == .failed)
        case .finished, .endedFailed, .endedOtherwise: break
        }
    }

    mutating func summary(now: Int64) -> GridOutcomes {
        recent.removeAll { $0.at <= now - Self.window }
        var summary = GridOutcomes()
        summary.lastDay = Self.counts { kind in recent.count { $0.kind == kind } }
        summary.sinceStart = Self.counts { totals[$0, default: 0] }
        summary.inARow = inARow
        summary.newest = newest
        return summary
    }

    private static func counts(_ count: (Kind) -> Int) -> GridOutcomes.Counts {
        var counts = GridOutcomes.Counts()
        for kind in Kind.allCases {
            let number = count(kind)
            switch kind {
            case .submitted: counts.submitted = number
            case .refused: counts.refused = number
            case .failed: counts.failed = number
            case .finished: counts.finished = number
            case .endedFailed: counts.endedFailed = number
            case .endedOtherwise: counts.endedOtherwise = number
            }
        }
        return counts
    }
}

extension GridClaim {
    private var isWithdrawn: Bool {
        isRefusalPassing == true && history?.contains { $0.kind == .refusedBySlurm } == true
    }

    /// What is settled of it, each kind once.
    var outcomes: [OutcomeLog.Outcome] {
        var outcomes: [OutcomeLog.Outcome] = []
        func time(_ kinds: Set<Moment.Kind>) -> Int64 { history?.last { kinds.contains($0.kind) }?.at ?? claimedAt }
        if slurm.jobID != nil { outcomes.append(.init(kind: .submitted, at: time([.submitted]))) }
        switch verdict {
        // Nobody here refused what was taken back.
        case .refused where isWithdrawn: break
        case .refused(let why):
            outcomes.append(.init(kind: .refused, at: time([.settled, .refusedBySlurm]), reason: why))
        case .failed(let why):
            outcomes.append(.init(kind: .failed, at: time([.settled, .refusedBySlurm]), reason: why))
        case .undecided, .accepted: break
        }
        // A job that a refusal ended did not run to its end.
        guard verdict == .accepted, let ending = slurm.ending else { return outcomes }
        let kind: OutcomeLog.Kind =
            switch ending.status {
            case .finished: .finished
            case .failed: .endedFailed
            default: .endedOtherwise
            }
        outcomes.append(.init(kind: kind, at: time([.ended, .lost])))
        return outcomes
    }
}
