// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials

/// What a NATS server says of itself when a connection begins (the INFO message of the NATS client protocol).
struct NATSServerInfo: Decodable, Sendable, Hashable {
    /// Bytes of one message; nil: not told.
    var maxPayload: Int?
    var requiresTLS: Bool?
    var offersTLS: Bool?

    enum CodingKeys: String, CodingKey {
        case maxPayload = "max_payload"
        case requiresTLS = "tls_required"
        case offersTLS = "tls_available"
    }
}

/// What a publisher has to understand of a server.
enum NATSMessage: Sendable, Hashable {
    case info(NATSServerInfo)
    case ping
    case pong
    case okay
    case error(String)
}

/// Takes a server's lines apart. No I/O.
struct NATSDecoder: Sendable {
    /// Bytes of a line; INFO names all servers of a cluster.
    static let lineLimit = 64 * 1024

    private var line: [UInt8] = []

    /// Something has come that is not a whole line yet.
    var hasRest: Bool { !line.isEmpty }

    /// - Throws: `malformed` when this is no NATS server, or what it says was not asked for.
    mutating func take(_ bytes: some Sequence<UInt8>) throws(CockpitError) -> [NATSMessage] {
        var messages: [NATSMessage] = []
        for byte in bytes {
            guard byte == UInt8(ascii: "\n") else {
                guard line.count < Self.lineLimit else { throw Self.foreign("a line without an end") }
                line.append(byte)
                continue
            }
            if line.last == UInt8(ascii: "\r") { line.removeLast() }
            if !line.isEmpty { messages.append(try Self.message(line)) }
            line.removeAll(keepingCapacity: true)
        }
        return messages
    }

    private static func message(_ line: [UInt8]) throws(CockpitError) -> NATSMessage {
        let text = String(decoding: line, as: UTF8.self)
        let name = text.prefix { $0 != " " && $0 != "\t" }
        let rest = text[name.endIndex...].drop { $0 == " " || $0 == "\t" }
        switch name.uppercased() {
        case "INFO":
            guard let info = try? JSONDecoder().decode(NATSServerInfo.self, from: Data(rest.utf8)) else {
                throw foreign("INFO that cannot be read")
            }
            return .info(info)
        case "PING": return .ping
        case "PONG": return .pong
        case "+OK": return .okay
        case "-ERR": return .error(String(rest.filter { $0 != "'" && !$0.isNewline }.prefix(200)))
        default: throw foreign(String(name.prefix(40)))
        }
    }

    private static func foreign(_ what: String) -> CockpitError {
        CockpitError(.malformed, "what answers there is no NATS server: it sent \(what.debugDescription)")
    }
}

/// What the server is told first.
struct NATSConnect: Encodable, Sendable {
    private var verbose = false
    private var pedantic = false
    private var tlsRequired: Bool
    private var user: String?
    private var password: String?
    private var token: String?
    private var name = "slurm-grid-agent"
    private var lang = "swift"
    private var version = "1"

    enum CodingKeys: String, CodingKey {
        case verbose, pedantic, user, name, lang, version
        case tlsRequired = "tls_required"
        case password = "pass"
        case token = "auth_token"
    }

    /// - Parameter secret: the password of `user`, or without one a token; nil: the server asks for none.
    init(user: String?, secret: String?, isEncrypted: Bool) {
        tlsRequired = isEncrypted
        self.user = user
        if user != nil { password = secret } else { token = secret }
    }
}
