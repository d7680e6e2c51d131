// SPDX-License-Identifier: GPL-3.0-or-later

/// For `check`: reads a key set once.
public enum TokenKeyCheck {
    /// - Returns: how many keys in it can be used.
    public static func count(_ keys: TokenSettings.Keys, authority: String?) async throws(JarviceError) -> Int {
        do {
            return try TokenKeys(try await TokenKeyLoader.load(keys, authority: authority)).count
        } catch let error as JarviceError {
            throw error
        } catch {
            throw JarviceError(.unavailable, "\(error)")
        }
    }
}
