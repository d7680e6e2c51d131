// SPDX-License-Identifier: GPL-3.0-or-later

import BigInt
import Foundation
import NIOConcurrencyHelpers
import Testing

@testable import Ethereum

@Suite("Keys")
struct KeyTests {
    private static func claim(nonce: UInt64, fee: Fee) throws -> UnsignedTransaction {
        UnsignedTransaction(
            chainID: 1337, nonce: nonce, recipient: try #require(Address(hex: Vectors.contract)),
            data: try ABIFunction("claimNextJob()").call(), gasLimit: 500_000, fee: fee)
    }

    @Test("signed transactions, byte for byte")
    func transactions() async throws {
        let signer = LocalSigner(try PrivateKey(hex: Vectors.key))
        #expect(signer.address.checksummed == Vectors.address)
        var status = try Self.claim(nonce: 7, fee: .legacy(price: 3_000_000_000))
        status.gasLimit = 20_000_000
        status.data = try #require(Hex.decode(Vectors.statusCalldata))
        let claim = try Self.claim(nonce: 8, fee: .legacy(price: 3_000_000_000))
        let dynamic = try Self.claim(nonce: 8, fee: .dynamic(tip: 1_000_000_000, cap: 3_000_000_000))
        for (unsigned, raw, hash) in [
            (status, Vectors.legacyStatus, Vectors.legacyStatusHash),
            (claim, Vectors.legacyClaim, Vectors.legacyClaimHash),
            (dynamic, Vectors.dynamicClaim, Vectors.dynamicClaimHash),
        ] {
            let signed = try await signer.sign(unsigned)
            #expect(Hex.data(signed.raw) == raw)
            #expect(signed.hash.description == hash)
            let read = try SignedTransaction(decoding: signed.raw)
            #expect(read == signed)
            #expect(read.sender == signer.address)
        }
    }

    @Test("EIP-191 messages")
    func messages() async throws {
        let signer = LocalSigner(try PrivateKey(hex: Vectors.key))
        let signature = try await signer.sign(message: Array("hello".utf8))
        #expect(
            Hex.encode(signature.bytes)
                == "a5d58782075bdf09490159d634d1aae66a8f6777c7247d2f233e9511cfd7c64c34f288cdbcea5370e4863fdbe9f4d86654c2ba1d86589e9ebb64494c649008591b"
        )
        #expect(
            Hex.encode(try await signer.sign(message: [UInt8](repeating: 0, count: 200)).bytes)
                == "91e230a28638d196c2aa81c648e6452b74f2da6468eac175d2706f01645faadc534ee20fb0aa4b7c34141c2b27c8cb23976d37b4261df6dfa25367ce4e0300241b"
        )
        #expect(signature.signer(of: PersonalMessage.hash(Array("hello".utf8))) == signer.address)
        #expect(Signature(bytes: signature.bytes) == signature)
        #expect(signature.hasLowS)
    }

    @Test(
        "no private keys",
        arguments: [
            "", "0x12", String(repeating: "0", count: 64), String(repeating: "f", count: 64),
            String(repeating: "g", count: 64),
        ])
    func noKey(_ text: String) {
        #expect(throws: KeyError.self) { try PrivateKey(hex: text) }
    }

    @Test("keystores: the official one, another library's, and our own, with scrypt and pbkdf2")
    func keystores() throws {
        let official = try Keystore.open(Array(Vectors.officialPBKDF2.utf8), password: Array("testpassword".utf8))
        #expect(official.address == (try PrivateKey(hex: Vectors.officialKey)).address)
        let other = try Keystore.open(Array(Vectors.keystore.utf8), password: Array("secret".utf8))
        #expect(other.address.checksummed == Vectors.address)
        let own = try Keystore.seal(other, password: Array("новый".utf8))
        #expect(try Keystore.open(own, password: Array("новый".utf8)).address == other.address)
        #expect(!String(decoding: own, as: UTF8.self).contains(Vectors.key.dropFirst(2)))
    }

    @Test("keystores that cannot be opened say why")
    func badKeystores() {
        func failure(_ text: String, _ password: String = "secret") -> KeyError? {
            do throws(KeyError) {
                _ = try Keystore.open(Array(text.utf8), password: Array(password.utf8))
                return nil
            } catch {
                return error
            }
        }
        #expect(failure(Vectors.keystore, "wrong")?.code == .password)
        #expect(failure(Vectors.officialScrypt, "testpassword")?.code == .unsupported)
        #expect(failure(Vectors.officialScrypt, "testpassword")?.message.contains("n < 2^(16r)") == true)
        #expect(failure("{}")?.code == .malformed)
        #expect(
            failure(Vectors.keystore.replacingOccurrences(of: "\"version\": 3", with: "\"version\": 1"))?.code
                == .unsupported)
        #expect(failure(Vectors.keystore.replacingOccurrences(of: "aes-128-ctr", with: "des"))?.code == .unsupported)
        #expect(
            failure(Vectors.keystore.replacingOccurrences(of: "\"scrypt\"", with: "\"argon2\""))?.code == .unsupported)
        #expect(
            failure(Vectors.keystore.replacingOccurrences(of: "\"n\": 1024", with: "\"n\": 16777216"))?.code
                == .unsupported)
        #expect(
            failure(Vectors.keystore.replacingOccurrences(of: "\"n\": 1024", with: "\"n\": 1000"))?.code == .malformed)
        #expect(failure(Vectors.keystore.replacingOccurrences(of: "2c7536E3", with: "00000000"))?.code == .malformed)
        #expect(
            failure(Vectors.officialPBKDF2.replacingOccurrences(of: "262144", with: "999999999"))?.code == .malformed)
    }

    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = NSTemporaryDirectory() + "keys-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try body(folder)
    }

    @Test("from files: only those that nobody else can read")
    func files() throws {
        try withFolder { folder in
            let path = folder + "/key", password = folder + "/password"
            try SecretFile.create(path, Array((Vectors.key + "\n").utf8))
            #expect(try KeySource.file(path).load().address.checksummed == Vectors.address)
            #expect(throws: KeyError.self) { try SecretFile.create(path, [1]) }
            for mode in [0o640, 0o604] {
                try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
                let error = #expect(throws: KeyError.self) { try KeySource.file(path).load() }
                #expect(error?.code == .exposed)
            }
            #expect(throws: KeyError.self) { try KeySource.file(folder).load() }
            #expect(throws: KeyError.self) { try KeySource.file(folder + "/none").load() }
            try FileManager.default.createSymbolicLink(atPath: folder + "/link", withDestinationPath: path)
            #expect(throws: KeyError.self) { try KeySource.file(folder + "/link").load() }

            try SecretFile.create(folder + "/store", Array(Vectors.keystore.utf8))
            try SecretFile.create(password, Array("secret\n".utf8))
            #expect(
                try KeySource.file(folder + "/store").load(passwordFile: password).address.checksummed
                    == Vectors.address)
            #expect(
                (#expect(throws: KeyError.self) { try KeySource.file(folder + "/store").load() })?.code == .password)

            // systemd gives group bits to its access lists.
            try SecretFile.create(folder + "/credential", Array(Vectors.key.utf8))
            try FileManager.default.setAttributes([.posixPermissions: 0o440], ofItemAtPath: folder + "/credential")
            #expect(
                try KeySource.credential("credential").load(credentials: folder).address.checksummed == Vectors.address)
            #expect(throws: KeyError.self) { try KeySource.credential("../key").load(credentials: folder) }
            #expect(throws: KeyError.self) { try KeySource.credential("credential").load() }
        }
    }

    @Test("a credential has two names: the file's, and the one with systemd's prefix; else what is there is told")
    func credentialNames() throws {
        let folder = NSTemporaryDirectory() + "credentials-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try SecretFile.create(folder + "/agent_chain-key", Array(Vectors.key.utf8))
        for name in ["chain-key", "agent_chain-key"] {
            #expect(try KeySource.credential(name).load(credentials: folder).address.checksummed == Vectors.address)
        }
        let error = #expect(throws: KeyError.self) { try KeySource.credential("chain.key").load(credentials: folder) }
        #expect(error?.message.contains("\"chain.key\"") == true && error?.message.contains("chain-key") == true)
        // One that a unit of the site's own hands over by itself.
        try FileManager.default.moveItem(atPath: folder + "/agent_chain-key", toPath: folder + "/provider")
        #expect(
            try KeySource.credential("agent_provider").load(credentials: folder).address.checksummed == Vectors.address)
        try FileManager.default.removeItem(atPath: folder + "/provider")
        let none = #expect(throws: KeyError.self) { try KeySource.credential("chain-key").load(credentials: folder) }
        #expect(none?.message.contains("there is none") == true)
    }

    @Test("from the environment, which then has it no more")
    func environment() async {
        // In a process of its own: other tests read this one's environment meanwhile, which setenv(3) does not stand.
        await #expect(processExitsWith: .success) {
            setenv("ETHEREUM_TEST_KEY", Vectors.key, 1)
            let place = try #require(getenv("ETHEREUM_TEST_KEY"))
            #expect(try KeySource.environment("ETHEREUM_TEST_KEY").load().address.checksummed == Vectors.address)
            #expect(getenv("ETHEREUM_TEST_KEY") == nil)
            #expect(strlen(place) == 0)
        }
    }

    /// Answers each question with what it is told.
    struct FakeTransport: RPCTransport {
        let asked = NIOLockedValueBox<[String]>([])
        let answer: @Sendable (JSONValue) -> JSONValue

        func post(
            _ body: [UInt8], to endpoint: RPCEndpoint, timeout: Duration, answerLimit: Int
        ) async throws(RPCError) -> [UInt8] {
            asked.withLockedValue { $0.append(String(decoding: body, as: UTF8.self)) }
            let question = (try? JSONValue(parsing: body)) ?? .null
            let answer = JSONValue.object([
                "jsonrpc": .string("2.0"), "id": question["id"] ?? .null, "result": answer(question),
            ])
            return (try? Array(JSONEncoder().encode(answer))) ?? []
        }
    }

    @Test("a remote signer's answer is used only when it is what was asked")
    func remote() async throws {
        let key = LocalSigner(try PrivateKey(hex: Vectors.key))
        let asked = try Self.claim(nonce: 8, fee: .dynamic(tip: 1_000_000_000, cap: 3_000_000_000))
        let good = JSONValue.string(Vectors.dynamicClaim)
        func remote(_ answer: JSONValue, address: Address? = nil) throws -> RemoteSigner {
            RemoteSigner(
                endpoint: try RPCEndpoint(http: "http://127.0.0.1:9000"), address: address ?? key.address,
                transport: FakeTransport { _ in answer })
        }
        #expect(try await remote(good).sign(asked).hash.description == Vectors.dynamicClaimHash)
        #expect(
            try await remote(.object(["raw": good, "tx": .null])).sign(asked).hash.description
                == Vectors.dynamicClaimHash)
        var other = asked
        other.nonce = 9
        for (answer, address) in [
            (JSONValue.null, nil), (.string("0x1234"), nil), (.string(Vectors.legacyClaim), nil),
            (.string(Hex.data(try await key.sign(other).raw)), nil), (good, Address.zero),
        ] as [(JSONValue, Address?)] {
            let signer = try remote(answer, address: address)
            let error = await #expect(throws: KeyError.self) { try await signer.sign(asked) }
            #expect(error?.code == .wrongAnswer)
        }
        let message = try await key.sign(message: [1, 2, 3])
        #expect(try await remote(.string(Hex.data(message.bytes))).sign(message: [1, 2, 3]) == message)
        await #expect(throws: KeyError.self) {
            try await remote(.string(Hex.data(message.bytes))).sign(message: [1, 2])
        }
    }
}
