// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc

/// A Unix user as the name service knows it (files, LDAP, …). Look-ups may block: not for cooperative threads.
public struct UserAccount: Sendable, Hashable {
    public var name: String
    public var userID: UInt32
    public var groupID: UInt32
    public var home: String
    public var shell: String

    /// nil when there is no such user.
    /// - Throws: `unavailable` when the name service fails: no answer is not "no such user".
    public static func find(userID: UInt32) throws(SlurmError) -> UserAccount? {
        try find("uid \(userID)") { getpwuid_r(userID, $0, $1, $2, $3) }
    }

    /// nil when there is no such user.
    /// - Throws: `unavailable` when the name service fails.
    public static func find(name: String) throws(SlurmError) -> UserAccount? {
        try find("user \(name)") { getpwnam_r(name, $0, $1, $2, $3) }
    }

    /// A login name, or a uid, in Slurm's order: a name that is all digits is a name first.
    ///
    /// - Throws: `invalidRequest` when it is neither; `unavailable` when the name service fails.
    public static func userID(_ text: String) throws(SlurmError) -> UInt32 {
        if let account = try find(name: text) { return account.userID }
        // A user who is gone may still have jobs.
        guard let number = UInt32(text) else { throw .invalid("user", "there is no user \"\(text)\" on this host") }
        return number
    }

    /// The same of a group.
    public static func groupID(_ text: String) throws(SlurmError) -> UInt32 {
        var capacity = 1024
        while capacity <= 1 << 22 {
            var entry = group()
            var result: UnsafeMutablePointer<group>?
            let status = withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity) { buffer in
                getgrnam_r(text, &entry, buffer.baseAddress, capacity, &result)
            }
            switch status {
            case 0 where result != nil: return entry.gr_gid
            case 0, ENOENT, ESRCH:
                guard let number = UInt32(text) else {
                    throw .invalid("group", "there is no group \"\(text)\" on this host")
                }
                return number
            case ERANGE: capacity *= 4
            case EINTR: continue
            default:
                throw SlurmError(
                    .unavailable,
                    "cannot look up group \(text): \(String(cString: strerror(status))); check nsswitch.conf and its services",
                    number: status)
            }
        }
        throw SlurmError(.unavailable, "cannot look up group \(text): it has too many members")
    }

    /// Whether the group is the user's primary one or one that it is a member of.
    public func isMember(of group: UInt32) -> Bool {
        if group == groupID { return true }
        var count: Int32 = 64
        while count <= 65_536 {
            var groups = [gid_t](repeating: 0, count: Int(count))
            var found = count
            if getgrouplist(name, groupID, &groups, &found) >= 0 {
                return groups.prefix(Int(found)).contains(group)
            }
            count = max(found, count * 2)
        }
        return false
    }

    private static func find(
        _ what: String,
        _ call: (
            UnsafeMutablePointer<passwd>, UnsafeMutablePointer<CChar>, Int,
            UnsafeMutablePointer<UnsafeMutablePointer<passwd>?>
        ) -> Int32
    ) throws(SlurmError) -> UserAccount? {
        var capacity = 1024
        while true {
            var entry = passwd()
            var result: UnsafeMutablePointer<passwd>?
            let (status, account) = withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity) { buffer in
                guard let base = buffer.baseAddress else { return (ENOMEM, UserAccount?.none) }
                let status = call(&entry, base, capacity, &result)
                guard status == 0, result != nil else { return (status, nil) }
                return (
                    0,
                    UserAccount(
                        name: String(cString: entry.pw_name), userID: entry.pw_uid, groupID: entry.pw_gid,
                        home: String(cString: entry.pw_dir), shell: String(cString: entry.pw_shell))
                )
            }
            switch status {
            case 0, ENOENT, ESRCH: return account
            case ERANGE where capacity < 1 << 20: capacity *= 4
            case EINTR: continue
            default:
                throw SlurmError(
                    .unavailable,
                    "cannot look up \(what): \(String(cString: strerror(status))); check nsswitch.conf and its services",
                    number: status)
            }
        }
    }
}
