// SPDX-License-Identifier: GPL-3.0-or-later

/// What a token must be to be believed.
public struct TokenSettings: Sendable, Equatable {
    /// Only signatures by a private key: what verifies them cannot make them.
    public enum Algorithm: String, Sendable, CaseIterable {
        case rs256 = "RS256"
        case rs384 = "RS384"
        case rs512 = "RS512"
        case es256 = "ES256"
        case es384 = "ES384"
        case es512 = "ES512"
        case edDSA = "EdDSA"

        /// Of a JSON Web Key (RFC 7518, 6.1; RFC 8037).
        var keyType: String {
            switch self {
            case .rs256, .rs384, .rs512: "RSA"
            case .es256, .es384, .es512: "EC"
            case .edDSA: "OKP"
            }
        }
    }

    public enum Keys: Sendable, Hashable {
        case file(String)
        /// https, or http on this host.
        case url(String)
    }

    public var issuer: String?
    public var audience: String?
    public var algorithms = Set(Algorithm.allCases)
    public var leeway: Duration = .seconds(60)
    public var keys: Keys?
    /// A PEM file, for the keys' URL; nil: the system's.
    public var authority: String?
    /// Believes every token.
    public var isInsecure = false

    public init() {}
}
