// SPDX-License-Identifier: GPL-3.0-or-later

internal import CSlurm
internal import Glibc

/// A user's place in an account of this cluster.
public struct Association: Sendable, Hashable {
    public var user: String
    public var account: String
    /// nil: in each.
    public var partition: String?
    /// The user's jobs that name no account are of this one.
    public var isDefault: Bool
    /// Names of those that it may use; nil: Slurm does not say.
    public var qos: Set<String>?

    public init(
        user: String, account: String, partition: String? = nil, isDefault: Bool = false, qos: Set<String>? = nil
    ) {
        self.user = user
        self.account = account
        self.partition = partition
        self.isDefault = isDefault
        self.qos = qos
    }
}

/// What slurmctld knows of slurmdbd's accounts.
public struct AssociationInventory: Sendable, Hashable {
    /// Of the users that were asked about.
    public var associations: [Association]
    /// Of the accounts that were asked about, those that are there.
    public var accounts: Set<String>
    /// Names of all.
    public var qos: Set<String>

    public init(associations: [Association], accounts: Set<String>, qos: Set<String>) {
        self.associations = associations
        self.accounts = accounts
        self.qos = qos
    }
}

extension SlurmController {
    /// Those of these users who have an association with this cluster: with AccountingStorageEnforce=associations slurmctld
    /// takes jobs of nobody else (slurm.conf(5)).
    public func usersWithAssociation(among users: Set<String>) async throws(SlurmError) -> Set<String> {
        let found = Set(try await associations(of: users, accounts: []).associations.map { $0.user.lowercased() })
        // sacctmgr writes names in small letters unless it is told to keep them.
        return users.filter { found.contains($0.lowercased()) }
    }

    /// The associations of these users, which of these accounts there are, and every QOS.
    public func associations(
        of users: Set<String>, accounts: Set<String>
    ) async throws(SlurmError) -> AssociationInventory {
        try await call("slurm_load_assoc_mgr_info") { () throws(SlurmError) in
            // An empty list would be no filter at all.
            let ofUsers =
                users.isEmpty
                ? Loaded() : try Self.load(UInt32(ASSOC_MGR_INFO_FLAG_ASSOC), users: users, accounts: [])
            let ofAccounts =
                accounts.isEmpty
                ? Loaded() : try Self.load(UInt32(ASSOC_MGR_INFO_FLAG_ASSOC), users: [], accounts: accounts)
            let qos = try Self.load(UInt32(ASSOC_MGR_INFO_FLAG_QOS), users: [], accounts: []).qos
            let associations = ofUsers.rows.compactMap { row -> Association? in
                guard let user = row.user else { return nil }
                let names = row.qos.compactMap { qos[$0] }
                return Association(
                    user: user, account: row.account, partition: row.partition, isDefault: row.isDefault,
                    qos: names.isEmpty ? nil : Set(names))
            }
            let there = Set(ofAccounts.rows.map { $0.account.lowercased() })
            return AssociationInventory(
                associations: associations, accounts: accounts.filter { there.contains($0.lowercased()) },
                qos: Set(qos.values))
        }
    }

    private struct Loaded {
        struct Row {
            /// nil: the account's own.
            var user: String?
            var account: String
            var partition: String?
            var isDefault: Bool
            /// Numbers.
            var qos: [UInt32]
        }

        var rows: [Row] = []
        var qos: [UInt32: String] = [:]
    }

    private static func load(
        _ flags: UInt32, users: Set<String>, accounts: Set<String>
    ) throws(SlurmError) -> Loaded {
        let userTexts = users.compactMap { strdup($0) }
        let accountTexts = accounts.compactMap { strdup($0) }
        defer { (userTexts + accountTexts).forEach { free($0) } }
        guard let wantedUsers = slurm_list_create(nil) else { throw SlurmError(.unexpected, "out of memory") }
        defer { slurm_list_destroy(wantedUsers) }
        guard let wantedAccounts = slurm_list_create(nil) else { throw SlurmError(.unexpected, "out of memory") }
        defer { slurm_list_destroy(wantedAccounts) }
        for text in userTexts { slurm_list_append(wantedUsers, text) }
        for text in accountTexts { slurm_list_append(wantedAccounts, text) }
        var request = assoc_mgr_info_request_msg_t()
        request.flags = flags
        if !userTexts.isEmpty { request.user_list = wantedUsers }
        if !accountTexts.isEmpty { request.acct_list = wantedAccounts }
        var answer: UnsafeMutablePointer<assoc_mgr_info_msg_t>?
        try SlurmCall.check("slurm_load_assoc_mgr_info") { slurm_load_assoc_mgr_info(&request, &answer) }
        guard let answer else { throw SlurmError(.unexpected, "empty answer", call: "slurm_load_assoc_mgr_info") }
        defer { slurm_free_assoc_mgr_info_msg(answer) }
        var loaded = Loaded()
        each(answer.pointee.assoc_list) { raw in
            let record = raw.assumingMemoryBound(to: slurmdb_assoc_rec_t.self).pointee
            guard let account = optionalText(record.acct) else { return }
            var qos: [UInt32] = []
            each(record.qos_list) { text in
                // An association has numbers of QOSes.
                let word = String(cString: text.assumingMemoryBound(to: CChar.self))
                if let number = UInt32(word.drop { $0 == "+" }) { qos.append(number) }
            }
            loaded.rows.append(
                .init(
                    user: optionalText(record.user), account: account, partition: optionalText(record.partition),
                    isDefault: record.is_def == 1, qos: qos))
        }
        each(answer.pointee.qos_list) { raw in
            let record = raw.assumingMemoryBound(to: slurmdb_qos_rec_t.self).pointee
            if let name = optionalText(record.name) { loaded.qos[record.id] = name }
        }
        return loaded
    }

    private static func each(_ list: OpaquePointer?, _ body: (UnsafeMutableRawPointer) -> Void) {
        guard let list, let iterator = slurm_list_iterator_create(list) else { return }
        defer { slurm_list_iterator_destroy(iterator) }
        while let raw = slurm_list_next(iterator) { body(raw) }
    }
}
