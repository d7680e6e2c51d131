// SPDX-License-Identifier: GPL-3.0-or-later

internal import JobLifecycle

/// Which of the Slurm jobs that bear a claim's name is the claim's, when nobody remembers. No I/O.
///
/// Anybody may give a job any name. Only operators set an admin comment, so a job with the agent's tag in it is the agent's.
/// Without one it may be of the supervisor that was there before: the customer's own user has it then, and it is the oldest,
/// since who plants a job copies a name that is there. Whatever else bears the name is told, and never taken over.
struct JobAdoption: Sendable, Hashable {
    /// Runs of the claim's job, oldest first; empty: there is none.
    var runs: [JobObservation] = []
    /// Numbers of jobs that bear the name and are not taken for the claim's.
    var doubtful: [UInt32] = []

    /// - Parameters:
    ///   - seen: every run that slurmctld and slurmdbd have under the name, whoever's it is.
    ///   - user: the customer's; nil: there is none.
    ///   - former: Slurm's number of the claim's job, as far as it was known once.
    ///   - isOwnClaim: a transaction of this agent claimed it. All that came of it has a tag.
    init(of seen: [JobObservation], user: UInt32?, former: UInt32?, isOwnClaim: Bool) {
        let jobs = Dictionary(grouping: seen, by: \.orderNumber)
        let known = former.flatMap { jobs[$0] }
        let tagged = jobs.values.filter { $0.contains { !OrderTag.all(in: $0.details.adminComment).isEmpty } }
        let owned = isOwnClaim ? [] : jobs.values.filter { $0.allSatisfy { $0.details.userID == user && user != nil } }
        guard let chosen = known ?? Self.first(tagged) ?? Self.first(Array(owned)) else {
            doubtful = jobs.keys.sorted()
            return
        }
        runs = chosen.sorted {
            ($0.submitTime, $0.source == .controller ? 1 : 0) < ($1.submitTime, $1.source == .controller ? 1 : 0)
        }
        doubtful = jobs.keys.filter { $0 != chosen[0].orderNumber }.sorted()
    }

    /// The oldest that was not taken back; of those that were, the oldest.
    private static func first(_ jobs: [[JobObservation]]) -> [JobObservation]? {
        func order(_ runs: [JobObservation]) -> (Int, Int64, UInt32) {
            let isCancelled = runs.allSatisfy { $0.state.base == .cancelled }
            return (isCancelled ? 1 : 0, runs.map(\.submitTime).min() ?? 0, runs[0].orderNumber)
        }
        return jobs.min { order($0) < order($1) }
    }

    /// It waits in the queue and never ran: whoever submitted it may have died before it was let go.
    var mayBeHeld: Bool {
        runs.count == 1 && runs[0].state.base == .pending && !runs[0].hasStarted && tag != nil
    }

    var tag: String? { runs.lazy.compactMap { OrderTag.all(in: $0.details.adminComment).last }.last }
}
