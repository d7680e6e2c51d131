// SPDX-License-Identifier: GPL-3.0-or-later

public import BigInt

/// Recursive length prefix, the encoding of transactions and blocks (Yellow Paper, appendix B).
public enum RLP: Hashable, Sendable {
    case bytes([UInt8])
    case list([RLP])

    /// Bytes that are no RLP, or not the one right encoding of what they mean.
    public struct Malformed: Error, Hashable, CustomStringConvertible {
        public var description: String
    }

    /// A whole number: big endian without leading zeros, zero as no bytes.
    public static func number(_ value: BigUInt) -> RLP {
        .bytes(Array(value.serialize().drop { $0 == 0 }))
    }

    public static func number(_ value: UInt64) -> RLP {
        .number(BigUInt(value))
    }

    // MARK: encoding

    public var encoded: [UInt8] {
        switch self {
        case .bytes(let bytes) where bytes.count == 1 && bytes[0] < 0x80:
            return bytes
        case .bytes(let bytes):
            return Self.header(bytes.count, base: 0x80) + bytes
        case .list(let items):
            let body = items.flatMap(\.encoded)
            return Self.header(body.count, base: 0xC0) + body
        }
    }

    private static func header(_ count: Int, base: UInt8) -> [UInt8] {
        if count < 56 { return [base + UInt8(count)] }
        let length = withUnsafeBytes(of: UInt64(count).bigEndian) { Array($0.drop { $0 == 0 }) }
        return [base + 55 + UInt8(length.count)] + length
    }

    // MARK: decoding

    /// Lists within lists, more deeply than any transaction or block has them.
    static let depthLimit = 16

    /// Reads exactly one item that takes all of `bytes`.
    public init(decoding bytes: [UInt8]) throws(Malformed) {
        var reader = Reader(bytes: bytes[...])
        self = try reader.item(depth: 0)
        guard reader.bytes.isEmpty else { throw Malformed(description: "RLP: \(reader.bytes.count) bytes too many") }
    }

    private struct Reader {
        var bytes: ArraySlice<UInt8>

        mutating func item(depth: Int) throws(Malformed) -> RLP {
            guard depth <= RLP.depthLimit else { throw Malformed(description: "RLP: lists too deep") }
            guard let first = bytes.popFirst() else { throw Malformed(description: "RLP: ends too early") }
            if first < 0x80 { return .bytes([first]) }
            let isList = first >= 0xC0
            let body = try take(length(first - (isList ? 0xC0 : 0x80)))
            if isList {
                var inner = Reader(bytes: body)
                var items: [RLP] = []
                while !inner.bytes.isEmpty { items.append(try inner.item(depth: depth + 1)) }
                return .list(items)
            }
            if body.count == 1, let only = body.first, only < 0x80 {
                throw Malformed(description: "RLP: a small byte with a length")
            }
            return .bytes(Array(body))
        }

        private mutating func length(_ code: UInt8) throws(Malformed) -> Int {
            if code < 56 { return Int(code) }
            let digits = try take(Int(code) - 55)
            guard digits.first != 0 else { throw Malformed(description: "RLP: a length with leading zeros") }
            // Longer than any memory; also keeps the sum from overflowing.
            guard digits.count <= 6 else { throw Malformed(description: "RLP: ends too early") }
            let length = digits.reduce(0) { $0 << 8 | Int($1) }
            guard length >= 56 else { throw Malformed(description: "RLP: a short length in the long form") }
            return length
        }

        private mutating func take(_ count: Int) throws(Malformed) -> ArraySlice<UInt8> {
            guard count <= bytes.count else { throw Malformed(description: "RLP: ends too early") }
            defer { bytes = bytes.dropFirst(count) }
            return bytes.prefix(count)
        }
    }
}
