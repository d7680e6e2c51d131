// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import JWTKit

/// The keys of a JSON Web Key Set (RFC 7517) that may have signed a token.
struct TokenKeys: Sendable {
    private struct Key: Sendable {
        var id: String?
        var type: String
        var algorithm: String?
        var jwk: JWK
    }

    private let keys: [Key]
    private static let limit = 64
    /// Bits of an RSA key, at least (RFC 7518, 3.3).
    private static let smallestModulus = 2048

    var count: Int { keys.count }

    /// - Throws: when there is no key in it that can be used. One that cannot is passed over.
    init(_ text: [UInt8]) throws(JarviceError) {
        guard let json = try? JSONValue(parsing: text), case .array(let items)? = json["keys"],
            let set = try? KeyDecoder.elements(of: text)
        else { throw JarviceError(.identity, "the token issuer's keys are not a JSON Web Key Set {\"keys\": […]}") }
        keys = zip(items, set).prefix(Self.limit).compactMap { item, jwk in
            guard let type = item["kty"]?.string, let jwk else { return nil }
            // A key for encryption is published too; it signs nothing.
            if let use = item["use"]?.string, use != "sig" { return nil }
            if type == "RSA" {
                guard let modulus = item["n"]?.string.flatMap({ TokenParts.base64URL($0.utf8) }),
                    modulus.drop(while: { $0 == 0 }).count * 8 >= Self.smallestModulus
                else { return nil }
            }
            return Key(id: item["kid"]?.string, type: type, algorithm: item["alg"]?.string, jwk: jwk)
        }
        guard !keys.isEmpty else {
            throw JarviceError(.identity, "the token issuer's key set has no key that can be used")
        }
    }

    /// Whether a key of this name is among them.
    func has(_ id: String?) -> Bool { id == nil || keys.contains { $0.id == id } }

    /// The key decides what may be done with it, never the token's header.
    func verify(_ token: String, _ algorithm: TokenSettings.Algorithm, keyID: String?) async -> Bool {
        for key in keys {
            guard keyID == nil || key.id == keyID, key.type == algorithm.keyType,
                key.algorithm == nil || key.algorithm == algorithm.rawValue
            else { continue }
            var jwk = key.jwk
            jwk.keyIdentifier = JWKIdentifier(string: keyID ?? "key")
            jwk.algorithm = JWK.Algorithm(rawValue: algorithm.rawValue)
            let collection = JWTKeyCollection()
            guard (try? await collection.add(jwk: jwk)) != nil else { continue }
            if (try? await collection.verify(token, as: SignedPayload.self)) != nil { return true }
        }
        return false
    }

    /// Only the signature is asked about.
    private struct SignedPayload: JWTPayload {
        func verify(using algorithm: some JWTAlgorithm) async throws {}
    }

    private enum KeyDecoder {
        private struct Lenient: Decodable {
            var jwk: JWK?

            init(from decoder: any Decoder) throws {
                jwk = try? JWK(from: decoder)
            }
        }
        private struct Set: Decodable {
            var keys: [Lenient]
        }

        static func elements(of text: [UInt8]) throws -> [JWK?] {
            try JSONDecoder().decode(Set.self, from: Data(text)).keys.map(\.jwk)
        }
    }
}
