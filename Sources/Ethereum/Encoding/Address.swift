// SPDX-License-Identifier: GPL-3.0-or-later

/// The 20 bytes that name an account or a contract.
public struct Address: Hashable, Sendable, CustomStringConvertible {
    public let bytes: [UInt8]

    public static let zero = Address(unchecked: [UInt8](repeating: 0, count: 20))

    init(unchecked bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// nil unless 20 bytes.
    public init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == 20 else { return nil }
        self.bytes = Array(bytes)
    }

    /// `0x` and 40 digits. Digits of one case carry no checksum (EIP-55); mixed ones must have the right one.
    public init?(hex: some StringProtocol) {
        guard hex.hasPrefix("0x"), let bytes = Hex.decode(hex), bytes.count == 20 else { return nil }
        self.bytes = bytes
        let digits = hex.dropFirst(2)
        let mixed = digits.contains { $0.isLowercase } && digits.contains { $0.isUppercase }
        guard !mixed || checksummed.dropFirst(2) == digits else { return nil }
    }

    /// The account of an uncompressed public key, 64 bytes without the leading 4.
    init(publicKey: some Collection<UInt8>) {
        bytes = Array(Keccak256.hash(Array(publicKey)).bytes.suffix(20))
    }

    /// With EIP-55's checksum in the case of its letters.
    public var checksummed: String {
        let digits = Hex.encode(bytes)
        let hash = Keccak256.hash(digits.utf8).bytes
        let cased = digits.enumerated().map { index, digit in
            hash[index / 2] >> (index % 2 == 0 ? 4 : 0) & 15 >= 8 ? digit.uppercased() : String(digit)
        }
        return "0x" + cased.joined()
    }

    /// Lower case: JSON-RPC's form, and DeepSquare's Unix login names.
    public var hex: String { Hex.data(bytes) }

    public var description: String { checksummed }
}

extension Address: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let address = Address(hex: try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "no address")
        }
        self = address
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(hex)
    }
}
