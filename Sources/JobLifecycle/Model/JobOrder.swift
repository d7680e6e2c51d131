// SPDX-License-Identifier: GPL-3.0-or-later

/// A request of a gateway: (gateway, externalID, claim) names it for ever, and yields at most one Slurm job.
public struct JobOrder: Sendable, Hashable {
    public var gateway: String
    /// The upstream's name of the job.
    public var externalID: String
    /// Which time the upstream gave us this job: a refused one may come back.
    public var claim: Int64
    /// What to submit, in the scheduler's own encoding; the ledger keeps it as it is.
    public var request: [UInt8]

    public init(gateway: String, externalID: String, claim: Int64 = 1, request: [UInt8]) {
        self.gateway = gateway
        self.externalID = externalID
        self.claim = claim
        self.request = request
    }
}

/// Where an order stands.
public enum OrderPhase: String, Sendable, Hashable, Codable {
    /// In the ledger, nothing asked of Slurm yet.
    case accepted
    /// slurmctld may have been asked: look for the tag before asking again.
    case attempted
    /// The job's number is in the ledger; the job is held.
    case submitted
    /// The job was let go.
    case released
    /// It never became a job.
    case refused
}

/// An order as the ledger keeps it.
public struct OrderRecord: Sendable, Hashable {
    public var ledgerJob: Int64
    public var order: JobOrder
    public var phase: OrderPhase
    /// In the job's admin comment.
    public var tag: String
    public var jobID: UInt32?
    /// When slurmctld was first asked, Unix seconds.
    public var attemptedAt: Int64?
    /// How often it was asked; 0 when an earlier release did it.
    var asks: Int64 = 0
    var doubt: SubmissionDoubt?
    /// Why it is to become no job any more.
    public var withdrawn: String?
    /// Failed steps in a row.
    var tries = 0
    /// Its job was released once.
    var wasReleased = false

    /// Its gateway wants the job held, for itself to let it go.
    var staysHeld: Bool { (try? JobSpec(stored: order.request))?.options.staysHeld == true }

    /// There can be no second job: slurmctld was asked once.
    var wasAskedOnce: Bool { asks == 1 }

    /// Whether it bears one of the order's two marks: a slurmctld that was killed may have given the number to anybody's job since.
    func isMarked(_ id: UInt32, _ seen: JobObservation) -> Bool {
        seen.orderNumber == id
            && (OrderTag.all(in: seen.details.adminComment).contains(tag) || seen.session == OrderTag.session(of: tag))
    }

    /// Whether it is a record of the order's own job, with Slurm's number `id`, which may have been another job's before. One with the
    /// order's tag is, whatever its times say: the clock may have been put right since it was asked for.
    func isOf(_ id: UInt32, _ seen: JobObservation) -> Bool {
        guard seen.orderNumber == id else { return false }
        let since = (attemptedAt ?? 0) - LedgerTransaction.clockTolerance
        return seen.submitTime >= since || OrderTag.all(in: seen.details.adminComment).contains(tag)
    }
}
