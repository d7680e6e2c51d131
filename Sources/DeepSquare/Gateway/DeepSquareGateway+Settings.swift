// SPDX-License-Identifier: GPL-3.0-or-later

internal import Ethereum
internal import FoundationEssentials
internal import Support

/// What an administrator changes while the agent runs.
extension DeepSquareGateway {
    /// Whose jobs are taken and as whom they run holds from now on, for all that is not in Slurm's hands yet. Services, and what
    /// is registered, stay what they were at the start.
    public func change(_ new: GridSettings) {
        settings.takePolicy(of: new)
        policy = JobPolicy(settings: settings)
        policyRevision += 1
        // They may wait for a user, or for a place, that is there now.
        for (key, claim) in claims where claim.isUndecided {
            lookNow(key)
        }
        wakeUp()
        claimWake.raise()
    }
}

extension GridSettings {
    mutating func takePolicy(of new: GridSettings) {
        allowedCustomers = new.allowedCustomers
        deniedCustomers = new.deniedCustomers
        maximumJobs = new.maximumJobs
        maximumJobsPerCustomer = new.maximumJobsPerCustomer
        maximumMinutes = new.maximumMinutes
        maximumCPUs = new.maximumCPUs
        maximumGPUs = new.maximumGPUs
        maximumMemory = new.maximumMemory
        minimumUserID = new.minimumUserID
        users = new.users
        customers = new.customers
        account = new.account
        qos = new.qos
    }
}

extension Hash32 {
    /// As `grid jobs` shows it: ids are small numbers in practice.
    var short: String {
        let digits = description.dropFirst(2).drop { $0 == "0" }
        return digits.count <= 16 ? "0x" + (digits.isEmpty ? "0" : digits) : description
    }
}
