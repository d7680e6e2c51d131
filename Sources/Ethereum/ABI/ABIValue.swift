// SPDX-License-Identifier: GPL-3.0-or-later

public import BigInt

/// A value of the contract ABI.
public enum ABIValue: Hashable, Sendable {
    case uint(BigUInt)
    case int(BigInt)
    case address(Address)
    case bool(Bool)
    /// bytes1 … bytes32, by their count.
    case fixedBytes([UInt8])
    case bytes([UInt8])
    /// What a contract gives as string may be any bytes; those that are no UTF-8 come as U+FFFD.
    case string(String)
    case array([ABIValue])
    case tuple([ABIValue])

    public static func uint64(_ value: UInt64) -> ABIValue { .uint(BigUInt(value)) }
    public static func int64(_ value: Int64) -> ABIValue { .int(BigInt(value)) }
    public static func hash(_ value: Hash32) -> ABIValue { .fixedBytes(value.bytes) }

    public var uint: BigUInt? { if case .uint(let value) = self { value } else { nil } }
    public var uint64: UInt64? { uint.flatMap { UInt64(exactly: $0) } }
    public var int: BigInt? { if case .int(let value) = self { value } else { nil } }
    public var address: Address? { if case .address(let value) = self { value } else { nil } }
    public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    public var string: String? { if case .string(let value) = self { value } else { nil } }
    public var hash: Hash32? { if case .fixedBytes(let value) = self, value.count == 32 { Hash32(value) } else { nil } }
    public var bytes: [UInt8]? {
        switch self {
        case .bytes(let value), .fixedBytes(let value): value
        default: nil
        }
    }
    /// Of an array or a tuple.
    public var members: [ABIValue]? {
        switch self {
        case .array(let values), .tuple(let values): values
        default: nil
        }
    }
}
