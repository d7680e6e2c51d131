// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials

/// A node's address. Its path and query may hold an access key, and it may hold a user and a password: they are told to
/// nobody but the node.
public struct RPCEndpoint: Hashable, Sendable, CustomStringConvertible {
    let scheme: String
    let host: String
    let port: Int
    /// Path and query, at least `/`.
    let target: String
    /// The value of the header Authorization, when the address has a user.
    let authorization: String?

    public struct Malformed: Error, Hashable, CustomStringConvertible {
        public var description: String
    }

    /// - Parameter schemes: such as http and https, with their usual ports.
    init(_ url: String, schemes: [String: Int]) throws(Malformed) {
        let example = "\(schemes.keys.sorted()[0])://127.0.0.1:8545"
        let parts = url.split(separator: "://", maxSplits: 1, omittingEmptySubsequences: false)
        // What follows the host may be an access key, and where a password ends is a guess.
        let shown = url.contains("@") ? "this" : "\"\(Self.start(of: parts).prefix(40))\""
        let words = "\(shown) is no address such as \(example)"
        guard parts.count == 2, let usual = schemes[parts[0].lowercased()] else { throw Malformed(description: words) }
        var authority = parts[1].prefix { $0 != "/" && $0 != "?" }
        let rest = parts[1].dropFirst(authority.count)
        guard url.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) else {
            throw Malformed(description: words + ": it has spaces or other letters")
        }
        if let sign = authority.lastIndex(of: "@") {
            guard let encoded = Self.basic(authority[..<sign]) else {
                throw Malformed(
                    description: words + ": in user and password \"%\" begins a code such as %40 for @ and %2F for /")
            }
            authorization = encoded
            authority = authority[authority.index(after: sign)...]
        } else {
            authorization = nil
        }
        var name = authority
        var port = usual
        if let colon = authority.lastIndex(of: ":"), !authority[colon...].contains("]") {
            guard let number = Int(authority[authority.index(after: colon)...]), (1...65_535).contains(number) else {
                throw Malformed(description: words)
            }
            port = number
            name = authority[..<colon]
        }
        guard !name.isEmpty, !rest.contains("#") else { throw Malformed(description: words) }
        scheme = parts[0].lowercased()
        host = name.hasPrefix("[") ? String(name.dropFirst().dropLast()) : String(name)
        self.port = port
        target = rest.hasPrefix("/") ? String(rest) : "/" + rest
    }

    private static func start(of parts: [Substring]) -> String {
        let host = parts.last?.prefix { $0 != "/" && $0 != "?" } ?? ""
        return parts.count == 2 ? "\(parts[0])://\(host)" : String(host)
    }

    /// RFC 7617, of a URL's user and password, in which `%` begins a code; nil when it does not.
    private static func basic(_ user: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = user.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(Hex.value), let low = rest.popFirst().flatMap(Hex.value) else {
                return nil
            }
            bytes.append(high << 4 | low)
        }
        // Without a password there is an empty one, as Go's library has it.
        if !user.contains(":") { bytes.append(UInt8(ascii: ":")) }
        return "Basic " + Data(bytes).base64EncodedString()
    }

    /// For a request: without user and password, which go into a header.
    var url: String {
        "\(scheme)://\(host.contains(":") ? "[\(host)]" : host):\(port)\(target)"
    }

    /// Whether it has what opens a door: user and password, a query, or a part of its path that looks like a key.
    public var hasSecret: Bool {
        authorization != nil || target.contains("?")
            || target.split(separator: "/").contains { $0.utf8.count >= 20 && $0.contains(where: \.isNumber) }
    }

    /// `http://` or `https://`.
    public init(http url: String) throws(Malformed) {
        try self.init(url, schemes: ["http": 80, "https": 443])
    }

    /// `ws://` or `wss://`.
    public init(webSocket url: String) throws(Malformed) {
        try self.init(url, schemes: ["ws": 80, "wss": 443])
    }

    var isEncrypted: Bool { scheme == "https" || scheme == "wss" }

    /// With a sign for a path or query, which may be a key: that there is one.
    public var shown: String { description + (target == "/" ? "" : "/…") }

    public var description: String { "\(scheme)://\(host):\(port)" }
}
