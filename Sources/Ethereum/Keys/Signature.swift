// SPDX-License-Identifier: GPL-3.0-or-later

internal import BigInt

/// A recoverable ECDSA signature.
public struct Signature: Hashable, Sendable {
    /// 32 bytes, big endian.
    public let r: [UInt8]
    /// 32 bytes, big endian.
    public let s: [UInt8]
    /// Which of the possible public keys: 0 or 1 (2 and 3 are possible in theory only).
    public let parity: UInt8

    init(r: [UInt8], s: [UInt8], parity: UInt8) {
        self.r = r
        self.s = s
        self.parity = parity
    }

    /// 65 bytes: r, s, and v as 0, 1, 27 or 28.
    public init?(bytes: [UInt8]) {
        guard bytes.count == 65, let v = bytes.last else { return nil }
        let parity = v >= 27 ? v - 27 : v
        guard parity <= 1 else { return nil }
        self.init(r: Array(bytes[..<32]), s: Array(bytes[32..<64]), parity: parity)
    }

    /// r, s, and v as 27 or 28: what `eth_sign` and `personal_sign` give.
    public var bytes: [UInt8] { r + s + [parity + 27] }

    private static let halfOrder = BigUInt(
        wordData: Hex.decode("7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0") ?? [])

    /// EIP-2: the higher s of a signature is refused by every node.
    var hasLowS: Bool { BigUInt(wordData: s) <= Self.halfOrder }

    /// Whose signature of `hash` it is; nil when of nobody.
    public func signer(of hash: Hash32) -> Address? {
        Secp256k1.recover(self, of: hash).map { Address(publicKey: $0) }
    }
}

/// EIP-191, version 0x45: text signed by an account, that can never be a transaction.
public enum PersonalMessage {
    public static func hash(_ message: [UInt8]) -> Hash32 {
        Keccak256.hash(Array("\u{19}Ethereum Signed Message:\n\(message.count)".utf8) + message)
    }
}
