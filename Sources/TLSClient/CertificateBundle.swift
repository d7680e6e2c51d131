// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import Glibc
public import NIOSSL

/// The certificates of a PEM file. A block that holds none does not spoil the others: the good ones count, and the bad ones can
/// be told.
public struct CertificateBundle: Sendable {
    /// A block of the file that cannot be used.
    public struct BadBlock: Sendable, Hashable, CustomStringConvertible {
        /// Of its BEGIN, from 1.
        public var line: Int
        public var reason: String

        public var description: String { "line \(line): \(reason)" }
    }

    public private(set) var certificates: [NIOSSLCertificate] = []
    public private(set) var badBlocks: [BadBlock] = []

    /// Larger than any authority's; more is not read.
    static let sizeLimit = 16 << 20

    /// - Throws: `unreadable` when there is no such file or not one certificate in it.
    public init(path: String) throws(TLSClientError) {
        var entry = stat()
        guard stat(path, &entry) == 0, entry.st_mode & S_IFMT == S_IFREG, entry.st_size <= Self.sizeLimit,
            let bytes = FileManager.default.contents(atPath: path)
        else {
            throw TLSClientError(.unreadable, "\(path) cannot be read: it must be there, and this user may read it")
        }
        self.init(pem: Array(bytes))
        guard !certificates.isEmpty else {
            let why = badBlocks.first.map { " (\($0))" } ?? ""
            throw TLSClientError(.unreadable, "\(path) has no certificate in PEM form\(why)")
        }
    }

    /// Text before, between and after the blocks is left out, and so are blocks of other kinds, such as keys.
    init(pem bytes: [UInt8]) {
        var begun: (line: Int, label: String, text: [UInt8])?
        for (index, line) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            let label = Self.label(line, "-----BEGIN ")
            if let label {
                if let open = begun { bad(open.line, open.label, "it has no END") }
                begun = (index + 1, label, [])
            }
            guard begun != nil else { continue }
            begun?.text.append(contentsOf: line)
            begun?.text.append(UInt8(ascii: "\n"))
            guard let open = begun, Self.label(line, "-----END ") != nil else { continue }
            take(open.line, open.label, begun?.text ?? [])
            begun = nil
        }
        if let open = begun { bad(open.line, open.label, "it has no END") }
    }

    private static let labels = ["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"]

    private mutating func take(_ line: Int, _ label: String, _ text: [UInt8]) {
        guard Self.labels.contains(label) else { return }
        guard label != "TRUSTED CERTIFICATE" else {
            return bad(line, label, "OpenSSL's own form; `openssl x509` makes a CERTIFICATE of it")
        }
        do {
            certificates.append(try NIOSSLCertificate(bytes: text, format: .pem))
        } catch {
            bad(line, label, "it is damaged")
        }
    }

    private mutating func bad(_ line: Int, _ label: String, _ reason: String) {
        if Self.labels.contains(label) { badBlocks.append(BadBlock(line: line, reason: reason)) }
    }

    /// The certificates alone, and nothing else of the file: 64 letters a line.
    public var pem: String {
        certificates.compactMap { try? $0.toDERBytes() }.map { bytes in
            let text = Data(bytes).base64EncodedString()
            let lines = stride(from: 0, to: text.utf8.count, by: 64).map { start in
                String(text.dropFirst(start).prefix(64))
            }
            return (["-----BEGIN CERTIFICATE-----"] + lines + ["-----END CERTIFICATE-----\n"]).joined(separator: "\n")
        }.joined()
    }

    private static func label(_ line: ArraySlice<UInt8>, _ start: String) -> String? {
        // No line of a block is longer, and what is before the first block may be anything.
        guard line.count <= 200 else { return nil }
        let text = String(decoding: line, as: UTF8.self)
        guard text.hasPrefix(start) else { return nil }
        let rest = text.dropFirst(start.count)
        guard let end = rest.firstRange(of: "-----") else { return nil }
        return String(rest[..<end.lowerBound])
    }

    /// What an administrator should read; nil: all is well.
    public func notice(of path: String) -> String? {
        guard let first = badBlocks.first else { return nil }
        let more = badBlocks.count == 1 ? "" : " (and \(badBlocks.count - 1) more)"
        return "\(path) has a block that is no certificate, \(first)\(more): the other \(certificates.count) are used"
    }
}
