// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
public import NIOCore
public import NIOSSL

/// How this agent speaks TLS as a client, with every service the same.
///
/// The server's certificate must lead to one of the roots and name, in its subjectAltName, the host name or the IP address
/// that was connected to. A CN alone is not a name (RFC 9525, section 2). Keys: RSA, ECDSA P-256, P-384, P-521, and Ed25519.
public struct TLSClient: Sendable {
    /// For NIOSSL, and for libraries that make their connections themselves; these must also use `checkNames`.
    public let configuration: TLSConfiguration
    private let context: NIOSSLContext
    private let verifies: Bool

    /// - Parameters:
    ///   - authority: a PEM file that is trusted instead of the system's roots.
    ///   - verifies: false takes every certificate.
    /// - Throws: `unreadable` when the file has no certificate.
    public init(
        authority: String? = nil, verifies: Bool = true, applicationProtocols: [String] = []
    ) throws(TLSClientError) {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = applicationProtocols
        // Those of the library and the two that it leaves out.
        configuration.curves = [.x25519_MLKEM768, .x25519, .secp256r1, .secp384r1, .secp521r1]
        configuration.verifySignatureAlgorithms = [
            .ecdsaSecp256R1Sha256, .rsaPssRsaeSha256, .rsaPkcs1Sha256, .ecdsaSecp384R1Sha384, .rsaPssRsaeSha384,
            .rsaPkcs1Sha384, .ed25519, .ecdsaSecp521R1Sha512, .rsaPssRsaeSha512, .rsaPkcs1Sha512,
        ]
        // A server that does not answer TLS's farewell holds up no stop.
        configuration.shutdownTimeout = .milliseconds(500)
        self.verifies = verifies
        if !verifies {
            configuration.certificateVerification = .none
        } else if let roots = try Self.roots(authority) {
            configuration.trustRoots = .certificates(roots)
        }
        self.configuration = configuration
        do {
            context = try NIOSSLContext(configuration: configuration)
        } catch {
            throw TLSClientError(.unreadable, "\(authority ?? "the system's certificates"): \(error)")
        }
    }

    /// For one connection, to be put first into its pipeline.
    /// - Parameter host: a name, or an IP address.
    public func handler(host: String) throws -> NIOSSLClientHandler {
        let name = Self.isAddress(host) ? nil : host
        guard verifies else { return try NIOSSLClientHandler(context: context, serverHostname: name) }
        return try NIOSSLClientHandler._makeSSLClientHandler(context: context, serverHostname: name) {
            certificate, channel in
            channel.eventLoop.makeCompletedFuture { try Self.checkNames(certificate) }
        }
    }

    /// An IP address has no place in TLS's server name, and is compared with the certificate's addresses.
    static func isAddress(_ host: String) -> Bool {
        (try? SocketAddress(ipAddress: host, port: 0)) != nil
    }

    /// Of a connection that a library made with `configuration`, once it is up.
    public static func checkNames(_ channel: any Channel) -> EventLoopFuture<Void> {
        channel.eventLoop.submit {
            guard let handler = try? channel.pipeline.syncOperations.handler(type: NIOSSLClientHandler.self) else {
                return
            }
            do {
                if let certificate = handler.peerCertificate { try checkNames(certificate) }
            } catch {
                channel.close(promise: nil)
                throw error
            }
        }
    }

    private static func checkNames(_ certificate: NIOSSLCertificate) throws {
        // The library takes the CN where there is no other name.
        guard certificate._subjectAlternativeNames().isEmpty else { return }
        throw TLSClientError(
            .noNames,
            "its TLS certificate has a CN and no subjectAltName, which is what counts: make one with the host's name or IP "
                + "address there")
    }

    // MARK: roots

    /// Debian's and Fedora's.
    private static let systemFiles = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"]

    /// nil: the system's, as the library reads them.
    private static func roots(_ authority: String?) throws(TLSClientError) -> [NIOSSLCertificate]? {
        if let authority { return try CertificateBundle(path: authority).certificates }
        // The library would take none of a file with one bad block.
        guard let system = system(), !system.bundle.badBlocks.isEmpty else { return nil }
        return system.bundle.certificates
    }

    private static func system() -> (path: String, bundle: CertificateBundle)? {
        for path in systemFiles {
            if let bundle = try? CertificateBundle(path: path) { return (path, bundle) }
        }
        return nil
    }

    /// What an administrator should read of the file: blocks that are left out.
    public static func notice(authority: String?) -> String? {
        guard let authority else { return system().flatMap { $0.bundle.notice(of: $0.path) } }
        return (try? CertificateBundle(path: authority))?.notice(of: authority)
    }

    // MARK: words

    /// What a failure means and what to do; nil: it is not about TLS.
    /// - Parameters:
    ///   - text: of the error, which may lie within others.
    ///   - key: where the roots are configured.
    public static func describe(_ text: String, key: String) -> String? {
        if let error = text.firstRange(of: "its TLS certificate has a CN") { return String(text[error.lowerBound...]) }
        if text.contains("CERTIFICATE_VERIFY_FAILED") {
            return "its TLS certificate cannot be verified: look at its dates, its authority, and \(key)"
        }
        if text.contains("failedToValidateHostname") || text.contains("unableToValidateCertificate") {
            return
                "its TLS certificate does not name the host or IP address that was connected to: configure a name that it has"
        }
        let handshake = ["HANDSHAKE_FAILURE", "NO_COMMON_SIGNATURE_ALGORITHMS", "WRONG_SIGNATURE_TYPE", "WRONG_CURVE"]
        if handshake.contains(where: { text.contains($0) }) {
            return
                "the TLS handshake failed: the server's key must be RSA, ECDSA (P-256, P-384, P-521) or Ed25519, and it must "
                + "speak TLS 1.2 or 1.3"
        }
        return nil
    }
}

/// Why TLS cannot be used.
public struct TLSClientError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        /// A file of certificates.
        case unreadable
        /// The server's certificate has no names.
        case noNames
    }

    public let code: Code
    public let description: String

    init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
