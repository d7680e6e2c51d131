// SPDX-License-Identifier: GPL-3.0-or-later

internal import COpenSSL
internal import FoundationEssentials

/// Web3 Secret Storage: a key behind a password, in JSON. Written as version 3, sealed by AES-128-CTR with a key from scrypt;
/// read as other programs have written it (`Keystore+Forms.swift`). Ciphers and derivation are OpenSSL's.
public enum Keystore {
    /// As it is written.
    private struct Document: Encodable {
        struct Crypto: Encodable {
            struct CipherParameters: Encodable { var iv: String }
            struct KDFParameters: Encodable {
                var dklen = 32
                var salt: String
                var n: Int
                var r: Int
                var p: Int
            }

            var cipher = "aes-128-ctr"
            var ciphertext: String
            var cipherparams: CipherParameters
            var kdf = "scrypt"
            var kdfparams: KDFParameters
            var mac: String
        }

        var version = 3
        var id: String
        var address: String
        var crypto: Crypto
    }

    /// OpenSSL may take this much for scrypt, and a little more; n=262144 r=8 takes 256 MiB.
    static let memoryLimit: UInt64 = 1 << 30
    private static let memoryBeside: UInt64 = 16 << 20
    private static let iterationLimit = 50_000_000

    /// Looks like a keystore, not like a bare key.
    static func isKeystore(_ content: [UInt8]) -> Bool {
        withoutMark(content).first { ![9, 10, 13, 32].contains($0) } == UInt8(ascii: "{")
    }

    /// Whether a password opens it, or none is needed.
    static func needsPassword(_ content: [UInt8]) -> Bool {
        if case .plain? = try? form(content) { false } else { true }
    }

    /// Takes about a second of processor time, as whoever made the keystore chose.
    public static func open(_ content: [UInt8], password: [UInt8]) throws(KeyError) -> PrivateKey {
        switch try form(content) {
        case .plain(let digits): return try PrivateKey(PrivateKey.parse(Array(digits.utf8)))
        case .sealed(let sealed): return try open(sealed, password: password)
        }
    }

    private static func open(_ sealed: Sealed, password: [UInt8]) throws(KeyError) -> PrivateKey {
        let derived = try derive(sealed, password: password)
        let expected = derived.withBytes {
            Keccak256.hash(Array(UnsafeBufferPointer(start: $0 + 16, count: 16)) + sealed.ciphertext)
        }
        guard sealed.mac.count == 32, CRYPTO_memcmp(sealed.mac, expected.bytes, 32) == 0 else {
            throw KeyError(.password, "keystore: wrong password, or the file is damaged")
        }
        let plain = SecretBytes(count: 64)
        let count: Int
        switch sealed.cipher {
        case .ctr:
            count = try crypt(sealed.ciphertext, EVP_aes_128_ctr(), key: derived, iv: sealed.iv, into: plain)
        case .cbc:
            let key = SecretBytes(count: 32)
            var hash = derived.withBytes { Keccak256.hash(UnsafeBufferPointer(start: $0, count: 16)).bytes }
            defer { wipe(&hash) }
            for (index, byte) in hash.enumerated() { key.set(index, byte) }
            count = try decryptBlocks(sealed.ciphertext, key: key, iv: sealed.iv, into: plain)
        }
        let key = try PrivateKey(number(plain, count))
        if let named = sealed.address, named != key.address.bytes {
            throw KeyError(.malformed, "keystore: says 0x\(Hex.encode(named.prefix(20))), its key is \(key.address)")
        }
        return key
    }

    /// Some programs wrote the key as a number: without leading zeros, or with one more.
    private static func number(_ plain: SecretBytes, _ count: Int) throws(KeyError) -> SecretBytes {
        let secret = SecretBytes(count: 32)
        let isLong = count == 33 && plain.withBytes { $0[0] == 0 }
        guard (1...32).contains(count) || isLong else {
            throw KeyError(.malformed, "keystore: holds \(count) bytes, a key has 32")
        }
        plain.withBytes { bytes in
            for index in 0..<min(32, count) { secret.set(31 - index, bytes[count - 1 - index]) }
        }
        return secret
    }

    /// By scrypt with n=262144, r=8, p=1, as geth does.
    public static func seal(_ key: PrivateKey, password: [UInt8]) throws(KeyError) -> [UInt8] {
        let salt = try SecretBytes.random(count: 32), iv = try SecretBytes.random(count: 16)
        func hex(_ bytes: SecretBytes) -> String {
            bytes.withBytes { Hex.encode(UnsafeBufferPointer(start: $0, count: bytes.count)) }
        }
        var sealed = Sealed(
            cipher: .ctr, ciphertext: [], iv: iv.withBytes { Array(UnsafeBufferPointer(start: $0, count: 16)) },
            mac: [],
            derivation: .scrypt(n: 262_144, r: 8, p: 1),
            salt: salt.withBytes { Array(UnsafeBufferPointer(start: $0, count: 32)) }, keyLength: 32)
        let derived = try derive(sealed, password: password)
        let cipher = SecretBytes(count: 64)
        var plain = key.withSecret(Array.init)
        defer { wipe(&plain) }
        let count = try crypt(plain, EVP_aes_128_ctr(), key: derived, iv: sealed.iv, into: cipher)
        sealed.ciphertext = cipher.withBytes { Array(UnsafeBufferPointer(start: $0, count: count)) }
        sealed.mac = derived.withBytes {
            Keccak256.hash(Array(UnsafeBufferPointer(start: $0 + 16, count: 16)) + sealed.ciphertext).bytes
        }
        let document = Document(
            id: UUID().uuidString.lowercased(), address: Hex.encode(key.address.bytes),
            crypto: .init(
                ciphertext: Hex.encode(sealed.ciphertext), cipherparams: .init(iv: hex(iv)),
                kdfparams: .init(salt: hex(salt), n: 262_144, r: 8, p: 1), mac: Hex.encode(sealed.mac)))
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        guard let json = try? encoder.encode(document) else { throw KeyError(.failed, "keystore: no JSON") }
        return Array(json) + [10]
    }

    private static func derive(_ sealed: Sealed, password: [UInt8]) throws(KeyError) -> SecretBytes {
        let derived = SecretBytes(count: sealed.keyLength)
        let characters = password.map { CChar(bitPattern: $0) }
        let salt = sealed.salt
        switch sealed.derivation {
        case .scrypt(let n, let r, let p):
            guard let memory = sealed.derivation.memory, n & (n - 1) == 0, (1...64).contains(p) else {
                throw KeyError(.malformed, "keystore: scrypt's n, r or p out of range")
            }
            // RFC 7914 section 6 asks for n < 2^(128 r / 8); OpenSSL insists.
            guard n.trailingZeroBitCount < 16 * r else {
                throw KeyError(
                    .unsupported,
                    "keystore: scrypt with n=\(n) r=\(r) breaks RFC 7914's rule n < 2^(16r), OpenSSL refuses it: open it "
                        + "with the wallet that made it, and export it again with r=8")
            }
            guard memory <= memoryLimit else {
                throw KeyError(.unsupported, "keystore: scrypt with n=\(n) r=\(r) takes more than 1 GiB of memory")
            }
            let done = derived.withMutableBytes {
                EVP_PBE_scrypt(
                    characters, characters.count, salt, salt.count, UInt64(n), UInt64(r), UInt64(p),
                    memoryLimit + memoryBeside, $0, sealed.keyLength)
            }
            guard done == 1 else {
                throw KeyError(
                    .failed,
                    "keystore: OpenSSL could not run scrypt with n=\(n) r=\(r), which takes \(memory >> 20) MiB of memory"
                )
            }
        case .pbkdf2(let rounds, let isSHA512):
            guard (1...iterationLimit).contains(rounds) else {
                throw KeyError(.malformed, "keystore: pbkdf2's c must be 1 to \(iterationLimit)")
            }
            let done = derived.withMutableBytes {
                PKCS5_PBKDF2_HMAC(
                    characters, Int32(characters.count), salt, Int32(salt.count), Int32(rounds),
                    isSHA512 ? EVP_sha512() : EVP_sha256(), Int32(sealed.keyLength), $0)
            }
            guard done == 1 else { throw KeyError(.failed, "keystore: OpenSSL could not run pbkdf2") }
        }
        return derived
    }

    /// AES-128-CTR, the same both ways.
    /// - Returns: how many bytes there are.
    private static func crypt(
        _ input: [UInt8], _ cipher: OpaquePointer?, key: SecretBytes, iv: [UInt8], into output: SecretBytes
    ) throws(KeyError) -> Int {
        precondition(input.count <= output.count)
        guard let context = EVP_CIPHER_CTX_new() else { throw KeyError(.failed, "keystore: OpenSSL has no memory") }
        defer { EVP_CIPHER_CTX_free(context) }
        var written: Int32 = 0
        let done = key.withBytes { key in
            output.withMutableBytes { output in
                EVP_EncryptInit_ex(context, cipher, nil, key, iv) == 1
                    && EVP_EncryptUpdate(context, output, &written, input, Int32(input.count)) == 1
            }
        }
        guard done, Int(written) == input.count else { throw KeyError(.failed, "keystore: OpenSSL could not run AES") }
        return Int(written)
    }

    /// AES-128-CBC with PKCS #7's padding.
    private static func decryptBlocks(
        _ input: [UInt8], key: SecretBytes, iv: [UInt8], into output: SecretBytes
    ) throws(KeyError) -> Int {
        precondition(input.count + 16 <= output.count)
        guard let context = EVP_CIPHER_CTX_new() else { throw KeyError(.failed, "keystore: OpenSSL has no memory") }
        defer { EVP_CIPHER_CTX_free(context) }
        var written: Int32 = 0
        var rest: Int32 = 0
        let done = key.withBytes { key in
            output.withMutableBytes { output in
                EVP_DecryptInit_ex(context, EVP_aes_128_cbc(), nil, key, iv) == 1
                    && EVP_DecryptUpdate(context, output, &written, input, Int32(input.count)) == 1
                    && EVP_DecryptFinal_ex(context, output + Int(written), &rest) == 1
            }
        }
        guard done else { throw KeyError(.failed, "keystore: OpenSSL could not run AES, or the padding is wrong") }
        return Int(written + rest)
    }
}
