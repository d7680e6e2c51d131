// SPDX-License-Identifier: GPL-3.0-or-later

internal import DeepSquare
internal import Ethereum
internal import Glibc
internal import Slurm
internal import SlurmAdapter

/// As whom the grid's jobs run, in which account, and whether slurmctld lets them.
extension Checks {
    /// What is tried together; of these only what is not well is found.
    static let ofCustomers: Set<String> = ["users.map", "customers", "associations", "account", "qos"]

    func customers(_ cluster: Cluster, _ controller: SlurmController) async -> [Finding] {
        let settings = configuration.grid
        let mapped = Set(settings.users.keys).union(settings.customers.keys)
        let placements = Set(mapped.map { settings.placement(of: $0) })
        let logins = Set(placements.map(\.login))
        let missing = logins.filter { (try? UserAccount.find(name: $0)) == .some(nil) }
        var findings: [Finding] = []
        if !missing.isEmpty {
            findings.append(
                failure(
                    "users.map",
                    "no Unix user of this host: \(Self.few(missing)); jobs of these customers are refused: make the user "
                        + "(useradd, or the directory), or correct users.map or users.map-file, then "
                        + "systemctl reload slurm-grid-agent: \(DeepSquareGateway.manual)")
            )
        }
        let system = logins.filter { Self.isSystemUser($0, cluster) }
        if !system.isEmpty {
            findings.append(
                failure(
                    "users.map",
                    "\(Self.few(system)): no job runs as root, SlurmUser or the agent's user; jobs of these customers are refused"
                ))
        }
        findings += await openCustomers(hasMap: !mapped.isEmpty)
        findings += await partitions(of: placements, controller)
        let there = placements.filter { !missing.contains($0.login) }
        return findings + (await associations(there, cluster, controller))
    }

    /// Customers with a job that is open, who have no user; and whether anybody can have one.
    private func openCustomers(hasMap: Bool) async -> [Finding] {
        if let missed = await missedCustomers() { return [missed] }
        guard !hasMap else { return [] }
        switch NameService.customers() {
        case .some: return [ok("customers", "are the Unix users whose login names are their addresses")]
        case .unknown:
            return [ok("customers", "are the Unix users whose login names are their addresses, by the name service")]
        case .none:
            return [
                warning(
                    "customers",
                    "nobody can have a job here: users.map and users.map-file are empty, and no Unix user of this host has an "
                        + "address as its login name: \(DeepSquareGateway.manual)")
            ]
        }
    }

    /// Customers whose jobs wait for a user who is not there; nil: none. Asks the name service of those with such a job only.
    func missedCustomers() async -> Finding? {
        let settings = configuration.grid
        return missedCustomers(await openJobs()) { (try? UserAccount.find(name: settings.login(of: $0))) == .some(nil) }
    }

    func missedCustomers(_ jobs: [GridStatus.Job], isMissing: (Address) -> Bool) -> Finding? {
        let waiting = Set(jobs.filter { !$0.isOver && $0.slurmJob == nil }.compactMap { Address(hex: $0.customer) })
        let without = waiting.filter(isMissing)
        guard !without.isEmpty else { return nil }
        return warning(
            "customers",
            "no Unix user for \(Self.few(Set(without.map(\.checksummed)))), whose jobs wait for one and go back to the grid: "
                + "map them in users.map or users.map-file, or add them to the directory, then systemctl reload "
                + "slurm-grid-agent; `slurm-grid-agent provider try ADDRESS` tells: \(DeepSquareGateway.manual)")
    }

    /// What the agent that runs here says of the grid's jobs; none where it does not.
    private func openJobs() async -> [GridStatus.Job] {
        if let running { return await running.now.grid?.status.jobs ?? [] }
        let client = ControlClient(socket: configuration.controlSocket, patience: 10)
        guard let answer = try? client.answer(to: ControlRequest("grid")) else { return [] }
        return (try? ControlAnswer.decode(GridStatus.self, answer))?.jobs ?? []
    }

    /// Those of single customers; `slurm.partition` is looked at by itself.
    private func partitions(of placements: Set<GridPlacement>, _ controller: SlurmController) async -> [Finding] {
        let wanted = Set(placements.map(\.partition)).subtracting([configuration.grid.partition])
        guard !wanted.isEmpty else { return [] }
        do throws(SlurmError) {
            let missing = wanted.subtracting(try await controller.partitions().map(\.name))
            guard !missing.isEmpty else { return [] }
            return [
                failure(
                    "users.map",
                    "there is no partition \(Self.few(missing)), which users.map-file names: jobs of these customers are refused"
                )
            ]
        } catch {
            return [unknown("users.map", because: "partitions of users.map-file cannot be looked up: \(error)")]
        }
    }

    private func associations(
        _ placements: Set<GridPlacement>, _ cluster: Cluster, _ controller: SlurmController
    ) async -> [Finding] {
        let settings = configuration.grid
        let advice = AssociationAdvice(
            placements: placements, account: settings.account, qos: settings.qos, enforced: cluster.accounting)
        guard cluster.hasAccounting, advice.isNeeded else { return [] }
        do throws(SlurmError) {
            let faults = advice.faults(try await controller.associations(of: advice.users, accounts: advice.accounts))
            guard faults.isEmpty else {
                return faults.map { fault in
                    fault.isRefused
                        ? failure(fault.subject, fault.text)
                        : warning(fault.subject, "\(fault.text); slurmctld takes the jobs all the same")
                }
            }
            return [ok("associations", "all \(advice.users.count) mapped users have one")]
        } catch {
            return [unknown("associations", because: "they cannot be looked up: \(error)")]
        }
    }

    /// By its uid: several names may have it.
    static func isSystemUser(_ login: String, _ cluster: Cluster) -> Bool {
        guard let account = try? UserAccount.find(name: login) else { return false }
        return SystemUsers.own.union([cluster.slurmUserID]).contains(account.userID)
    }

    static func few(_ names: Set<String>) -> String {
        let sorted = names.sorted()
        return sorted.prefix(5).joined(separator: ", ") + (sorted.count > 5 ? " and \(sorted.count - 5) more" : "")
    }
}
