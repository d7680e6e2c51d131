// SPDX-License-Identifier: GPL-3.0-or-later

public import BigInt

/// JSON-RPC's QUANTITY: `0x` and hexadecimal digits without leading zeros, zero as `0x0`.
public enum Quantity {
    public static func encode(_ value: BigUInt) -> String {
        "0x" + String(value, radix: 16)
    }

    public static func encode(_ value: UInt64) -> String {
        "0x" + String(value, radix: 16)
    }

    /// At most 256 bits. Leading zeros are let pass: some nodes write them.
    public static func decode(_ text: String) -> BigUInt? {
        guard text.hasPrefix("0x"), text.utf8.count > 2, text.utf8.count <= 66,
            text.utf8.dropFirst(2).allSatisfy({ Hex.value($0) != nil })
        else { return nil }
        return BigUInt(text.dropFirst(2), radix: 16)
    }

    /// The largest number of blocks, transactions, seconds or gas that is believed: 2^53, beyond any chain's, and far enough
    /// from the end of 64 bits that sums of some do not overflow.
    public static let limit: UInt64 = 1 << 53

    /// At most `limit`: every count that a node tells.
    public static func decode53(_ text: String) -> UInt64? {
        decode64(text).flatMap { $0 <= limit ? $0 : nil }
    }

    public static func decode64(_ text: String) -> UInt64? {
        decode(text).flatMap { UInt64(exactly: $0) }
    }
}

extension BigUInt {
    /// 32 bytes, big endian; nil when it does not fit.
    var word: [UInt8]? {
        let bytes = serialize()
        guard bytes.count <= 32 else { return nil }
        return [UInt8](repeating: 0, count: 32 - bytes.count) + bytes
    }
}
