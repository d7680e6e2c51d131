// SPDX-License-Identifier: GPL-3.0-or-later

/// What the gateway needs of Slurm and of this host's users. The agent makes its libslurm binding fit; tests use a fake.
///
/// Whatever is no answer (nobody there, no time) is `unavailable`, never an empty answer.
public protocol JarviceCluster: Sendable {
    /// nil: there is no such user.
    /// - Parameter groups: of one of which the user must be a member; empty: of any.
    func user(login: String, groups: [String]) async throws(JarviceError) -> JarviceUser?

    /// nil: there is no such user (any more).
    func user(of userID: UInt32) async throws(JarviceError) -> JarviceUser?

    /// Users whom no job from outside runs as.
    func systemUsers() async throws(JarviceError) -> Set<UInt32>

    /// The job in the ledger's form.
    /// - Throws: `refused` for an option whose value cannot be read.
    func request(_ plan: JobPlan) throws(JarviceError) -> [UInt8]

    /// All of slurmctld's jobs whose name has the prefix.
    func jobs(prefix: String) async throws(JarviceError) -> [ListedJob]

    /// By name, where the nodes are reached.
    func nodeAddresses() async throws(JarviceError) -> [String: String]

    /// Whether slurmctld answers.
    func isUp() async -> Bool

    /// As `scontrol show job` prints it; nil: slurmctld has no such job.
    func description(of jobID: UInt32) async throws(JarviceError) -> String?

    /// Whether slurmctld, or slurmdbd where there is one, knows a job of this number.
    func knows(_ jobID: UInt32) async throws(JarviceError) -> Bool

    /// The script of a stored request.
    func script(ofRequest request: [UInt8]) throws(JarviceError) -> String
}
