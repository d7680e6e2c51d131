// SPDX-License-Identifier: GPL-3.0-or-later

internal import Ethereum
internal import JobLifecycle

/// One claim of a job: what the chain, Slurm and we ourselves have said of it so far. No I/O.
///
/// (contract, job, number) is its identity. The same job may come to us again; a new number opens only after the chain showed
/// the job Pending in between, so a claim that a reorganisation takes back and mines again keeps its number.
struct GridClaim: Sendable, Hashable, Codable {
    /// Where the claim's event stands on the chain.
    struct Place: Sendable, Hashable, Codable, Comparable {
        var block: UInt64
        var index: UInt64

        static func < (left: Place, right: Place) -> Bool {
            (left.block, left.index) < (right.block, right.index)
        }
    }

    /// What we make of a claim.
    enum Verdict: Sendable, Hashable, Codable {
        case undecided
        /// It is, or will be, a Slurm job.
        case accepted
        /// Back to the pool: another provider may take it.
        case refused(String)
        /// The job can run nowhere.
        case failed(String)
    }

    /// A status that goes, or went, to the chain.
    struct Report: Sendable, Hashable, Codable {
        enum Kind: String, Sendable, Hashable, Codable {
            case running
            case end
            /// refuseJob.
            case refuse
        }

        enum State: String, Sendable, Hashable, Codable {
            /// Handed to the transaction manager.
            case sent
            /// Mined without effect: the contract is to be asked.
            case reverted
            case done
        }

        var kind: Kind
        var status: ChainJobStatus
        var minutes: UInt64 = 0
        var exitCode: Int64 = 0
        var words = ""
        /// Of the claim's reports; a new one after each that the chain did not take.
        var attempt = 0
        var state = State.sent
    }

    /// What Slurm said.
    struct SlurmPart: Sendable, Hashable, Codable {
        /// The ledger has the order.
        var isOrdered = false
        var jobID: UInt32?
        /// It ran, or runs.
        var hasStarted = false
        /// Of runs that are over, without suspensions.
        var seconds: Int64 = 0
        var ending: Ending?
        /// It never became a job, or is over.
        var isOver = false
        /// Minutes that Slurm was told.
        var limit: UInt64?
        /// The ledger's last transition that is in here.
        var sequence: Int64 = 0
        /// scancel was asked for; the end is still to come.
        var isCancelled = false

        var isLive: Bool { isOrdered && !isOver }
    }

    /// What the chain said.
    struct ChainPart: Sendable, Hashable, Codable {
        var status = ChainJobStatus.scheduled
        /// The job is with us.
        var isOurs = true
        /// Block time of Running, Unix seconds.
        var start: Int64?
        /// The newest block that said something of it: an answer from an older one is of a node that lags.
        var block: UInt64 = 0

        /// Nothing that we report is taken any more.
        var isOver: Bool { !isOurs || status.isCold }
    }

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
    /// The logs that these came with.
    private var topUpLogs: Set<Int64> = []
    var isCancelWanted = false
    var verdict = Verdict.undecided
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

    init(
        job: Hash32, number: Int64, customer: Address, definition: JobDefinition, minutes: UInt64, place: Place,
        claimedAt: Int64, needsExamination: Bool
    ) {
        self.job = job
        self.number = number
        self.customer = customer
        self.definition = definition
        self.minutes = minutes
        self.place = place
        self.claimedAt = claimedAt
        self.needsExamination = needsExamination
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

    /// Whether its next claim is to be failed: we gave it back once.
    var wasRefusedByUs: Bool { final?.kind == .refuse && final?.state != .reverted }

    // MARK: what the chain says

    /// - Returns: whether it says something new of this claim.
    mutating func take(transitionTo status: ChainJobStatus, at place: Place) -> Bool {
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
        return chain != before
    }

    /// A later claim of the job is there.
    mutating func supersede() {
        isSuperseded = true
        chain.isOurs = false
    }

    /// - Parameter log: its number; the same again changes nothing.
    mutating func take(topUp minutes: UInt64, log: Int64) {
        guard topUpLogs.insert(log).inserted else { return }
        let (sum, overflow) = topUps.addingReportingOverflow(minutes)
        topUps = overflow ? .max : sum
    }

    /// The contract's word, asked for while no report of ours was on its way. What it did not take is decided anew.
    ///
    /// - Parameter block: the node's newest one when it said so.
    /// - Returns: false when that node lags behind what is known.
    mutating func take(_ word: ChainJob, provider: Address, block: UInt64) -> Bool {
        guard !isSuperseded, block >= max(chain.block, place.block) else { return false }
        chain.block = block
        chain.isOurs = word.provider == provider && word.status != .pending && word.status != .metaScheduled
        chain.status = word.status
        if word.status == .running {
            // Whatever a node says: a time that can be counted with.
            if word.start > 0 { chain.start = Int64(min(word.start, 1 << 40)) }
            if word.hasCancelRequest { isCancelWanted = true }
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
        return true
    }

    /// A report of ours was mined with effect.
    /// - Parameter block: of its receipt.
    mutating func succeeded(_ kind: Report.Kind, block: UInt64) {
        failures = 0
        chain.block = max(chain.block, block)
        switch kind {
        case .running:
            running?.state = .done
            if chain.status == .scheduled { chain.status = .running }
        case .end:
            final?.state = .done
            if let status = final?.status { chain.status = status }
        case .refuse:
            final?.state = .done
            chain.isOurs = false
        }
    }

    /// It was mined without effect, or taken back by an administrator.
    mutating func reverted(_ kind: Report.Kind, block: UInt64, now: Int64) {
        chain.block = max(chain.block, block)
        let state = chain.isOver ? Report.State.done : .reverted
        switch kind {
        case .running: running?.state = state
        case .end, .refuse: final?.state = state
        }
        failures += 1
        if failures > 1 { notBefore = now + min(300, 1 << min(Int64(failures), 9)) }
    }

    // MARK: what Slurm says

    mutating func take(_ transition: JobTransition, now: Int64) {
        guard transition.sequence > slurm.sequence else { return }
        slurm.sequence = transition.sequence
        slurm.isOrdered = true
        slurm.jobID = transition.jobID ?? slurm.jobID
        switch transition.kind {
        case .submitted, .pending, .suspended, .resumed:
            break
        case .running:
            slurm.hasStarted = true
        case .requeued:
            slurm.seconds += seconds(of: transition)
            slurm.isCancelled = false
        case .ended:
            if slurm.ending == nil { slurm.seconds += seconds(of: transition) }
            finish(transition.state, transition.exitStatus, now: now)
        case .vanished:
            finish(nil, nil, now: now)
        case .refused:
            slurm.isOver = true
            let why = transition.message ?? "the cluster took no such job"
            switch verdict {
            case .accepted, .undecided: verdict = transition.refusal == .doubt ? .failed(why) : .refused(why)
            case .refused, .failed: break
            }
        }
    }

    private func seconds(of transition: JobTransition) -> Int64 {
        if let elapsed = transition.elapsed { return max(0, elapsed) }
        guard let start = transition.startTime, let end = transition.endTime else { return 0 }
        return max(0, end - start)
    }

    private mutating func finish(_ state: SchedulerState.Base?, _ exitStatus: UInt32?, now: Int64) {
        guard slurm.ending == nil else { return }
        slurm.isOver = true
        slurm.ending = Ending(state: state, exitStatus: exitStatus, knownAt: now)
    }
}
