// SPDX-License-Identifier: GPL-3.0-or-later

/// A job number that was hinted at, with all hints that wait for it: one question serves them.
struct HintedJob: Sendable, Hashable {
    var jobID: UInt32
    var hints: [Ledger.PendingHint]

    /// Its start may be what the hints are about.
    var mayHaveStarted: Bool { hints.contains { $0.reason.mayBeStart } }

    /// Takes over hints that came later; of two of one reason the newer counts.
    mutating func merge(_ later: [Ledger.PendingHint]) {
        for hint in later {
            if let index = hints.firstIndex(where: { $0.reason == hint.reason }) {
                if hint.time > hints[index].time { hints[index] = hint }
            } else {
                hints.append(hint)
            }
        }
    }
}

/// A job of which slurmctld's records leave something open that slurmdbd may know.
struct UnclearJob: Sendable {
    var job: HintedJob
    /// What slurmctld said of the number; empty: it knows none.
    var records: [JobObservation]
    /// The runs whose end was on record when slurmctld was asked, and which it no longer had.
    var endedBefore: Set<Int64> = []
    /// Only a run before the one that has started is missing: the start is reported without it if slurmdbd is slow.
    var isStart = false
}

extension JobHint.Reason {
    /// Speed matters: the start of a job is what its owner is paid for.
    var mayBeStart: Bool { self == .start || self == .superseded }
}
