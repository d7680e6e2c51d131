// SPDX-License-Identifier: GPL-3.0-or-later

internal import NIOConcurrencyHelpers
internal import NIOCore
public import NIOSSL

/// A server's own certificate, and whose clients it takes.
public struct ServerCertificate: Sendable, Equatable {
    public var chain: String
    public var key: String
    /// A PEM file: clients must have a certificate that leads to it. nil: they need none.
    public var clientAuthority: String?

    public init(chain: String, key: String, clientAuthority: String? = nil) {
        self.chain = chain
        self.key = key
        self.clientAuthority = clientAuthority
    }

    /// Reads the files. Blocks.
    public func configuration() throws -> TLSConfiguration {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMFile(chain).map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(file: key, format: .pem)))
        configuration.minimumTLSVersion = .tlsv12
        configuration.shutdownTimeout = .milliseconds(500)
        if let clientAuthority {
            configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(clientAuthority))
            // Clients have no names here.
            configuration.certificateVerification = .noHostnameVerification
        }
        return configuration
    }
}

/// The certificate in force: a new one counts from the next connection on.
public final class CertificateInForce: Sendable {
    private let context: NIOLockedValueBox<NIOSSLContext>

    public init(_ configuration: TLSConfiguration) throws {
        context = NIOLockedValueBox(try NIOSSLContext(configuration: configuration))
    }

    public func change(_ configuration: TLSConfiguration) throws {
        let new = try NIOSSLContext(configuration: configuration)
        context.withLockedValue { $0 = new }
    }

    package var current: NIOSSLContext { context.withLockedValue { $0 } }
}
