// SPDX-License-Identifier: GPL-3.0-or-later

internal import Ethereum

/// What can be said of a claim from itself and the configuration.
struct JobPolicy: Sendable {
    let settings: GridSettings

    enum Answer: Sendable, Hashable {
        case fine
        /// Somebody else may take it.
        case refuse(String)
        /// Nobody can.
        case fail(String)
    }

    func check(_ definition: JobDefinition, customer: Address, minutes: UInt64) -> Answer {
        if minutes == 0 { return .fail("the credits do not buy one minute here: ask for more credits") }
        guard definition.tasks > 0, definition.cpusPerTask > 0, definition.memoryPerCPU > 0 else {
            return .fail("the job asks for no tasks, no CPUs or no memory")
        }
        guard let cpus = definition.cpus, cpus <= UInt64(UInt32.max), let memory = definition.memory,
            definition.gpus <= UInt64(UInt32.max)
        else { return .fail("the job asks for more than any cluster can count") }
        if settings.deniedCustomers.contains(customer)
            || !(settings.allowedCustomers.isEmpty || settings.allowedCustomers.contains(customer))
        {
            return .refuse("this provider takes no jobs of \(customer.hex)")
        }
        let limits: [(String, UInt64, UInt64?)] = [
            ("minutes", minutes, settings.maximumMinutes), ("CPUs", cpus, settings.maximumCPUs),
            ("GPUs", definition.gpus, settings.maximumGPUs), ("MB of memory", memory, settings.maximumMemory),
        ]
        for (what, wanted, limit) in limits {
            if let limit, wanted > limit {
                return .refuse("this provider takes jobs of up to \(limit) \(what), the job asks for \(wanted)")
            }
        }
        return .fine
    }

    func check(script: String) -> Answer {
        if script.utf8.count > settings.scriptLimit {
            return .fail("the script has \(script.utf8.count) bytes, at most \(settings.scriptLimit) are taken")
        }
        if script.utf8.contains(0) { return .fail("the script holds a NUL byte") }
        if script.allSatisfy(\.isWhitespace) { return .fail("the script is empty") }
        return .fine
    }

    /// The login name that a customer's jobs run as.
    func login(of customer: Address) -> String { settings.login(of: customer) }

    func placement(of customer: Address) -> GridPlacement { settings.placement(of: customer) }

    /// - Parameter systemUsers: who no job runs as, by `GridCluster.systemUsers`.
    func check(_ account: GridAccount?, login: String, systemUsers: Set<UInt32>) -> Answer {
        guard let account else { return .refuse("the customer has no Unix user \(login) on this cluster") }
        // By the uid that the look-up gave: several names may have it.
        guard account.userID >= settings.minimumUserID, account.userID > 0, !systemUsers.contains(account.userID) else {
            return .refuse("the Unix user \(login) may not run jobs of the grid")
        }
        return .fine
    }

    /// The time limit that Slurm gets.
    struct Limit: Sendable, Hashable {
        var minutes: UInt64
        /// What stands against all that is paid for; nil: nothing does.
        var bound: String?
    }

    /// Top-ups are claimed unseen: what they buy beyond the limits here stays with the customer. A job keeps what it was taken
    /// with, also when a limit is lower now.
    /// - Parameter partition: the longest time limit of the job's partition, minutes.
    func limit(claimed: UInt64, paid: UInt64, partition: UInt64?) -> Limit {
        let bounds = [
            settings.maximumMinutes.map { Limit(minutes: $0, bound: "this provider's limit") },
            partition.map { Limit(minutes: $0, bound: "the partition's limit") },
        ].compactMap(\.self)
        guard let lowest = bounds.min(by: { $0.minutes < $1.minutes }), lowest.minutes < paid, claimed < paid else {
            return Limit(minutes: paid)
        }
        return Limit(minutes: max(claimed, lowest.minutes), bound: lowest.bound)
    }
}
