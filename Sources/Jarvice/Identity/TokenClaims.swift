// SPDX-License-Identifier: GPL-3.0-or-later

/// Whether the claims of a token whose signature is right hold here and now (RFC 7519, 4.1).
enum TokenClaims {
    /// - Parameter now: Unix seconds.
    static func check(_ claims: JSONValue, _ settings: TokenSettings, now: Double) throws(JarviceError) {
        let leeway = settings.leeway / .seconds(1)
        guard let expires = number(claims["exp"]) else { throw refused("it has no expiry (exp)") }
        guard now <= expires + leeway else { throw refused("it has expired") }
        if let value = claims["nbf"] {
            guard let start = number(value), now >= start - leeway else { throw refused("it is not valid yet (nbf)") }
        }
        if let value = claims["iat"] {
            guard let issued = number(value), now >= issued - leeway else {
                throw refused("it was issued in the future (iat)")
            }
        }
        if let issuer = settings.issuer, claims["iss"]?.string != issuer {
            throw refused("its issuer is not \(issuer)")
        }
        if let audience = settings.audience, !audiences(claims["aud"]).contains(audience) {
            throw refused("its audience is not \(audience)")
        }
    }

    private static func audiences(_ value: JSONValue?) -> [String] {
        switch value {
        case .string(let one)?: [one]
        case .array(let several)?: several.compactMap(\.string)
        default: []
        }
    }

    private static func number(_ value: JSONValue?) -> Double? {
        switch value {
        case .integer(let digits)?: Double(digits)
        case .number(let number)? where number.isFinite: number
        default: nil
        }
    }

    static func refused(_ reason: String) -> JarviceError { JarviceError(.identity, "the token is refused: \(reason)") }
}
