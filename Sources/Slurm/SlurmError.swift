// SPDX-License-Identifier: GPL-3.0-or-later

/// What went wrong with a request to Slurm, and what to do about it.
///
/// `message` is written for the person who has to act on it. `number` is Slurm's own error number (slurm_errno.h)
/// where a call answered with one. Compare `code`, never the text.
public struct SlurmError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The kind of an error: what a caller decides by. New kinds may be added.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Kind: String, Sendable {
            case invalidRequest, configuration, unavailable, timedOut, cancelled, authentication
            case permissionDenied, notFound, alreadyEnded, wrongState, rejected, association, limit
            case impossible, partition, federation, accountingUnavailable, notAuthoritative, helperFailed, unexpected
        }

        private let kind: Kind

        private init(_ kind: Kind) {
            self.kind = kind
        }

        public var description: String { kind.rawValue }

        /// The request was refused before it left: the message names the field and its limit.
        public static let invalidRequest = Code(.invalidRequest)
        /// slurm.conf cannot be found or used.
        public static let configuration = Code(.configuration)
        /// slurmctld does not answer. Says nothing about any job.
        public static let unavailable = Code(.unavailable)
        /// No answer within the deadline. `mayHaveHappened` tells whether the call may still take effect.
        public static let timedOut = Code(.timedOut)
        /// The calling task was cancelled.
        public static let cancelled = Code(.cancelled)
        /// A credential could not be made or was not accepted (MUNGE, auth/slurm, auth/jwt).
        public static let authentication = Code(.authentication)
        /// Slurm knows the caller and says no.
        public static let permissionDenied = Code(.permissionDenied)
        /// slurmctld knows no such job (any more, or not for this user: PrivateData).
        public static let notFound = Code(.notFound)
        /// The job has ended already.
        public static let alreadyEnded = Code(.alreadyEnded)
        /// The job is not in a state that allows this.
        public static let wrongState = Code(.wrongState)
        /// A job_submit plugin or slurmctld's policy refused the job; the message carries its words.
        public static let rejected = Code(.rejected)
        /// No valid association: account, QOS, WCKey or MCS label.
        public static let association = Code(.association)
        /// A limit of the association, QOS, partition or reservation stands against it.
        public static let limit = Code(.limit)
        /// The cluster can never run what was asked for.
        public static let impossible = Code(.impossible)
        /// The partition is unknown, down, or closed to this job.
        public static let partition = Code(.partition)
        /// Not possible on a federated cluster.
        public static let federation = Code(.federation)
        /// There is no slurmdbd, or it does not answer.
        public static let accountingUnavailable = Code(.accountingUnavailable)
        /// slurmdbd may hide jobs from this user, so an empty answer means nothing.
        public static let notAuthoritative = Code(.notAuthoritative)
        /// The helper process could not be run or died.
        public static let helperFailed = Code(.helperFailed)
        /// Anything else; `number` and the message tell more.
        public static let unexpected = Code(.unexpected)
    }

    public var code: Code
    /// What happened and what to do next, one line.
    public var message: String
    /// What happened, without what an administrator should do: fit for the owner of the job.
    public var reason: String
    /// Slurm's error number, 0 where none was involved.
    public var number: Int32
    /// The libslurm call that failed, if one did.
    public var call: String?
    /// For calls that change something: true when slurmctld may have done it although no answer came.
    public var mayHaveHappened: Bool

    /// - Parameter advice: what an administrator should do; part of the message, not of the reason.
    public init(
        _ code: Code, _ reason: String, advice: String? = nil, number: Int32 = 0, call: String? = nil,
        mayHaveHappened: Bool = false
    ) {
        self.code = code
        self.reason = reason
        message = reason + (advice.map { "; " + $0 } ?? "")
        self.number = number
        self.call = call
        self.mayHaveHappened = mayHaveHappened
    }

    public var description: String {
        var text = message
        if let call {
            text += number == 0 ? " (\(call))" : " (\(call): \(number))"
        }
        return text
    }

    static func invalid(_ field: String, _ problem: String) -> SlurmError {
        SlurmError(.invalidRequest, "\(field): \(problem)")
    }
}
