// SPDX-License-Identifier: GPL-3.0-or-later

/// Any JSON: what goes to a node and what comes from it. Numbers are only used for ids and codes, all else is text.
///
/// It is read by `JSONParser`. It is no `Decodable` on purpose: a decoder that guesses each value's type takes exponential
/// time over nested ones.
public enum JSONValue: Hashable, Sendable, Encodable {
    case string(String)
    case object([String: JSONValue])
    case array([JSONValue])
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case null

    /// Throws when the bytes are not one JSON document, or one beyond the limits.
    public init(
        parsing bytes: some Collection<UInt8>, limits: JSONParser.Limits = JSONParser.Limits()
    ) throws(JSONParser.Failure) {
        var parser = JSONParser(limits)
        self = try parser.parse(Array(bytes))
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
    public var isNull: Bool { if case .null = self { true } else { false } }
}
