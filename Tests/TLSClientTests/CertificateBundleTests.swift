// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import TestCertificates
import Testing

@testable import TLSClient

@Suite("Certificates of a PEM file")
struct CertificateBundleTests {
    static let good = Certificates.authority
    static let other = Certificates.p256.certificate
    static let damaged = good.replacingOccurrences(of: "MII", with: "MIX")

    struct Case: CustomTestStringConvertible {
        var testDescription: String
        var text: String
        var certificates: Int
        var bad: [String] = []
    }

    static let cases = [
        Case(testDescription: "one", text: good, certificates: 1),
        Case(testDescription: "two, with words between", text: "a\n\(good)\nb -----\n\(other)\nc", certificates: 2),
        Case(
            testDescription: "a damaged one between two", text: "\(good)\n\(damaged)\n\(other)", certificates: 2,
            bad: ["line \(good.split(separator: "\n").count + 1): it is damaged"]),
        Case(
            testDescription: "no Base64",
            text: "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n\(good)", certificates: 1,
            bad: ["line 1: it is damaged"]),
        Case(
            testDescription: "empty", text: "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n\(good)",
            certificates: 1, bad: ["line 1: it is damaged"]),
        Case(
            testDescription: "cut off",
            text: "\(good)\n" + good.split(separator: "\n").dropLast(3).joined(separator: "\n"),
            certificates: 1, bad: ["line \(good.split(separator: "\n").count + 1): it has no END"]),
        Case(
            testDescription: "cut off before another",
            text: good.split(separator: "\n").dropLast(3).joined(separator: "\n") + "\n\(good)",
            certificates: 1, bad: ["line 1: it has no END"]),
        Case(testDescription: "a key is left out", text: "\(Certificates.p256.key)\n\(good)", certificates: 1),
        Case(
            testDescription: "OpenSSL's own form",
            text: good.replacingOccurrences(of: " CERTIFICATE", with: " TRUSTED CERTIFICATE") + "\n\(other)",
            certificates: 1,
            bad: ["line 1: OpenSSL's own form; `openssl x509` makes a CERTIFICATE of it"]),
        Case(
            testDescription: "Windows line ends", text: good.replacingOccurrences(of: "\n", with: "\r\n"),
            certificates: 1),
        Case(testDescription: "nothing", text: "", certificates: 0),
        Case(testDescription: "no PEM", text: String(repeating: "-----BEGIN ", count: 1000), certificates: 0),
    ]

    @Test("blocks", arguments: cases)
    func blocks(_ row: Case) {
        let bundle = CertificateBundle(pem: Array(row.text.utf8))
        #expect(bundle.certificates.count == row.certificates)
        #expect(bundle.badBlocks.map(\.description) == row.bad)
    }

    @Test("a file: what is told of it, and one that is of no use")
    func files() throws {
        let path = FileManager.default.temporaryDirectory.path + "/bundle-\(UUID().uuidString).pem"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data("\(Self.damaged)\n\(Self.good)\n\(Self.damaged)".utf8).write(to: URL(fileURLWithPath: path))
        let bundle = try CertificateBundle(path: path)
        #expect(
            bundle.notice(of: "x")
                == "x has a block that is no certificate, line 1: it is damaged (and 1 more): the other 1 are used")
        #expect(TLSClient.notice(authority: path) == bundle.notice(of: path))
        _ = try TLSClient(authority: path)
        try Data(Self.damaged.utf8).write(to: URL(fileURLWithPath: path))
        #expect(throws: TLSClientError.self) { try TLSClient(authority: path) }
        #expect(throws: TLSClientError.self) { try CertificateBundle(path: "/nonexistent") }
        #expect(throws: TLSClientError.self) { try CertificateBundle(path: "/dev/zero") }
        try Data(Self.good.utf8).write(to: URL(fileURLWithPath: path))
        #expect(TLSClient.notice(authority: path) == nil)
    }
}
