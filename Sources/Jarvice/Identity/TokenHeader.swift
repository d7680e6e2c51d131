// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials

/// The parts of a compact JSON Web Signature (RFC 7515, 7.1), before anything of it is believed.
struct TokenParts: Sendable {
    /// Longer ones are no tokens.
    static let limit = 16 << 10

    var algorithm: TokenSettings.Algorithm?
    /// As the header has it.
    var algorithmName: String
    var keyID: String?
    var claims: JSONValue

    init(_ token: String) throws(JarviceError) {
        guard token.utf8.count <= Self.limit else { throw Self.malformed("it has more than \(Self.limit) bytes") }
        let parts = token.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 3 else { throw Self.malformed("it has \(parts.count) parts and not three") }
        let header = try Self.json(parts[0], "header")
        claims = try Self.json(parts[1], "payload")
        guard let name = header["alg"]?.string else { throw Self.malformed("its header names no algorithm") }
        algorithmName = name
        algorithm = TokenSettings.Algorithm(rawValue: name)
        // RFC 7515, 4.1.11: what is critical must be understood, and nothing is.
        guard header["crit"] == nil else { throw Self.malformed("its header has critical extensions") }
        keyID = header["kid"]?.string
    }

    private static func json(_ part: Substring.UTF8View, _ what: String) throws(JarviceError) -> JSONValue {
        guard let bytes = base64URL(part) else { throw malformed("its \(what) is not base64url") }
        do {
            let value = try JSONValue(parsing: bytes)
            guard case .object = value else { throw malformed("its \(what) is not a JSON object") }
            return value
        } catch let error as JarviceError {
            throw error
        } catch {
            throw malformed("its \(what) is not JSON")
        }
    }

    /// Without padding (RFC 7515, 2).
    static func base64URL(_ text: some Collection<UInt8>) -> [UInt8]? {
        var standard: [UInt8] = []
        standard.reserveCapacity(text.count + 3)
        for byte in text {
            switch byte {
            case UInt8(ascii: "-"): standard.append(UInt8(ascii: "+"))
            case UInt8(ascii: "_"): standard.append(UInt8(ascii: "/"))
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: standard.append(byte)
            default: return nil
            }
        }
        while standard.count % 4 != 0 { standard.append(UInt8(ascii: "=")) }
        return Data(base64Encoded: Data(standard)).map { Array($0) }
    }

    static func malformed(_ reason: String) -> JarviceError { JarviceError(.identity, "the token is none: \(reason)") }
}
