// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials

/// Reads what jobs wrote, as their users. This process may not; a helper does (``FileHelper``).
public protocol JobFiles: Sendable {
    /// - Parameters:
    ///   - lines: at most so many, the last ones.
    /// - Returns: nil: there is nothing that the user can read.
    /// - Throws: `unavailable`: it could not be looked at.
    func tail(of path: String, as userID: UInt32, lines: Int) async throws(JarviceError) -> String?

    /// Removes a file that was not written after a time (Unix seconds); one that is not there, or that the user cannot remove,
    /// stays so.
    func remove(_ path: String, as userID: UInt32, before: Int64) async throws(JarviceError)

    /// The same with a folder, and all that is in it.
    func removeFolder(_ path: String, as userID: UInt32) async throws(JarviceError)

    /// A folder's entries as the reference prints them.
    func list(_ path: String, as userID: UInt32, details: Bool) async throws(JarviceError) -> FileListing
}

public enum FileListing: Sendable, Equatable {
    case entries(String)
    /// Nothing that the user can see; why, in Unix's words, where it has some.
    case nothing(String?)
}

/// What the helper is asked: one line of JSON.
struct FileRequest: Codable, Sendable, Equatable {
    /// As whom.
    var userID: UInt32
    var path: String
    /// nil: the last lines are read.
    var action: Action?
    var lines = 1
    var bytes = FileRequest.byteLimit
    /// Of a removal, Unix seconds.
    var before: Int64?
    /// Of a list.
    var details: Bool?

    enum Action: String, Codable, Sendable {
        case remove, list
        case removeFolder = "remove_folder"
    }

    enum CodingKeys: String, CodingKey {
        case userID = "user_id"
        case path, action, lines, bytes, before, details
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
