// SPDX-License-Identifier: GPL-3.0-or-later

internal import DeepSquare
internal import Slurm

/// Whether slurmdbd's accounts let the customers' users run jobs in the accounts and with the QOS that are configured. No I/O.
struct AssociationAdvice {
    /// Of the customers who have a Unix user.
    var placements: Set<GridPlacement>
    /// What holds for customers who are in no map.
    var account: String?
    var qos: String?
    var enforced: Cluster.Enforcement

    var users: Set<String> { Set(placements.map(\.login)) }
    var accounts: Set<String> { Set(placements.compactMap(\.account) + [account].compactMap(\.self)) }
    var allQOS: Set<String> { Set(placements.compactMap(\.qos) + [qos].compactMap(\.self)) }

    /// Something to look at.
    var isNeeded: Bool { enforced.contains(.associations) && !users.isEmpty || !accounts.isEmpty || !allQOS.isEmpty }

    struct Fault: Equatable {
        var subject: String
        var text: String
        /// slurmctld refuses jobs for it.
        var isRefused: Bool
    }

    /// In the order in which they are to be corrected.
    func faults(_ found: AssociationInventory) -> [Fault] {
        let known = Set(found.accounts.map { $0.lowercased() })
        let accountsMissing = accounts.filter { !known.contains($0.lowercased()) }
        let names = Set(found.qos.map { $0.lowercased() })
        let qosMissing = allQOS.filter { !names.contains($0.lowercased()) }
        var faults: [Fault] = []
        if !accountsMissing.isEmpty {
            faults.append(
                Fault(
                    subject: "account", text: "there is no \(Checks.few(accountsMissing)): sacctmgr add account NAME",
                    isRefused: enforced.contains(.associations)))
        }
        if !qosMissing.isEmpty {
            faults.append(
                Fault(
                    subject: "qos", text: "there is no \(Checks.few(qosMissing)): sacctmgr add qos NAME",
                    isRefused: enforced.contains(.qos)))
        }
        let rest = placements.filter {
            !($0.account.map(accountsMissing.contains) ?? false) && !($0.qos.map(qosMissing.contains) ?? false)
        }
        return faults + associationFaults(rest, found) + qosFaults(rest, found)
    }

    private func matching(_ placement: GridPlacement, _ found: AssociationInventory) -> [Association] {
        found.associations.filter { association in
            association.user.lowercased() == placement.login.lowercased()
                && (placement.account.map { $0.lowercased() == association.account.lowercased() } ?? true)
                && (association.partition.map { $0 == placement.partition } ?? true)
        }
    }

    private func associationFaults(_ placements: Set<GridPlacement>, _ found: AssociationInventory) -> [Fault] {
        guard enforced.contains(.associations) else { return [] }
        let without = placements.filter { matching($0, found).isEmpty }
        guard !without.isEmpty else { return [] }
        let words = Set(without.map { $0.login + ($0.account.map { " in account \($0)" } ?? "") })
        return [
            Fault(
                subject: "associations",
                text: "slurmctld takes no jobs of \(Checks.few(words)) (AccountingStorageEnforce=\(enforced)): "
                    + "sacctmgr add user NAME account=ACCOUNT", isRefused: true)
        ]
    }

    private func qosFaults(_ placements: Set<GridPlacement>, _ found: AssociationInventory) -> [Fault] {
        guard enforced.contains(.qos) else { return [] }
        let without = placements.filter { placement in
            guard let wanted = placement.qos?.lowercased() else { return false }
            let own = matching(placement, found)
            let used = own.filter { placement.account != nil || $0.isDefault }
            return !own.isEmpty
                && !(used.isEmpty ? own : used).contains { association in
                    association.qos.map { $0.contains { $0.lowercased() == wanted } } ?? true
                }
        }
        guard !without.isEmpty else { return [] }
        let words = Set(without.map { "\($0.login) with QOS \($0.qos ?? "")" })
        return [
            Fault(
                subject: "qos",
                text: "slurmctld takes no jobs of \(Checks.few(words)) (AccountingStorageEnforce=\(enforced)): "
                    + "sacctmgr modify user NAME set qos+=QOS", isRefused: true)
        ]
    }
}
