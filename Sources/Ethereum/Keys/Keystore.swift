// SPDX-License-Identifier: GPL-3.0-or-later

internal import COpenSSL
internal import FoundationEssentials

/// Web3 Secret Storage version 3: a key behind a password, in JSON. Sealed by AES-128-CTR with a key from scrypt or
/// PBKDF2, both OpenSSL's.
public enum Keystore {
    private struct Document: Codable {
        struct Crypto: Codable {
            struct CipherParameters: Codable { var iv: String }
            struct KDFParameters: Codable {
                var dklen: Int
                var salt: String
                var n: Int?
                var r: Int?
                var p: Int?
                var c: Int?
                var prf: String?
            }

            var cipher: String
            var ciphertext: String
            var cipherparams: CipherParameters
            var kdf: String
            var kdfparams: KDFParameters
            var mac: String
        }

        var version: Int
        var id: String?
        var address: String?
        var crypto: Crypto
    }

    /// OpenSSL may take this much for scrypt; n=262144 r=8 takes 256 MiB.
    private static let memoryLimit: UInt64 = 1 << 30
    private static let iterationLimit = 50_000_000

    /// Looks like a keystore, not like a bare key.
    static func isKeystore(_ content: [UInt8]) -> Bool {
        content.first { ![9, 10, 13, 32].contains($0) } == UInt8(ascii: "{")
    }

    /// Takes about a second of processor time, as whoever made the keystore chose.
    public static func open(_ content: [UInt8], password: [UInt8]) throws(KeyError) -> PrivateKey {
        let document = try parse(content)
        guard let ciphertext = Hex.decode(document.crypto.ciphertext), ciphertext.count == 32,
            let iv = Hex.decode(document.crypto.cipherparams.iv), iv.count == 16,
            let mac = Hex.decode(document.crypto.mac)
        else { throw KeyError(.malformed, "keystore: ciphertext, iv or mac are not as long as they must be") }
        let derived = try derive(document.crypto, password: password)
        let expected = derived.withBytes {
            Keccak256.hash(Array(UnsafeBufferPointer(start: $0 + 16, count: 16)) + ciphertext)
        }
        guard mac.count == 32, CRYPTO_memcmp(mac, expected.bytes, 32) == 0 else {
            throw KeyError(.password, "keystore: wrong password, or the file is damaged")
        }
        let secret = SecretBytes(count: 32)
        try crypt(ciphertext, key: derived, iv: iv, into: secret)
        let key = try PrivateKey(secret)
        if let named = document.address, let bytes = Hex.decode(named), bytes != key.address.bytes {
            throw KeyError(.malformed, "keystore: says 0x\(Hex.encode(bytes)), its key is \(key.address)")
        }
        return key
    }

    /// By scrypt with n=262144, r=8, p=1, as geth does.
    public static func seal(_ key: PrivateKey, password: [UInt8]) throws(KeyError) -> [UInt8] {
        let salt = try SecretBytes.random(count: 32), iv = try SecretBytes.random(count: 16)
        func hex(_ bytes: SecretBytes) -> String {
            bytes.withBytes { Hex.encode(UnsafeBufferPointer(start: $0, count: bytes.count)) }
        }
        var crypto = Document.Crypto(
            cipher: "aes-128-ctr", ciphertext: "", cipherparams: .init(iv: hex(iv)), kdf: "scrypt",
            kdfparams: .init(dklen: 32, salt: hex(salt), n: 262_144, r: 8, p: 1), mac: "")
        let derived = try derive(crypto, password: password)
        let sealed = SecretBytes(count: 32)
        var plain = key.withSecret(Array.init)
        defer { wipe(&plain) }
        try crypt(plain, key: derived, iv: Hex.decode(crypto.cipherparams.iv) ?? [], into: sealed)
        crypto.ciphertext = hex(sealed)
        let ciphertext = Hex.decode(crypto.ciphertext) ?? []
        crypto.mac = derived.withBytes {
            Hex.encode(Keccak256.hash(Array(UnsafeBufferPointer(start: $0 + 16, count: 16)) + ciphertext).bytes)
        }
        let document = Document(
            version: 3, id: UUID().uuidString.lowercased(), address: Hex.encode(key.address.bytes), crypto: crypto)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        guard let json = try? encoder.encode(document) else { throw KeyError(.failed, "keystore: no JSON") }
        return Array(json) + [10]
    }

    private static func parse(_ content: [UInt8]) throws(KeyError) -> Document {
        let document: Document
        do {
            document = try JSONDecoder().decode(Document.self, from: Data(content))
        } catch {
            throw KeyError(.malformed, "keystore: not the JSON of a version 3 keystore")
        }
        guard document.version == 3 else {
            throw KeyError(.unsupported, "keystore: version \(document.version), only version 3 can be opened")
        }
        guard document.crypto.cipher == "aes-128-ctr" else {
            throw KeyError(
                .unsupported, "keystore: its cipher is \(document.crypto.cipher), only aes-128-ctr can be opened")
        }
        return document
    }

    private static func derive(_ crypto: Document.Crypto, password: [UInt8]) throws(KeyError) -> SecretBytes {
        let parameters = crypto.kdfparams
        guard (32...64).contains(parameters.dklen), let salt = Hex.decode(parameters.salt), salt.count <= 1024 else {
            throw KeyError(.malformed, "keystore: dklen or salt out of range")
        }
        let derived = SecretBytes(count: parameters.dklen)
        let characters = password.map { CChar(bitPattern: $0) }
        switch crypto.kdf {
        case "scrypt":
            guard let n = parameters.n, let r = parameters.r, let p = parameters.p, n > 1, n & (n - 1) == 0,
                n <= 1 << 24, (1...64).contains(r), (1...64).contains(p)
            else { throw KeyError(.malformed, "keystore: scrypt's n, r or p out of range") }
            // RFC 7914 section 6 asks for n < 2^(128 r / 8); OpenSSL insists.
            guard n.trailingZeroBitCount < 16 * r else {
                throw KeyError(
                    .unsupported,
                    "keystore: scrypt with n=\(n) r=\(r) breaks RFC 7914's rule n < 2^(16r), OpenSSL refuses it: open it "
                        + "with the wallet that made it, and export it anew with r=8")
            }
            guard UInt64(n) * UInt64(r) * 128 + UInt64(r * p) * 128 < memoryLimit else {
                throw KeyError(.unsupported, "keystore: scrypt with n=\(n) r=\(r) takes more than 1 GiB of memory")
            }
            let done = derived.withMutableBytes {
                EVP_PBE_scrypt(
                    characters, characters.count, salt, salt.count, UInt64(n), UInt64(r), UInt64(p),
                    memoryLimit + (1 << 20),
                    $0, parameters.dklen)
            }
            guard done == 1 else { throw KeyError(.failed, "keystore: OpenSSL could not run scrypt") }
        case "pbkdf2":
            guard parameters.prf == "hmac-sha256", let rounds = parameters.c, (1...iterationLimit).contains(rounds)
            else {
                throw KeyError(.malformed, "keystore: pbkdf2's prf must be hmac-sha256, c 1 to \(iterationLimit)")
            }
            let done = derived.withMutableBytes {
                PKCS5_PBKDF2_HMAC(
                    characters, Int32(characters.count), salt, Int32(salt.count), Int32(rounds), EVP_sha256(),
                    Int32(parameters.dklen), $0)
            }
            guard done == 1 else { throw KeyError(.failed, "keystore: OpenSSL could not run pbkdf2") }
        default:
            throw KeyError(.unsupported, "keystore: its kdf is \(crypto.kdf), only scrypt and pbkdf2 can be opened")
        }
        return derived
    }

    /// AES-128-CTR, the same both ways.
    private static func crypt(_ input: [UInt8], key: SecretBytes, iv: [UInt8], into output: SecretBytes)
        throws(KeyError)
    {
        guard let context = EVP_CIPHER_CTX_new() else { throw KeyError(.failed, "keystore: OpenSSL has no memory") }
        defer { EVP_CIPHER_CTX_free(context) }
        var written: Int32 = 0
        let done = key.withBytes { key in
            output.withMutableBytes { output in
                EVP_EncryptInit_ex(context, EVP_aes_128_ctr(), nil, key, iv) == 1
                    && EVP_EncryptUpdate(context, output, &written, input, Int32(input.count)) == 1
            }
        }
        guard done, written == 32 else { throw KeyError(.failed, "keystore: OpenSSL could not run AES") }
    }
}
