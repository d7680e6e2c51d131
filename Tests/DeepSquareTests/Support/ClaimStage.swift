// SPDX-License-Identifier: GPL-3.0-or-later

import Ethereum
import Foundation

@testable import DeepSquare
@testable import JobLifecycle

/// A claim of 60 minutes, what is told to it, and a clock that begins at 0.
struct ClaimStage {
    enum Act: Sendable, Hashable {
        case after(Int64)
        /// The wall clock is set, by so many seconds.
        case clockSet(Int64)
        case approved(Bool)
        /// The gateway: the ledger has the order.
        case accepted
        case refused(String)
        case refusedForNow(String)
        case failed(String)
        case unexamined
        // Slurm, by the ledger.
        case submitted
        /// Under another number: Slurm had lost the first.
        case submittedAgain
        case pending, running, suspended, resumed
        case requeued(Int64?)
        /// slurmctld lost the requeue that was told with so many seconds.
        case restored(Int64?)
        case ended(SchedulerState.Base, Int64, exit: UInt32)
        case vanished
        case refusedBySlurm(String, JobTransition.Refusal)
        /// The same transition once more.
        case again
        // The chain.
        case chain(ChainJobStatus)
        /// Of an earlier claim.
        case chainBefore(ChainJobStatus)
        case word(ChainJobStatus, start: UInt64)
        case cancelWord(start: UInt64)
        /// The contract names another provider.
        case foreignWord
        case cancelRequest
        case topUp(UInt64, log: Int64)
        /// The gateway hands over all that is to be sent.
        case sent
        case succeeded(GridClaim.Report.Kind)
        /// The end, and its receipt tells of so many wei.
        case paid(String)
        case reverted(GridClaim.Report.Kind)
        /// An administrator took the transaction back.
        case withdrawn(GridClaim.Report.Kind)
        /// The chain lost the block of the report, and it is on its way again.
        case blockLost(attempt: Int)
        case held(until: Int64)
        /// By an examination.
        case lost
        /// The gateway did the step with slurmctld.
        case cancelled, limited
        case closed
    }

    /// Unix seconds of the clock's 0.
    static let epoch: Int64 = 1_700_000_000

    var claim = GridClaim(
        job: hash(1), number: 1, customer: customer, definition: definition, minutes: 60,
        place: GridClaim.Place(block: 100, index: 5), claimedAt: Self.epoch, needsExamination: false,
        transaction: Self.transaction(100))
    var now: Int64 = 0
    /// Of the time that has passed.
    var ahead: Int64 = 0
    var isApproved = true
    var billing = Billing(rounding: .down, delta: 15, longestHold: 3600)
    private var sequence: Int64 = 0
    private var block: UInt64 = 100

    init(_ acts: [Act] = []) {
        for act in acts { take(act) }
    }

    var world: GridClaim.World {
        GridClaim.World(
            now: Self.epoch + now, trustedNow: Self.epoch + now - ahead, isApproved: isApproved, billing: billing,
            retryLimit: 1800)
    }

    var steps: [String] { claim.steps(world).map(Self.words) }

    private static func words(_ step: GridClaim.Step) -> String {
        switch step {
        case .examine: "examine"
        case .decide: "decide"
        case .withdraw(let why): "withdraw: \(why)"
        case .cancel(let id, _): "cancel \(id)"
        case .setLimit(let id, let minutes): "limit \(id) \(minutes)"
        case .read: "read"
        case .send(let report):
            switch report.kind {
            case .running: "send \(report.status)"
            case .refuse: "refuse: \(report.words)"
            case .end:
                "send \(report.status) \(report.minutes) exit \(report.exitCode)"
                    + (report.words.isEmpty ? "" : ": \(report.words)")
            }
        case .wait(let until): "wait \(until - epoch)"
        case .hold(let until, let losing): "hold \(until - epoch) for \(losing)"
        case .close: "close"
        }
    }

    /// A node at the head.
    private mutating func hear(_ word: ChainJob) {
        block += 1
        _ = claim.take(word, provider: provider, block: block)
    }

    mutating func take(_ act: Act) {
        switch act {
        case .after(let seconds): now += seconds
        case .clockSet(let seconds):
            now += seconds
            ahead += seconds
        case .approved(let approved): isApproved = approved
        case .accepted:
            claim.accept(now: seconds)
            claim.slurm.isOrdered = true
            claim.slurm.limit = claim.minutes
        case .refused(let why): claim.settle(.refused(why), now: seconds)
        case .refusedForNow(let why): claim.settle(.refused(why), isPassing: true, now: seconds)
        case .failed(let why): claim.settle(.failed(why), now: seconds)
        case .unexamined: claim.needsExamination = true
        case .submitted: tell(.submitted)
        case .submittedAgain: tell(.submitted) { $0.jobID = 8 }
        case .pending: tell(.pending)
        case .running: tell(.running)
        case .suspended: tell(.suspended)
        case .resumed: tell(.resumed)
        case .requeued(let seconds): tell(.requeued) { $0.elapsed = seconds }
        case .restored(let seconds): tell(.restored) { $0.elapsed = seconds }
        case .ended(let state, let seconds, let exit):
            tell(.ended) {
                $0.state = state
                $0.elapsed = seconds
                $0.exitStatus = exit
            }
        case .vanished: tell(.vanished)
        case .refusedBySlurm(let why, let refusal):
            tell(.refused) {
                $0.jobID = nil
                $0.message = why
                $0.refusal = refusal
            }
        case .again:
            sequence -= 1
            tell(.requeued) { $0.elapsed = 3600 }
        case .chain(let status):
            block += 1
            hear(status, at: GridClaim.Place(block: block, index: 0))
        case .chainBefore(let status): hear(status, at: GridClaim.Place(block: 100, index: 4))
        case .word(let status, let start): hear(word(status, start))
        case .cancelWord(let start):
            var word = word(.running, start)
            word.hasCancelRequest = true
            word.cancelRequested = UInt64(seconds)
            hear(word)
        case .foreignWord:
            var word = word(.scheduled, 0)
            word.provider = address(0x33)
            hear(word)
        case .cancelRequest: claim.wantCancel(at: seconds, transaction: Self.transaction(block))
        case .topUp(let minutes, let log):
            claim.take(topUp: minutes, log: "\(log)", transaction: Self.transaction(block), now: seconds)
        case .sent: send()
        case .succeeded(let kind):
            claim.succeeded(kind, block: block, transaction: Self.transaction(block), now: seconds)
        case .paid(let wei):
            let payment = GridPayment(
                transaction: Self.transaction(block), place: 0, block: block, learnedAt: seconds, wei: wei)
            claim.succeeded(
                .end, block: block, transaction: Self.transaction(block), payments: [payment], now: seconds)
        case .reverted(let kind):
            claim.reverted(kind, block: block, transaction: Self.transaction(block), now: seconds)
        case .withdrawn(let kind): claim.reverted(kind, block: 0, transaction: nil, now: seconds)
        case .blockLost(let attempt): _ = claim.lose(attempt: attempt)
        case .held(let until): claim.hold(until: Self.epoch + until, losing: 12, now: seconds)
        case .lost: claim.lost(now: seconds)
        case .cancelled: claim.slurm.isCancelled = true
        case .limited: claim.slurm.limit = claim.paidMinutes
        case .closed: claim.closedAt = seconds
        }
    }

    private mutating func hear(_ status: ChainJobStatus, at place: GridClaim.Place) {
        _ = claim.take(transitionTo: status, at: place, transaction: Self.transaction(place.block), now: seconds)
    }

    /// One for each block.
    static func transaction(_ block: UInt64) -> Hash32 { hash(1_000_000 + block) }

    private var seconds: Int64 { Self.epoch + now }

    private func word(_ status: ChainJobStatus, _ start: UInt64) -> ChainJob {
        let isFree = status == .pending
        return ChainJob(
            id: hash(1), status: status, customer: customer, provider: isFree ? .zero : provider,
            definition: definition, submitted: UInt64(Self.epoch - 30),
            start: status.rawValue >= 3 ? UInt64(Self.epoch) + start : 0)
    }

    private mutating func tell(_ kind: JobTransition.Kind, _ change: (inout JobTransition) -> Void = { _ in }) {
        sequence += 1
        var transition = Self.transition(kind, sequence: sequence, change)
        transition.recordedAt = seconds * 1_000_000
        claim.take(transition, now: seconds)
    }

    static func transition(
        _ kind: JobTransition.Kind, sequence: Int64, _ change: (inout JobTransition) -> Void = { _ in }
    ) -> JobTransition {
        var transition = JobTransition(
            sequence: sequence, kind: kind, isFinal: false, recordedAt: 0, ledgerJob: 1, jobID: 7,
            details: JobDetails())
        change(&transition)
        return transition
    }

    private mutating func send() {
        for case .send(var report) in claim.steps(world) {
            claim.attempts += 1
            report.attempt = claim.attempts
            if report.kind == .running { claim.running = report } else { claim.final = report }
        }
    }

    /// The claim as the disk gives it back.
    func reloaded() throws -> ClaimStage {
        var copy = self
        copy.claim = try JSONDecoder().decode(GridClaim.self, from: JSONEncoder().encode(claim))
        return copy
    }
}
