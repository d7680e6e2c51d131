// SPDX-License-Identifier: GPL-3.0-or-later

internal import NIOSSL
internal import TLSClient

extension ServerCertificate {
    /// Its files, when they belong together. Blocks.
    ///
    /// - Parameter keys: what the keys begin with that name them.
    func checked(_ keys: String) throws -> TLSConfiguration {
        do {
            let configuration = try configuration()
            _ = try NIOSSLContext(configuration: configuration)
            return configuration
        } catch {
            throw Patience.Trouble(description: "\(keys): \(chain), \(key): \(error)")
        }
    }
}
