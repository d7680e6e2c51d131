// SPDX-License-Identifier: GPL-3.0-or-later

/// Why a benchmark cannot be begun, or its file not be used.
public struct BenchmarkError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        /// What is configured, or asked for, cannot be.
        case configuration
        /// Slurm, or the name service, does not answer: later.
        case unavailable
        /// The file of the benchmarks, or the ledger.
        case storage
    }

    public var code: Code
    public var description: String

    public init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}

/// What benchmarks need of a cluster beside the ledger.
public protocol BenchmarkCluster: Sendable {
    /// The nodes of the partition.
    func nodes() async throws(BenchmarkError) -> [BenchmarkNode]
    /// The uid of whose jobs they are.
    /// - Throws: `configuration` for a user that is not there, or may run no job.
    func userID(login: String) async throws(BenchmarkError) -> UInt32
    /// The job's comment; nil: Slurm knows no such job any more, or it has none.
    func comment(of job: UInt32) async throws(BenchmarkError) -> String?
    /// Nothing, if the job is over.
    /// - Returns: false: the job is over, or being ended, and has the comment that it has.
    func setComment(of job: UInt32, _ comment: String) async throws(BenchmarkError) -> Bool
}
