// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import Glibc

/// Whether customers can have Unix users by their addresses.
enum NameService {
    /// Users whose login name is an address, as far as the name service lists its users.
    enum Customers: Equatable {
        case some
        case none
        /// A directory such as LDAP need not list its users.
        case unknown
    }

    /// - Parameter lists: whether one of the listed login names is so.
    static func customers(
        configuration: String = (try? String(contentsOfFile: "/etc/nsswitch.conf", encoding: .utf8)) ?? "",
        lists: (_ wanted: (String) -> Bool) -> Bool = lists
    ) -> Customers {
        if lists(isAddress) { return .some }
        return listsAll(configuration) ? .none : .unknown
    }

    /// nsswitch.conf(5): only sources that name every user.
    static func listsAll(_ configuration: String) -> Bool {
        let line = configuration.split(whereSeparator: \.isNewline).map(\.trimmed).last { $0.hasPrefix("passwd:") }
        // What has none is "files".
        guard let line else { return true }
        let sources = line.dropFirst("passwd:".count).prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace)
        return sources.filter { !$0.hasPrefix("[") && !$0.hasSuffix("]") }.allSatisfy {
            ["files", "db", "compat", "systemd"].contains($0)
        }
    }

    /// As JobPolicy asks for them: in lower case.
    static func isAddress(_ login: String) -> Bool {
        login.hasPrefix("0x") && login.utf8.count == 42
            && login.utf8.dropFirst(2).allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }

    /// By getpwent(3), up to a bound: a directory may have any number.
    static func lists(_ wanted: (String) -> Bool) -> Bool {
        setpwent()
        defer { endpwent() }
        for _ in 0..<20_000 {
            guard let entry = getpwent() else { return false }
            if wanted(String(cString: entry.pointee.pw_name)) { return true }
        }
        return false
    }
}
