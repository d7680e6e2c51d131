// SPDX-License-Identifier: GPL-3.0-or-later

internal import Ethereum

/// What a claim is made of.
extension GridClaim {
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
        /// Minutes that were paid for when Slurm was told its time limit.
        var limit: UInt64?
        /// The time limit that Slurm was told, where that is less.
        var granted: UInt64?
        /// The ledger's last transition that is in here.
        var sequence: Int64 = 0
        /// scancel was asked for; the end is still to come.
        var isCancelled = false
        /// The job's number, from before the ledger lost it.
        var former: UInt32?

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
}

extension GridClaim.Report {
    /// - Parameter ran: the job has run, so its minutes count.
    func shown(ran: Bool) -> String {
        switch kind {
        case .running: "\(status)"
        case .end: ran || minutes > 0 ? "\(status), \(minutes) min" : "\(status)"
        case .refuse: "its return"
        }
    }
}
