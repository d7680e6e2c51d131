// SPDX-License-Identifier: GPL-3.0-or-later

internal import Ethereum
internal import FoundationEssentials

/// A claim's way from the request to the payment, for people. Nothing is decided by it.
///
/// It is written with the saves that happen anyway, and stands in the order in which things became known: the clocks of Slurm
/// and of the chain are not ours.
extension GridClaim {
    struct Moment: Sendable, Hashable, Codable {
        /// What it was; the comment says what its detail is.
        enum Kind: String, Sendable, Hashable, Codable, CaseIterable {
            case claimed
            /// Minutes.
            case toppedUp
            /// Minutes, and what bounds them.
            case limited
            case cancelWanted
            /// We decided that no Slurm job becomes of it; why.
            case settled
            /// Slurm's number.
            case submitted
            /// Why.
            case refusedBySlurm
            case started
            case requeued
            /// slurmctld lost that it had put it back.
            case restored
            /// Slurm's word, and how the script ended.
            case ended
            case lost
            /// Slurm jobs of its name that are not taken for its own.
            case doubtful
            /// Until when, and what for.
            case held
            case reportedRunning
            /// The status, and the minutes.
            case reportedEnd
            case givenBack
            /// The report.
            case notTaken
            /// The report, which an administrator took back from the transaction manager.
            case cancelled
            /// A status on the chain that no report of ours brought.
            case byOthers
            /// Credits.
            case paid
        }

        /// Unix seconds, by the clock of whoever knows it best: Slurm's, or ours.
        var at: Int64
        var kind: Kind
        var detail: String?
        /// That did it, or that told us.
        var transaction: Hash32?

        enum CodingKeys: String, CodingKey {
            case at = "t"
            case kind = "k"
            case detail = "d"
            case transaction = "x"
        }

        var words: String {
            let detail = detail ?? ""
            return switch kind {
            case .claimed: "claimed"
            case .toppedUp: "topped up by \(detail) min"
            case .limited: "the time limit stays at \(detail)"
            case .cancelWanted: "the customer wants it cancelled"
            case .settled: "no job becomes of it: \(detail)"
            case .submitted: "submitted as Slurm job \(detail)"
            case .refusedBySlurm: "Slurm took no such job: \(detail)"
            case .started: "started"
            case .requeued: "put back into Slurm's queue"
            case .restored: "goes on: slurmctld lost that it had put it back"
            case .ended: "ended: \(detail)"
            case .lost: "lost: neither Slurm nor its accounting knows it"
            case .doubtful: "not taken for it: Slurm job \(detail), which bears its name"
            case .held: "delayed until \(detail)"
            case .reportedRunning: "reported Running"
            case .reportedEnd: "reported \(detail)"
            case .givenBack: "given back"
            case .notTaken: "the contract did not take \(detail)"
            case .cancelled: "an administrator cancelled the report of \(detail)"
            case .byOthers: Self.byOthers(detail)
            case .paid: "paid \(detail) credits"
            }
        }

        /// After its state was lost the agent does not know its own transactions any more. Some statuses only a provider's key
        /// can bring, others only somebody else's; Cancelled either.
        private static func byOthers(_ status: String) -> String {
            switch ChainJobStatus.allCases.first(where: { "\($0)" == status }) {
            case .running, .finished, .failed, .outOfCredits:
                "\(status) on the chain, reported with this provider's key"
            case .cancelled: "\(status) on the chain"
            default: "\(status) on the chain, not by this agent"
            }
        }
    }

    /// Block times, Unix seconds, as far as they are known.
    struct Times: Sendable, Hashable, Codable {
        var requested: Int64?
        var claimed: Int64?
        /// Of Running.
        var start: Int64?
        var end: Int64?
        /// There is nothing more to ask for.
        var isFinal = false
    }

    /// A job that is put back into the queue for ever has a long history: the middle of it is left out.
    private static let longestHistory = 64

    mutating func note(_ kind: Moment.Kind, at time: Int64, _ detail: String? = nil, _ transaction: Hash32? = nil) {
        var moments = history ?? [Moment(at: claimedAt, kind: .claimed)]
        if moments.count >= Self.longestHistory { moments.remove(at: Self.longestHistory / 2) }
        moments.append(Moment(at: time, kind: kind, detail: detail, transaction: transaction))
        history = moments
    }

    /// The end waits for the chain's clock: told once.
    mutating func hold(until: Int64, losing minutes: UInt64, now: Int64) {
        guard history?.contains(where: { $0.kind == .held }) != true else { return }
        let time = Date(timeIntervalSince1970: Double(until)).ISO8601Format()
        note(.held, at: now, "\(time): the contract would not pay \(minutes) min before")
    }

    /// With what it was told last, when that is of a transaction of this agent.
    var newestOwnMoment: Moment? {
        guard let last = history?.last, last.transaction != nil else { return nil }
        switch last.kind {
        case .reportedRunning, .reportedEnd, .givenBack, .paid: return last
        default: return nil
        }
    }

    /// Whether its times, or what it was paid, are still to be asked for.
    var lacksTimes: Bool { isClosed && (times?.isFinal != true || unreadEnd != nil) }

    /// Takes the times of the contract's record of the job.
    mutating func learn(_ word: ChainJob, provider: Address) {
        var times = times ?? Times()
        if word.submitted > 0 { times.requested = Self.seconds(word.submitted) }
        // Otherwise it is about a later claim, or another provider's.
        if chain.isOurs, word.provider == provider {
            if word.start > 0 { times.start = Self.seconds(word.start) }
            if word.status.isCold, word.end > 0 { times.end = Self.seconds(word.end) }
        }
        self.times = times
    }

    /// All that can be known of the times of a claim that is closed.
    /// - Parameters:
    ///   - word: nil when the contract knows no such job.
    ///   - claimed: time of the claim's block.
    mutating func close(with word: ChainJob?, provider: Address, claimed: UInt64?) {
        if let word { learn(word, provider: provider) }
        var times = times ?? Times()
        if let claimed { times.claimed = Self.seconds(claimed) }
        // A node that does not know of the end yet is asked again.
        times.isFinal = word == nil || times.end != nil || !(chain.isOurs && chain.status.isCold)
        self.times = times
    }

    // MARK: shown

    var timeline: [GridStatus.Step] {
        let moments = history ?? [Moment(at: claimedAt, kind: .claimed)]
        var steps = moments.map {
            GridStatus.Step(at: time(of: $0), what: $0.words, transaction: $0.transaction.map { "\($0)" })
        }
        if let requested = times?.requested { steps.insert(.init(at: requested, what: "requested"), at: 0) }
        // From before histories were kept.
        if history == nil, let closedAt { steps.append(.init(at: closedAt, what: "over: \(closedWords)")) }
        return steps
    }

    private func time(of moment: Moment) -> Int64 {
        let block: Int64? =
            switch moment.kind {
            case .claimed: times?.claimed
            case .reportedRunning: times?.start
            case .reportedEnd, .paid: times?.end
            case .byOthers: moment.detail == "\(ChainJobStatus.running)" ? times?.start : times?.end
            default: nil
            }
        return block ?? moment.at
    }

    /// When a payment was made, as far as that is known.
    func time(of payment: GridPayment) -> Int64 { times?.end ?? payment.learnedAt }
}
