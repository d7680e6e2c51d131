// SPDX-License-Identifier: GPL-3.0-or-later

internal import COpenSSL
internal import Glibc

/// A secp256k1 key in memory that is wiped when the last user lets go of it, is not written to swap, and is left out of
/// core dumps.
public final class PrivateKey: Sendable {
    public let address: Address
    private let secret: SecretBytes

    /// Takes 32 bytes.
    init(_ secret: SecretBytes) throws(KeyError) {
        guard secret.count == 32, secret.withBytes({ Secp256k1.isValid(secret: $0) }),
            let publicKey = secret.withBytes({ Secp256k1.publicKey(secret: $0) })
        else {
            throw KeyError(
                .malformed, "this is no secp256k1 private key: it has 32 bytes, not all zero, below the order")
        }
        self.secret = secret
        address = Address(publicKey: publicKey)
    }

    /// From 64 digits, with or without 0x. For tests and for keys that are in a text already; what this text's memory
    /// holds stays there.
    public convenience init(hex: String) throws(KeyError) {
        try self.init(Self.parse(Array(hex.utf8)))
    }

    /// A new one, from OpenSSL's random numbers.
    public static func generate() throws(KeyError) -> PrivateKey {
        // One in 2^128 is not valid.
        try PrivateKey(SecretBytes.random(count: 32))
    }

    /// 64 digits as bytes; white space around them is let pass.
    static func parse(_ text: [UInt8]) throws(KeyError) -> SecretBytes {
        var digits = text[...]
        let isSpace = { (byte: UInt8) in [9, 10, 13, 32].contains(byte) }
        while digits.last.map(isSpace) == true { digits.removeLast() }
        digits = digits.drop(while: isSpace)
        if digits.starts(with: "0x".utf8) { digits = digits.dropFirst(2) }
        guard digits.count == 64 else {
            throw KeyError(.malformed, "a private key has 64 hexadecimal digits, this has \(digits.count) characters")
        }
        let secret = SecretBytes(count: 32)
        let first = digits.startIndex
        for index in 0..<32 {
            guard let high = Hex.value(digits[first + 2 * index]), let low = Hex.value(digits[first + 2 * index + 1])
            else { throw KeyError(.malformed, "a private key has hexadecimal digits only") }
            secret.set(index, high << 4 | low)
        }
        return secret
    }

    func sign(hash: Hash32) throws(KeyError) -> Signature {
        guard let signature = secret.withBytes({ Secp256k1.sign(hash, secret: $0) }) else {
            throw KeyError(.failed, "libsecp256k1 could not sign")
        }
        return signature
    }

    /// For writing a keystore.
    func withSecret<Answer>(_ body: (UnsafeBufferPointer<UInt8>) throws -> Answer) rethrows -> Answer {
        try secret.withBytes { try body(UnsafeBufferPointer(start: $0, count: secret.count)) }
    }
}

/// Bytes in pages of their own that are locked in memory, left out of core dumps, and wiped at the end.
final class SecretBytes: @unchecked Sendable {
    // Written by its maker only, before it is handed on.
    private let memory: UnsafeMutablePointer<UInt8>
    private let mapped: Int
    let count: Int

    init(count: Int) {
        self.count = count
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        mapped = max(1, (count + page - 1) / page) * page
        let pages = mmap(nil, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let pages, pages != MAP_FAILED else { preconditionFailure("no memory for a key") }
        // Both can be refused (RLIMIT_MEMLOCK): the key is then as safe as the rest of the process.
        _ = mlock(pages, mapped)
        _ = madvise(pages, mapped, MADV_DONTDUMP)
        memory = pages.assumingMemoryBound(to: UInt8.self)
    }

    static func random(count: Int) throws(KeyError) -> SecretBytes {
        let bytes = SecretBytes(count: count)
        guard RAND_bytes(bytes.memory, Int32(count)) == 1 else {
            throw KeyError(.failed, "OpenSSL has no random bytes")
        }
        return bytes
    }

    deinit {
        OPENSSL_cleanse(memory, mapped)
        munmap(memory, mapped)
    }

    func set(_ index: Int, _ byte: UInt8) {
        precondition(index < count)
        memory[index] = byte
    }

    func withBytes<Answer>(_ body: (UnsafePointer<UInt8>) throws -> Answer) rethrows -> Answer {
        try body(memory)
    }

    func withMutableBytes<Answer>(_ body: (UnsafeMutablePointer<UInt8>) throws -> Answer) rethrows -> Answer {
        try body(memory)
    }
}

/// Overwrites what a secret was read into.
func wipe(_ bytes: inout [UInt8]) {
    bytes.withUnsafeMutableBytes { buffer in
        if let start = buffer.baseAddress { OPENSSL_cleanse(start, buffer.count) }
    }
    bytes = []
}
