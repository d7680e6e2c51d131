// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import Logging

/// Tells whose token it is.
struct TokenVerifier: Sendable {
    let settings: TokenSettings
    let source: TokenKeySource?
    let now: @Sendable () -> Date

    init(settings: TokenSettings, source: TokenKeySource?, now: @escaping @Sendable () -> Date = { Date() }) {
        self.settings = settings
        self.source = source
        self.now = now
    }

    /// - Returns: the claims, which are true as far as the issuer can be trusted.
    func claims(of token: String) async throws(JarviceError) -> JSONValue {
        let parts = try TokenParts(token)
        if settings.isInsecure { return parts.claims }
        guard let algorithm = parts.algorithm, settings.algorithms.contains(algorithm) else {
            throw TokenClaims.refused("its algorithm is \(parts.algorithmName.prefix(32)), which is not allowed")
        }
        guard let source else { throw JarviceError(.unavailable, "no keys of a token issuer are configured") }
        let keys = try await source.current(for: parts.keyID)
        guard keys.has(parts.keyID) else { throw TokenClaims.refused("its key is not the issuer's (any more)") }
        guard await keys.verify(token, algorithm, keyID: parts.keyID) else {
            throw TokenClaims.refused("its signature is wrong")
        }
        try TokenClaims.check(parts.claims, settings, now: now().timeIntervalSince1970)
        return parts.claims
    }
}
