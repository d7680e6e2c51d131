// SPDX-License-Identifier: GPL-3.0-or-later

internal import JobLifecycle
internal import Logging
internal import NIOConcurrencyHelpers

/// How often what is next could not be done.
final class RemovalTries: Sendable {
    private let state = NIOLockedValueBox<(sequence: Int64, count: Int)>((0, 0))
    /// Once a minute.
    private static let limit = 60

    func isHopeless(_ sequence: Int64) -> Bool {
        state.withLockedValue { state in
            state = (sequence, state.sequence == sequence ? state.count + 1 : 1)
            return state.count > Self.limit
        }
    }
}

extension JarviceGateway {
    func tail(_ job: NamedJob, lines: Int) async throws(JarviceError) -> String? {
        guard files != nil else { return nil }
        guard let (_, order) = try await own(job) else {
            throw JarviceError(.unknownJob, "job \(job.jobID.prefix(32)) is not a job of this gateway")
        }
        return try await output(of: order, lines: lines)
    }

    /// What a job wrote, without white space at its end; nil: nothing that its user can read.
    func output(of order: OrderRecord, lines: Int) async throws(JarviceError) -> String? {
        guard let files, let (userID, name) = Self.owner(order.order.externalID) else { return nil }
        // Who is gone has nothing left.
        guard let user = try await cluster.user(of: userID) else { return nil }
        let path = JobPlan.output(of: name, executor: settings.executor, user: user)
        return try await files.tail(of: path, as: userID, lines: lines).map(PythonText.stripEnd)
    }

    func list(_ path: String, details: Bool, bearer: String?) async throws(JarviceError) -> FileListing {
        guard let files else { return .nothing(nil) }
        let user: JarviceUser
        if let bearer {
            user = try await self.user(bearer)
        } else {
            guard let login = settings.listingUser else { return .nothing(nil) }
            user = try await allowed(login: login)
        }
        return try await files.list(path, as: user.userID, details: details)
    }

    // MARK: removal

    private static let removalCursor = "jarvice_removed"

    /// Removes what jobs left that ended long enough ago, each once, in the order of their ends.
    ///
    /// - Returns: whether there may be more.
    /// - Throws: what keeps it from it; it goes on there the next time.
    func removeOutputs(atMost count: Int = 200) async throws(JarviceError) -> Bool {
        guard let files else { return false }
        let latest = (seconds + Self.day) * 1_000_000
        guard let cutoff = ledger.clock.cutoff(settings.keepOutput, wall: now()) else { return false }
        let limit = Int64(cutoff.timeIntervalSince1970) * 1_000_000
        let begin = try await ledgerAnswer { [ledger] in try await ledger.cursor(Self.removalCursor) ?? 0 }
        let next = try await ledgerAnswer { [ledger] in try await ledger.transitions(after: begin, limit: count) }
        for transition in next {
            // What is dated far later than now was dated by a clock that was ahead: its output stays, and keeps no other waiting.
            let isDated = transition.recordedAt <= latest
            guard transition.recordedAt <= limit || !isDated else { return false }
            if isDated, transition.isFinal, transition.gateway == Self.gatewayName, let jobID = transition.jobID,
                let (userID, name) = transition.externalID.flatMap(Self.owner),
                let user = try await cluster.user(of: userID)
            {
                // A minute for clocks: what a later job of the same name writes stays.
                do throws(JarviceError) {
                    if let own = try await order(of: transition) { try await keepOutput(of: own, isOld: true) }
                    try await files.remove(
                        JobPlan.output(of: name, executor: settings.executor, user: user), as: userID,
                        before: transition.recordedAt / 1_000_000 + 60)
                    try await files.removeFolder(
                        JobPlan.folder(of: jobID, executor: settings.executor, user: user), as: userID)
                } catch {
                    guard removals.isHopeless(transition.sequence) else { throw error }
                    logger.error(
                        "JARVICE: what a job left stays: it could not be removed for an hour",
                        metadata: ["slurm": "\(jobID)", "why": "\(error)"])
                }
            }
            let sequence = transition.sequence
            try await ledgerAnswer { [ledger] in try await ledger.setCursor(Self.removalCursor, sequence) }
        }
        return next.count == count
    }

    private func order(of end: JobTransition) async throws(JarviceError) -> OrderRecord? {
        guard end.kind == .ended, let externalID = end.externalID, let claim = end.claim else { return nil }
        return try await ledgerAnswer { [ledger] in
            try await ledger.order(Self.gatewayName, externalID, claim: claim)
        }
    }

    /// Of `uid/number/name`: neither of the last two can have a slash in it that is not the name's, which has none.
    static func owner(_ externalID: String) -> (userID: UInt32, name: String)? {
        guard let first = externalID.firstIndex(of: "/"), let last = externalID.lastIndex(of: "/"), first != last,
            let userID = UInt32(externalID[..<first])
        else { return nil }
        return (userID, String(externalID[externalID.index(after: last)...]))
    }
}
