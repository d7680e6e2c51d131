// SPDX-License-Identifier: GPL-3.0-or-later

/// A block's logsBloom: 2048 bits, three of which are set for each address and topic of its logs (Ethereum's yellow paper,
/// section 4.3.1).
public struct LogsBloom: Hashable, Sendable {
    private let bytes: [UInt8]

    /// `0x` and 512 digits; nil for everything else.
    init?(hex: String) {
        guard hex.utf8.count == 514, let bytes = Hex.decode(hex), bytes.count == 256 else { return nil }
        self.bytes = bytes
    }

    /// Of some addresses.
    init(of addresses: [Address]) {
        var bytes = [UInt8](repeating: 0, count: 256)
        for bit in addresses.flatMap(Self.bits) { bytes[255 - bit / 8] |= 1 << (bit % 8) }
        self.bytes = bytes
    }

    var isEmpty: Bool { bytes.allSatisfy { $0 == 0 } }

    func mayContain(_ address: Address) -> Bool {
        Self.bits(of: address).allSatisfy { bytes[255 - $0 / 8] & 1 << ($0 % 8) != 0 }
    }

    private static func bits(of address: Address) -> [Int] {
        let hash = Keccak256.hash(address.bytes).bytes
        return [0, 2, 4].map { (Int(hash[$0]) << 8 | Int(hash[$0 + 1])) & 2047 }
    }
}
