// SPDX-License-Identifier: GPL-3.0-or-later

/// 32 bytes: the hash of a block or a transaction, a topic, a storage word.
public struct Hash32: Hashable, Sendable, Comparable, CustomStringConvertible {
    private let a: UInt64
    private let b: UInt64
    private let c: UInt64
    private let d: UInt64

    public static let zero = Hash32([UInt8](repeating: 0, count: 32))

    /// - Precondition: 32 bytes. For what came from outside use `init(hex:)` or check first.
    public init(_ bytes: some Collection<UInt8>) {
        precondition(bytes.count == 32, "a Hash32 has 32 bytes")
        var words: [UInt64] = [0, 0, 0, 0]
        for (index, byte) in bytes.enumerated() { words[index / 8] = words[index / 8] << 8 | UInt64(byte) }
        (a, b, c, d) = (words[0], words[1], words[2], words[3])
    }

    /// `0x` and 64 digits; nil for everything else.
    public init?(hex: some StringProtocol) {
        guard hex.hasPrefix("0x"), let bytes = Hex.decode(hex), bytes.count == 32 else { return nil }
        self.init(bytes)
    }

    public var bytes: [UInt8] {
        [a, b, c, d].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * UInt64($0))) } }
    }

    public var description: String { Hex.data(bytes) }

    public static func < (left: Hash32, right: Hash32) -> Bool {
        (left.a, left.b, left.c, left.d) < (right.a, right.b, right.c, right.d)
    }
}

extension Hash32: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let hash = Hash32(hex: try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "no 32 bytes")
        }
        self = hash
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
