// SPDX-License-Identifier: GPL-3.0-or-later

/// A question to slurmdbd, as it goes to the helper process: one line of JSON.
struct AccountingQuery: Codable, Sendable, Equatable {
    /// Job numbers; empty: all jobs.
    var ids: [UInt32] = []
    /// Unix seconds, inclusive; a number is used again after a while, so a run is known by its submit time.
    var submittedFrom: Int64?
    var submittedTo: Int64?
    /// Only runs that ended at or after this time (Unix seconds); one that is not whole only a while after its end. slurmdbd
    /// looks for them by their end, so what waits or runs is not in its answer.
    var endedSince: Int64?
    /// With `endedSince`: and at or before this time.
    var endedUntil: Int64?
    /// Only jobs of this name.
    var name: String?
}

/// A line from the helper process.
enum AccountingLine: Codable, Sendable {
    /// The connection to slurmdbd stands (or has failed silently: the query will tell); ask now.
    case ready
    case job(AccountingJob)
    /// All rows were sent.
    case end(count: Int, authoritative: Bool)
    case failed(code: String, message: String, number: Int32, call: String)
}
