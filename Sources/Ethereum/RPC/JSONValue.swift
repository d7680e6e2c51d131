// SPDX-License-Identifier: GPL-3.0-or-later

/// Any JSON: what goes to a node and what comes from it. Numbers are only used for ids and codes, all else is text.
public enum JSONValue: Hashable, Sendable, Codable {
    case string(String)
    case object([String: JSONValue])
    case array([JSONValue])
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case null

    public init(from decoder: any Decoder) throws {
        let single = try decoder.singleValueContainer()
        // The most frequent first: each wrong guess costs an error.
        if let text = try? single.decode(String.self) {
            self = .string(text)
        } else if single.decodeNil() {
            self = .null
        } else if let object = try? single.decode([String: JSONValue].self) {
            self = .object(object)
        } else if let array = try? single.decode([JSONValue].self) {
            self = .array(array)
        } else if let bool = try? single.decode(Bool.self) {
            self = .bool(bool)
        } else if let integer = try? single.decode(Int64.self) {
            self = .integer(integer)
        } else {
            self = .number(try single.decode(Double.self))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var single = encoder.singleValueContainer()
        switch self {
        case .string(let text): try single.encode(text)
        case .object(let object): try single.encode(object)
        case .array(let array): try single.encode(array)
        case .bool(let bool): try single.encode(bool)
        case .integer(let integer): try single.encode(integer)
        case .number(let number): try single.encode(number)
        case .null: try single.encodeNil()
        }
    }

    public subscript(key: String) -> JSONValue? {
        if case .object(let object) = self { object[key] } else { nil }
    }

    public var text: String? { if case .string(let text) = self { text } else { nil } }
    public var array: [JSONValue]? { if case .array(let array) = self { array } else { nil } }
    public var integer: Int64? { if case .integer(let integer) = self { integer } else { nil } }
    public var isNull: Bool { self == .null }
}
