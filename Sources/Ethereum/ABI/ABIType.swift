// SPDX-License-Identifier: GPL-3.0-or-later

/// A type of the contract ABI (Solidity's "Contract ABI Specification").
public indirect enum ABIType: Hashable, Sendable, CustomStringConvertible {
    /// uint8 … uint256, by bits.
    case uint(Int)
    /// int8 … int256, by bits.
    case int(Int)
    case address
    case bool
    /// bytes1 … bytes32.
    case fixedBytes(Int)
    case bytes
    case string
    /// `T[]`
    case array(ABIType)
    /// `T[n]`
    case fixedArray(ABIType, Int)
    case tuple([ABIType])

    /// The form that selectors and topics hash.
    public var description: String {
        switch self {
        case .uint(let bits): "uint\(bits)"
        case .int(let bits): "int\(bits)"
        case .address: "address"
        case .bool: "bool"
        case .fixedBytes(let count): "bytes\(count)"
        case .bytes: "bytes"
        case .string: "string"
        case .array(let element): "\(element)[]"
        case .fixedArray(let element, let count): "\(element)[\(count)]"
        case .tuple(let members): "(" + members.map(\.description).joined(separator: ",") + ")"
        }
    }

    /// Stands elsewhere, behind an offset.
    var isDynamic: Bool {
        switch self {
        case .bytes, .string, .array: true
        case .fixedArray(let element, _): element.isDynamic
        case .tuple(let members): members.contains(where: \.isDynamic)
        case .uint, .int, .address, .bool, .fixedBytes: false
        }
    }

    /// Bytes in the place where a value of it stands; 32, the offset, for a dynamic one.
    var headSize: Int {
        if isDynamic { return 32 }
        return switch self {
        case .fixedArray(let element, let count): element.headSize * count
        case .tuple(let members): members.reduce(0) { $0 + $1.headSize }
        default: 32
        }
    }
}

/// A signature that cannot be read, a value that does not fit its type, or bytes that are no encoding of it.
public struct ABIError: Error, Hashable, Sendable, CustomStringConvertible {
    public var description: String
}
