// SPDX-License-Identifier: GPL-3.0-or-later

/// Keeps what jobs wrote, as upstream is told it with their ends. An answer stays as it was first read.
///
/// Throws `unavailable` when the store cannot be used.
public protocol KeptAnswers: Sendable {
    /// nil: it was not kept, or is not any more.
    func output(of job: String) async throws(JarviceError) -> (text: String, isTold: Bool)?

    /// - Returns: what is kept: of two that were read the first one.
    func keep(_ output: String, of job: String) async throws(JarviceError) -> String

    /// From now on these need not be kept for long.
    func noteTold(_ jobs: Set<String>) async throws(JarviceError)
}
