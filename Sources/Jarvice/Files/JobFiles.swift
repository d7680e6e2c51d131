// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials

/// Reads what jobs wrote, as their users. This process may not; a helper does (``FileHelper``).
public protocol JobFiles: Sendable {
    /// - Parameters:
    ///   - lines: at most so many, the last ones.
    /// - Returns: nil: there is nothing that the user can read.
    /// - Throws: `unavailable`: it could not be looked at.
    func tail(of path: String, as userID: UInt32, lines: Int) async throws(JarviceError) -> String?
}

/// What the helper is asked: one line of JSON.
struct FileRequest: Codable, Sendable, Equatable {
    /// As whom.
    var userID: UInt32
    var path: String
    var lines: Int
    var bytes: Int

    enum CodingKeys: String, CodingKey {
        case userID = "user_id"
        case path, lines, bytes
    }

    static let sizeLimit = 16 << 10
    static let lineLimit = 10_000
    static let byteLimit = 4 << 20
}

/// The line before the bytes.
struct FileAnswer: Codable, Sendable, Equatable {
    enum Kind: String, Codable, Sendable {
        case text
        /// There is no such file, or the user cannot read it.
        case nothing
        /// It is no file that is read.
        case refused
        /// It could not be looked at.
        case failed
    }

    var kind: Kind
    /// Of what follows.
    var size = 0
    var why: String?
}

/// One line of JSON, in both directions.
enum FileLine {
    static let end = UInt8(ascii: "\n")

    static func encode(_ value: some Encodable) -> [UInt8] {
        // Of plain types.
        ((try? JSONEncoder().encode(value)).map { Array($0) } ?? []) + [end]
    }

    static func decode<Value: Decodable>(_ type: Value.Type, _ bytes: some Sequence<UInt8>) -> Value? {
        try? JSONDecoder().decode(type, from: Data(bytes))
    }
}
