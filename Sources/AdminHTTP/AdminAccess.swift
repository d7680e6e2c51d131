// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials

/// Who may see the status: decided from a request's Host and Authorization alone.
struct AdminAccess: Sendable {
    enum Verdict: Equatable {
        case allowed
        /// The host asked for is none of this server's.
        case misdirected
        /// - Parameter isGuess: something was shown, and it was wrong.
        case unauthorized(isGuess: Bool)
    }

    /// nil: whoever can connect may ask, as with a Unix socket's permissions.
    private let token: AdminToken?
    private let hosts: Set<String>

    /// - Parameters:
    ///   - hosts: names or numeric addresses by which clients reach the server, beside localhost. A page of somebody else's, whose
    ///     name leads to this server (DNS rebinding), shows itself by its name: that alone is looked at, not the port, which is
    ///     another one behind `ssh -L` or a proxy.
    init(token: AdminToken?, hosts: [String]) {
        self.token = token
        self.hosts = Set((hosts + ["localhost", "127.0.0.1", "[::1]"]).compactMap { Self.compared($0) })
    }

    func judge(host: String?, authorization: String?) -> Verdict {
        guard let host, let name = Self.name(ofHost: host), hosts.contains(name) else { return .misdirected }
        guard let token else { return .allowed }
        guard let authorization else { return .unauthorized(isGuess: false) }
        guard let shown = Self.secret(authorization) else { return .unauthorized(isGuess: true) }
        return token.matches(shown) ? .allowed : .unauthorized(isGuess: true)
    }

    /// The name of a Host header, `name[:port]` (RFC 9110 section 7.2); nil for what is none.
    private static func name(ofHost host: String) -> String? {
        var name = host[...]
        if name.hasPrefix("[") {
            guard let end = name.firstIndex(of: "]") else { return nil }
            guard isPort(name[name.index(after: end)...]) else { return nil }
            name = name[...end]
        } else if let colon = name.firstIndex(of: ":") {
            guard isPort(name[colon...]) else { return nil }
            name = name[..<colon]
        }
        return compared(String(name))
    }

    private static func isPort(_ text: Substring) -> Bool {
        guard !text.isEmpty else { return true }
        return text.first == ":" && text.dropFirst().allSatisfy { $0.isASCII && $0.isNumber } && text.count <= 6
    }

    /// As names are compared: in lower case, without the root's dot, IPv6 in brackets.
    private static func compared(_ text: String) -> String? {
        var name = text.lowercased()
        if name.hasSuffix(".") { name.removeLast() }
        guard !name.isEmpty else { return nil }
        return name.contains(":") && !name.hasPrefix("[") ? "[\(name)]" : name
    }

    /// What stands in `Bearer …` (RFC 6750), or as the password of `Basic …` (RFC 7617), whatever the user's name.
    private static func secret(_ authorization: String) -> [UInt8]? {
        guard let blank = authorization.firstIndex(of: " ") else { return nil }
        let scheme = authorization[..<blank].lowercased()
        let rest = String(authorization[blank...].drop { $0 == " " })
        switch scheme {
        case "bearer": return Array(rest.utf8)
        case "basic":
            guard let pair = Data(base64Encoded: rest), let colon = pair.firstIndex(of: UInt8(ascii: ":")) else {
                return nil
            }
            return Array(pair[pair.index(after: colon)...])
        default: return nil
        }
    }
}
