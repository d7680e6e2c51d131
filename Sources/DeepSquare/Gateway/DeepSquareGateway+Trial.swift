// SPDX-License-Identifier: GPL-3.0-or-later

public import Ethereum
internal import JobLifecycle

/// What `provider try` asks: would a job of this customer run here?
public struct GridTrial: Codable, Sendable, Hashable {
    public var customer: String
    public var placement: GridPlacement
    /// nil: there is no such user.
    public var userID: UInt32?
    public var cpus: UInt64
    /// MB of the whole job.
    public var memory: UInt64
    public var gpus: UInt64
    public var minutes: UInt64
    public var wouldRun: Bool
    /// What stands against it; empty: nothing does.
    public var reasons: [String]
    /// What could not be tried, and why.
    public var untried: [String]
    /// When Slurm would start it, Unix seconds, and on which nodes, as far as it says.
    public var start: Int64?
    public var nodes: String?

    /// The names that a decoder makes of `user_id` and the like.
    enum CodingKeys: String, CodingKey {
        case customer, placement
        case userID = "userId"
        case cpus, memory, gpus, minutes, wouldRun, reasons, untried, start, nodes
    }
}

extension DeepSquareGateway {
    /// Decides on a job as on a claimed one, up to the question to Slurm. Nothing is written, sent or submitted.
    public func tryJob(of customer: Address, _ definition: JobDefinition, minutes: UInt64) async -> GridTrial {
        let placement = policy.placement(of: customer)
        let others = claims.values.count {
            $0.needsCluster && policy.login(of: $0.customer) == placement.login
        }
        var trial = GridTrial(
            customer: customer.checksummed, placement: placement, cpus: definition.cpus ?? .max,
            memory: definition.memory ?? .max, gpus: definition.gpus, minutes: minutes, wouldRun: false,
            reasons: whyNothingIsClaimed.map { "nothing is claimed: \($0)" }, untried: [])
        switch policy.check(definition, customer: customer, minutes: minutes) {
        case .fine: break
        case .refuse(let why), .fail(let why): trial.reasons.append(why)
        }
        if let limit = settings.maximumJobsPerCustomer, others >= limit { trial.reasons.append(crowdWords) }
        do {
            let (account, answer) = try await owner(at: placement)
            trial.userID = account?.userID
            if case .refuse(let why) = answer {
                trial.reasons.append(account == nil ? "\(why): \(Self.mapUser)" : why)
            }
            if let account { try await ask(definition, minutes, account, placement, &trial) }
        } catch {
            trial.untried.append("Slurm's side: \(error)")
        }
        trial.wouldRun = trial.reasons.isEmpty && trial.untried.isEmpty
        return trial
    }

    private func ask(
        _ definition: JobDefinition, _ minutes: UInt64, _ account: GridAccount, _ placement: GridPlacement,
        _ trial: inout GridTrial
    ) async throws(GridError) {
        // What no cluster can count is no question for one.
        guard minutes > 0, definition.tasks > 0, definition.cpusPerTask > 0, definition.memoryPerCPU > 0,
            definition.cpus != nil, definition.memory != nil
        else { return }
        let job = request(.zero, definition, minutes: minutes, account, placement, script: "true\n")
        if let why = try await cluster.whyImpossible(job) {
            trial.reasons.append("this cluster cannot run the job: \(why)")
            return
        }
        switch try await cluster.rehearse(job) {
        case .runs(let start, let nodes): (trial.start, trial.nodes) = (start, nodes)
        case .refused(let why): trial.reasons.append(why)
        }
    }

    /// What an administrator types for a customer without a Unix user.
    static let mapUser =
        "map the customer in users.map or users.map-file, then systemctl reload slurm-grid-agent: \(manual)"

    /// The package has the pages there.
    public static let manual = "/usr/share/doc/slurm-grid-agent/users.md"

    /// As far as it says nothing of the job.
    var whyNothingIsClaimed: [String] {
        var reasons: [String] = []
        if !isCaughtUp { reasons.append("what the chain has said is still being read") }
        if !provider.isApproved { reasons.append("the provider is \(standingWords)") }
        if isDrained { reasons.append("drained; `slurm-grid-agent provider resume` goes on") }
        if isRegistering { reasons.append(registrationWords ?? "prices change") }
        if let trouble = ledger.storageTrouble { reasons.append(trouble) }
        if let limit = settings.maximumJobs, claims.count - crowded.count >= limit {
            reasons.append("this provider runs up to \(limit) jobs at once (policy.max-jobs)")
        }
        return reasons
    }
}
