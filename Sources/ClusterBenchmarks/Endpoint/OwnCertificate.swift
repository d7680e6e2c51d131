// SPDX-License-Identifier: GPL-3.0-or-later

internal import COpenSSL
public import FoundationEssentials
internal import Glibc
internal import NIOSSL

/// The certificate that the agent makes for itself where none is configured. Jobs take it alone: it is in their scripts.
public struct OwnCertificate: Sendable {
    /// PEM; the key is in the file beside it.
    public var certificate: String

    /// Days for which one is good, and how many of them have to be left: a run has a time limit of a year at most.
    private static let (days, rest) = (7300, 800)

    /// Reads the file, or makes it where it is not there, is damaged, of another host, or grows old. Blocks.
    ///
    /// - Parameters:
    ///   - path: of a file with the key and the certificate, of mode 0600.
    ///   - host: a name or a numeric address, by which jobs reach the agent.
    public init(path: String, host: String, now: Int64 = Int64(Date().timeIntervalSince1970)) throws(BenchmarkError) {
        let alternative = Self.alternative(host)
        if let text = Self.read(path), text.hasPrefix("# \(alternative)\n"),
            let certificate = Self.certificate(in: text), Self.isGood(text, certificate, now)
        {
            self.certificate = certificate
            return
        }
        var pem = [CChar](repeating: 0, count: 16 << 10)
        let size = cossl_self_signed(alternative, Int32(Self.days), &pem, pem.count)
        guard size > 0 else {
            throw BenchmarkError(.configuration, "public-address: no certificate can be made for \(host)")
        }
        let text =
            "# \(alternative)\n" + String(decoding: pem.prefix(size).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard let certificate = Self.certificate(in: text) else {
            throw BenchmarkError(.configuration, "public-address: no certificate can be made for \(host)")
        }
        try Self.write(path, text)
        self.certificate = certificate
    }

    /// As OpenSSL writes it. A host has letters, digits, dots and hyphens, or is an address.
    static func alternative(_ host: String) -> String {
        var (four, six) = (in_addr(), in6_addr())
        let isAddress = inet_pton(AF_INET, host, &four) == 1 || inet_pton(AF_INET6, host, &six) == 1
        let plain = String(
            decoding: host.utf8.filter { byte in
                (0x30...0x39).contains(byte) || (0x61...0x7a).contains(byte | 0x20) || ".-:_".utf8.contains(byte)
            }, as: UTF8.self)
        return (isAddress ? "IP:" : "DNS:") + plain
    }

    private static func certificate(in text: String) -> String? {
        let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----")
        guard let start = text.firstRange(of: begin), let stop = text.firstRange(of: end),
            start.lowerBound < stop.lowerBound
        else { return nil }
        return text[start.lowerBound..<stop.upperBound] + "\n"
    }

    /// Its key belongs to it, and it is good for long.
    private static func isGood(_ text: String, _ certificate: String, _ now: Int64) -> Bool {
        guard let leaf = try? NIOSSLCertificate(bytes: Array(certificate.utf8), format: .pem),
            let key = try? NIOSSLPrivateKey(bytes: Array(text.utf8), format: .pem), leaf.notValidAfter > 0,
            // Made while the clock was ahead.
            Int64(leaf.notValidBefore) <= now,
            Int64(leaf.notValidAfter) - now > Int64(rest) * 86_400
        else { return false }
        let configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: [.certificate(leaf)], privateKey: .privateKey(key))
        return (try? NIOSSLContext(configuration: configuration)) != nil
    }

    private static func read(_ path: String) -> String? {
        FileManager.default.contents(atPath: path).map { String(decoding: $0.prefix(64 << 10), as: UTF8.self) }
    }

    /// Whole, or not at all.
    private static func write(_ path: String, _ text: String) throws(BenchmarkError) {
        func failure() -> BenchmarkError {
            BenchmarkError(.storage, "\(path): \(String(cString: strerror(errno)))")
        }
        let new = path + ".new"
        unlink(new)
        let file = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw failure() }
        defer { close(file) }
        let bytes = Array(text.utf8)
        let written = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
        guard written == bytes.count, fsync(file) == 0, rename(new, path) == 0 else {
            let problem = failure()
            unlink(new)
            throw problem
        }
    }
}
