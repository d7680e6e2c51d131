// SPDX-License-Identifier: GPL-3.0-or-later

internal import Ethereum
internal import JobLifecycle
internal import Support

/// One claim of a job: what the chain, Slurm and we ourselves have said of it so far. No I/O.
///
/// (contract, job, number) is its identity. The same job may come to us again; a new number opens only after the chain showed
/// the job Pending in between, so a claim that a reorganisation takes back and mines again keeps its number.
struct GridClaim: Sendable, Hashable, Codable {
    let job: Hash32
    private(set) var number: Int64
    let customer: Address
    let definition: JobDefinition
    /// That the customer paid for when it was claimed.
    let minutes: UInt64
    var place: Place
    /// When we learned of it, Unix seconds.
    let claimedAt: Int64
    /// From before the agent's first start: somebody may have made a job of it already.
    var needsExamination: Bool
    private(set) var topUps: UInt64 = 0
    /// The logs that these came with: by the numbers of a chain's file in claims of earlier releases, by their names now.
    private var topUpLogs: Set<Int64> = []
    private var topUpNames: Set<String>?
    var isCancelWanted = false
    var verdict = Verdict.undecided
    /// A verdict of refused that says nothing of the job itself: the next offer is decided again. nil in claims from before it
    /// was kept.
    private(set) var isRefusalPassing: Bool?
    /// Since when Slurm is asked for its job, Unix seconds; nil in claims from before it was kept. It may have waited for a place
    /// until then.
    private(set) var acceptedAt: Int64?
    var slurm = SlurmPart()
    var chain = ChainPart()
    var running: Report?
    var final: Report?
    /// Reports so far.
    var attempts = 0
    /// The chain did not take so many in a row; the next one waits until then, Unix seconds.
    var failures = 0
    var notBefore: Int64 = 0
    /// The contract paid for the wall time only.
    var wasBilledTooMuch = false
    /// A later claim of the same job is there: whatever the contract says now is about that one.
    private(set) var isSuperseded = false
    var closedAt: Int64?
    /// Grows with each save.
    var revision: Int64 = 0
    /// For people, in the order in which it became known; nil in claims from before it was kept.
    var history: [Moment]?
    /// Times of blocks, as far as they were asked for.
    var times: Times?
    /// What the contract paid us for it; nil in claims from before it was kept.
    var payments: [GridPayment]?
    /// The transaction that brought its last status, whoever sent it; nil in claims from before it was kept.
    var endedBy: Hash32?
    /// The receipt of its end has been read: `payments` are all there are.
    var hasReadPayments: Bool?

    /// - Parameter transaction: of the claim.
    init(
        job: Hash32, number: Int64, customer: Address, definition: JobDefinition, minutes: UInt64, place: Place,
        claimedAt: Int64, needsExamination: Bool, transaction: Hash32? = nil
    ) {
        self.job = job
        self.number = number
        self.customer = customer
        self.definition = definition
        self.minutes = minutes
        self.place = place
        self.claimedAt = claimedAt
        self.needsExamination = needsExamination
        payments = []
        history = [Moment(at: claimedAt, kind: .claimed, transaction: transaction)]
    }

    func numbered(_ number: Int64) -> GridClaim {
        var copy = self
        copy.number = number
        return copy
    }

    /// The job's name in Slurm, in logs, and at the grid's services.
    var name: String { job.description }

    /// The time limit that the customer has paid for.
    var paidMinutes: UInt64 {
        let (sum, overflow) = minutes.addingReportingOverflow(topUps)
        return overflow ? .max : sum
    }

    var isClosed: Bool { closedAt != nil }

    /// Whether its next claim is to be failed: we gave it back once, for what will be the same then.
    var wasRefusedForGood: Bool {
        final?.kind == .refuse && final?.state != .reverted && isRefusalPassing != true
    }

    /// What becomes of it is decided.
    /// - Parameter isPassing: a refusal for what may be otherwise soon.
    mutating func settle(_ verdict: Verdict, isPassing: Bool = false, now: Int64) {
        self.verdict = verdict
        isRefusalPassing = isPassing
        switch verdict {
        case .refused(let why), .failed(let why): note(.settled, at: now, Ending.bounded(why))
        case .undecided, .accepted: break
        }
    }

    /// The ledger has its submission.
    mutating func accept(now: Int64) {
        verdict = .accepted
        acceptedAt = now
    }

    /// The ledger says that its order becomes no job.
    mutating func refuse(_ refusal: JobTransition.Refusal?, _ why: String) {
        verdict = refusal == .doubt ? .failed(why) : .refused(why)
        isRefusalPassing = refusal == .withdrawn
    }

    // MARK: what the chain says

    /// Mined again, or told twice.
    mutating func take(again claim: GridClaim) {
        guard claim.place > place else { return }
        place = claim.place
        if history?.first?.kind == .claimed { history?[0].transaction = claim.history?.first?.transaction }
    }

    /// - Parameter transaction: that moved it.
    /// - Returns: whether it says something new of this claim.
    mutating func take(transitionTo status: ChainJobStatus, at place: Place, transaction: Hash32, now: Int64) -> Bool {
        // Of an earlier claim.
        guard place > self.place, !isClosed else { return false }
        chain.block = max(chain.block, place.block)
        let before = chain
        switch status {
        case .pending: chain.isOurs = false
        case .metaScheduled: break
        // The claim's own, or one from before a reorganisation.
        case .scheduled: break
        case .running: if !chain.status.isCold { chain.status = .running }
        case .cancelled, .finished, .failed, .outOfCredits, .panicked: chain.status = status
        }
        if (chain.status, chain.isOurs) != (before.status, before.isOurs), !hasReported(status) {
            note(.byOthers, at: now, "\(status)", transaction)
        }
        let isLast = status.isCold && chain.isOurs && endedBy != transaction
        if isLast { endedBy = transaction }
        examineIfOthersRunIt()
        return chain != before || isLast
    }

    /// Nothing was decided here, and it runs: somebody else made a job of it.
    private mutating func examineIfOthersRunIt() {
        if chain.status == .running, chain.isOurs, verdict == .undecided { needsExamination = true }
    }

    /// Whether it is, or may become, a report of ours that brings the job there.
    private func hasReported(_ status: ChainJobStatus) -> Bool {
        switch status {
        case .running: running.map { $0.state != .reverted } ?? false
        case .pending: final?.kind == .refuse && final?.state != .reverted
        default: final?.kind == .end && final?.status == status && final?.state != .reverted
        }
    }

    /// - Parameters:
    ///   - time: Unix seconds.
    ///   - transaction: of the cancel's claim; nil when the contract's record tells of it.
    mutating func wantCancel(at time: Int64, transaction: Hash32? = nil) {
        guard !isCancelWanted else { return }
        isCancelWanted = true
        note(.cancelWanted, at: time, nil, transaction)
    }

    /// A later claim of the job is there.
    mutating func supersede() {
        isSuperseded = true
        chain.isOurs = false
    }

    /// - Parameter log: its name; the same again changes nothing.
    mutating func take(topUp minutes: UInt64, log: String, transaction: Hash32, now: Int64) {
        // An earlier release knew them by the numbers of a chain's file that may be gone.
        let wasTaken =
            !topUpLogs.isEmpty && history?.contains { $0.kind == .toppedUp && $0.transaction == transaction } == true
        guard !wasTaken, topUpNames?.contains(log) != true else { return }
        topUpNames = (topUpNames ?? []).union([log])
        let (sum, overflow) = topUps.addingReportingOverflow(minutes)
        topUps = overflow ? .max : sum
        note(.toppedUp, at: now, "\(minutes)", transaction)
    }

    /// The contract's word, asked for while no report of ours was on its way. What it did not take is decided again.
    ///
    /// - Parameter block: the node's newest one when it said so.
    /// - Returns: false when that node lags behind what is known.
    mutating func take(_ word: ChainJob, provider: Address, block: UInt64) -> Bool {
        guard !isSuperseded, block >= max(chain.block, place.block) else { return false }
        chain.block = block
        learn(word, provider: provider)
        chain.isOurs = word.provider == provider && word.status != .pending && word.status != .metaScheduled
        chain.status = word.status
        if word.status == .running {
            if word.start > 0 { chain.start = Self.seconds(word.start) }
            if word.hasCancelRequest { wantCancel(at: Self.seconds(word.cancelRequested)) }
            // What was wanted holds, whoever did it.
            running?.state = .done
        }
        if chain.isOver {
            if running?.state == .reverted { running?.state = .done }
            if final?.state == .reverted { final?.state = .done }
            return true
        }
        // Reverted; or its block is gone.
        if word.status == .scheduled { running = nil }
        final = nil
        examineIfOthersRunIt()
        return true
    }

    /// Whatever a node says: a time that can be counted with.
    static func seconds(_ time: UInt64) -> Int64 { Int64(min(time, 1 << 40)) }
}
