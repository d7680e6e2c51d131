// SPDX-License-Identifier: GPL-3.0-or-later

/// A node's address. Its path and query may hold an access key, so it is told to nobody but the node.
public struct RPCEndpoint: Hashable, Sendable, CustomStringConvertible {
    public let url: String
    let scheme: String
    let host: String
    let port: Int
    /// Path and query, at least `/`.
    let target: String

    public struct Malformed: Error, Hashable, CustomStringConvertible {
        public var description: String
    }

    /// - Parameter schemes: such as http and https, with their usual ports.
    init(_ url: String, schemes: [String: Int]) throws(Malformed) {
        let words =
            "\"\(url.prefix { $0 != "?" }.prefix(40))\" is no address such as \(schemes.keys.sorted()[0])://127.0.0.1:8545"
        let parts = url.split(separator: "://", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let usual = schemes[parts[0].lowercased()] else { throw Malformed(description: words) }
        let authority = parts[1].prefix { $0 != "/" && $0 != "?" }
        let rest = parts[1].dropFirst(authority.count)
        guard url.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) else {
            throw Malformed(description: words + ": it has spaces or other letters")
        }
        guard !authority.contains("@") else {
            throw Malformed(description: "an address with user and password is not taken")
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
        self.url = url
        scheme = parts[0].lowercased()
        host = name.hasPrefix("[") ? String(name.dropFirst().dropLast()) : String(name)
        self.port = port
        target = rest.hasPrefix("/") ? String(rest) : "/" + rest
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

    public var description: String { "\(scheme)://\(host):\(port)" }
}
