// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@testable import Ethereum

@Suite("Keystores and password files as other programs write them")
struct KeystoreFormTests {
    private func open(_ file: String, _ password: String = "correct horse") throws(KeyError) -> PrivateKey {
        try Keystore.open(Array(file.utf8), password: Array(password.utf8))
    }

    @Test("every program's form", arguments: KeystoreFixtures.ours)
    func forms(_ fixture: (form: String, password: String, file: String)) throws {
        #expect(Keystore.isKeystore(Array(fixture.file.utf8)))
        #expect(try open(fixture.file, fixture.password).address.checksummed == Vectors.address)
        guard !fixture.password.isEmpty else { return }
        let error = #expect(throws: KeyError.self) { try open(fixture.file, "wrong") }
        #expect(error?.code == .password)
    }

    @Test("version 1, as published", arguments: KeystoreFixtures.published)
    func first(_ fixture: (form: String, password: String, owner: String, file: String)) throws {
        #expect(try open(fixture.file, fixture.password).address.hex == "0x" + fixture.owner)
    }

    @Test("a key that was written as a number", arguments: KeystoreFixtures.short)
    func short(_ fixture: (form: String, password: String, owner: String, file: String)) throws {
        let digits = String(repeating: "0", count: 64 - fixture.owner.count) + fixture.owner
        #expect(try open(fixture.file, fixture.password).address == (try PrivateKey(hex: digits)).address)
    }

    @Test("n=2^20 r=8, which takes 1 GiB, is within the limit, and twice that is beyond it")
    func memory() {
        let derivation = Keystore.Sealed.Derivation.scrypt(n: 1 << 20, r: 8, p: 1)
        #expect(derivation.memory == Keystore.memoryLimit)
        let file = KeystoreFixtures.ours[0].file.replacingOccurrences(of: "\"n\": 4096", with: "\"n\": 2097152")
        let error = #expect(throws: KeyError.self) { try open(file) }
        #expect(error?.code == .unsupported)
    }

    @Test(
        "what is none, or one of a kind that is not opened, says which",
        arguments: [
            (#"{"encseed":"00","ethaddr":"00","email":"a","btcaddr":"b"}"#, KeyError.Code.unsupported, "presale"),
            (
                #"{"address":"0x","encrypted":true,"locked":true,"hash":"a","private":"U2Fsd","public":"U2"}"#,
                .unsupported, "MyEtherWallet"
            ),
            (#"{"crypto":{"kdf":{"function":"scrypt"}},"version":4,"pubkey":"00"}"#, .unsupported, "version 4"),
            (#"{"Crypto":{"CipherText":"00","KeyHeader":{"Kdf":"scrypt"}},"Version":"1"}"#, .unsupported, "version 1"),
            (#"{"crypto":{},"version":3}"#, .unsupported, "cipher"),
            (#"{"crypto":1}"#, .unsupported, "version unknown"),
            ("{}", .malformed, "crypto"), (#"{"crypto":"#, .malformed, "JSON"),
            (String(repeating: "{\"a\":", count: 10_000), .malformed, "JSON"),
        ] as [(String, KeyError.Code, String)])
    func unknown(_ file: String, _ code: KeyError.Code, _ word: String) {
        let error = #expect(throws: KeyError.self) { try open(file) }
        #expect(error?.code == code && error?.message.contains(word) == true, "\(error?.message ?? "")")
    }

    @Test("numbers that no keystore has end in an error")
    func numbers() {
        let file = KeystoreFixtures.ours[0].file
        for (name, value) in [
            ("\"n\": 4096", "\"n\": 9223372036854775807"), ("\"n\": 4096", "\"n\": -4096"),
            ("\"n\": 4096", "\"n\": 1e300"),
            ("\"r\": 8", "\"r\": 4611686018427387904"), ("\"p\": 1", "\"p\": 0"), ("\"dklen\": 32", "\"dklen\": 1e12"),
        ] {
            let broken = file.replacingOccurrences(of: name, with: value)
            #expect(broken != file)
            #expect(throws: KeyError.self, "\(value)") { try open(broken) }
        }
    }

    @Test(
        "a password file's ends",
        arguments: [
            ("secret", ["secret"]), ("secret\n", ["secret", "secret\n"]), ("secret\r\n", ["secret", "secret\r\n"]),
            ("secret\nother\n", ["secret\nother", "secret", "secret\nother\n"]),
            ("secret \n", ["secret ", "secret", "secret \n"]),
            ("\u{FEFF}secret\n", ["secret", "secret\n", "\u{FEFF}secret\n"]),
            (" secret\n", [" secret", "secret", " secret\n"]),
        ])
    func passwords(_ file: String, _ passwords: [String]) {
        #expect(PasswordFile.candidates(Array(file.utf8)) == passwords.map { Array($0.utf8) })
    }

    @Test("a keystore is opened with whatever its password file's program meant")
    func passwordFiles() throws {
        let folder = NSTemporaryDirectory() + "keystores-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try SecretFile.create(folder + "/key", Array(KeystoreFixtures.ours[0].file.utf8))
        for (index, text) in ["correct horse\r\n", "correct horse\nanother\n", "correct horse  \n"].enumerated() {
            let path = folder + "/password-\(index)"
            try SecretFile.create(path, Array(text.utf8))
            #expect(
                try KeySource.file(folder + "/key").load(passwordFile: path).address.checksummed == Vectors.address)
        }
        let plain = try #require(KeystoreFixtures.ours.last)
        try SecretFile.create(folder + "/plain", Array(plain.file.utf8))
        #expect(try KeySource.file(folder + "/plain").load().address.checksummed == Vectors.address)
    }

    @Test("the worst megabyte is left in one pass, and is no keystore", arguments: JSONParserTests.worst)
    func worst(_ input: JSONParserTests.Input) {
        for text in [input.text, #"{"version":3,"crypto":"# + input.text + "}"] {
            let bytes = Array(text.utf8)
            var parser = JSONParser()
            _ = try? parser.parse(bytes)
            #expect(parser.steps <= JSONParser.worstSteps(bytes: bytes.count))
            #expect(throws: KeyError.self) { try Keystore.form(bytes) }
        }
    }
}
