// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials

/// JSON as Python's `json.loads` reads it: integers of any length, NaN and Infinity, the last of equal keys.
public enum JSONValue: Sendable, Hashable {
    case null
    case bool(Bool)
    /// Its digits: of any length.
    case integer(String)
    case number(Double)
    case string(String)
    case array([JSONValue])
    /// In the order of the text.
    case object([Member])

    public struct Member: Sendable, Hashable {
        public var name: String
        public var value: JSONValue
    }

    public struct Malformed: Error, Sendable, CustomStringConvertible {
        public var description: String
    }

    public init(parsing text: some Sequence<UInt8>) throws(Malformed) {
        var parser = JSONParser(bytes: Array(text))
        self = try parser.document()
    }

    /// Of an object; nil: it is none, or has no such member.
    public subscript(name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.last { $0.name == name }?.value
    }

    public var string: String? {
        if case .string(let text) = self { text } else { nil }
    }

    /// A JSON integer that fits; a boolean or a number with a point is none.
    public var integer: Int? {
        if case .integer(let digits) = self { Int(digits) } else { nil }
    }

    /// As Python's `str` prints it.
    public var pythonText: String {
        if case .string(let text) = self { text } else { pythonLiteral }
    }

    /// As Python's `repr` prints it.
    var pythonLiteral: String {
        switch self {
        case .null: "None"
        case .bool(let value): value ? "True" : "False"
        case .integer(let digits): digits == "-0" ? "0" : digits
        case .number(let value):
            value.isNaN ? "nan" : value.isInfinite ? (value < 0 ? "-inf" : "inf") : "\(value)"
        case .string(let text): Self.quoted(text)
        case .array(let values): "[" + values.map(\.pythonLiteral).joined(separator: ", ") + "]"
        case .object(let members):
            "{"
                + Self.last(members).map { "\(Self.quoted($0.name)): \($0.value.pythonLiteral)" }
                .joined(separator: ", ") + "}"
        }
    }

    private static func last(_ members: [Member]) -> [Member] {
        var names: [String] = []
        var values: [String: JSONValue] = [:]
        for member in members where values.updateValue(member.value, forKey: member.name) == nil {
            names.append(member.name)
        }
        return names.map { Member(name: $0, value: values[$0] ?? .null) }
    }

    private static func quoted(_ text: String) -> String {
        let quote: Character = text.contains("'") && !text.contains("\"") ? "\"" : "'"
        let escaped = text.map { character -> String in
            switch character {
            case quote, "\\": "\\\(character)"
            case "\n": "\\n"
            case "\r": "\\r"
            case "\t": "\\t"
            default: String(character)
            }
        }
        return "\(quote)\(escaped.joined())\(quote)"
    }
}

/// Reads one document; nothing may follow it.
private struct JSONParser {
    typealias Malformed = JSONValue.Malformed

    let bytes: [UInt8]
    var place = 0
    private static let deepest = 64

    init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    mutating func document() throws(Malformed) -> JSONValue {
        let value = try value(depth: 0)
        skipBlanks()
        guard place == bytes.count else { throw wrong("extra data") }
        return value
    }

    private func wrong(_ what: String) -> Malformed { Malformed(description: "\(what) at byte \(place)") }

    private mutating func skipBlanks() {
        while place < bytes.count, [0x20, 0x09, 0x0a, 0x0d].contains(bytes[place]) { place += 1 }
    }

    private mutating func take(_ word: StaticString) -> Bool {
        let count = word.utf8CodeUnitCount
        guard place + count <= bytes.count else { return false }
        let same = (0..<count).allSatisfy { bytes[place + $0] == word.utf8Start[$0] }
        if same { place += count }
        return same
    }

    private mutating func value(depth: Int) throws(Malformed) -> JSONValue {
        guard depth <= Self.deepest else { throw wrong("nested too deeply") }
        skipBlanks()
        guard place < bytes.count else { throw wrong("expecting a value") }
        switch bytes[place] {
        case UInt8(ascii: "\""): return .string(try text())
        case UInt8(ascii: "["): return try array(depth)
        case UInt8(ascii: "{"): return try object(depth)
        default: break
        }
        if take("null") { return .null }
        if take("true") { return .bool(true) }
        if take("false") { return .bool(false) }
        if take("NaN") { return .number(.nan) }
        if take("Infinity") { return .number(.infinity) }
        if take("-Infinity") { return .number(-.infinity) }
        return try number()
    }

    private mutating func array(_ depth: Int) throws(Malformed) -> JSONValue {
        place += 1
        var values: [JSONValue] = []
        skipBlanks()
        if take("]") { return .array([]) }
        while true {
            values.append(try value(depth: depth + 1))
            skipBlanks()
            if take("]") { return .array(values) }
            guard take(",") else { throw wrong("expecting , or ]") }
        }
    }

    private mutating func object(_ depth: Int) throws(Malformed) -> JSONValue {
        place += 1
        var members: [JSONValue.Member] = []
        skipBlanks()
        if take("}") { return .object([]) }
        while true {
            skipBlanks()
            guard place < bytes.count, bytes[place] == UInt8(ascii: "\"") else { throw wrong("expecting a name") }
            let name = try text()
            skipBlanks()
            guard take(":") else { throw wrong("expecting :") }
            members.append(.init(name: name, value: try value(depth: depth + 1)))
            skipBlanks()
            if take("}") { return .object(members) }
            guard take(",") else { throw wrong("expecting , or }") }
        }
    }

    private mutating func digits() -> Int {
        let start = place
        while place < bytes.count, (0x30...0x39).contains(bytes[place]) { place += 1 }
        return place - start
    }

    private mutating func number() throws(Malformed) -> JSONValue {
        let start = place
        _ = take("-")
        if !take("0"), digits() == 0 { throw wrong("expecting a value") }
        var isInteger = true
        let point = place
        if take(".") {
            if digits() > 0 { isInteger = false } else { place = point }
        }
        let exponent = place
        if place < bytes.count, bytes[place] | 0x20 == UInt8(ascii: "e") {
            place += 1
            if !take("+") { _ = take("-") }
            if digits() > 0 { isInteger = false } else { place = exponent }
        }
        let text = String(decoding: bytes[start..<place], as: UTF8.self)
        // As Python has it.
        guard text.utf8.count <= 4300 else { throw wrong("a number of too many digits") }
        return isInteger ? .integer(text) : .number(Double(text) ?? .nan)
    }

    private mutating func text() throws(Malformed) -> String {
        place += 1
        var units: [UInt8] = []
        while place < bytes.count {
            let byte = bytes[place]
            place += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: units, as: UTF8.self) else { throw wrong("text that is not UTF-8") }
                return text
            case UInt8(ascii: "\\"): units += try escape()
            case ..<0x20: throw wrong("a control character in a text")
            default: units.append(byte)
            }
        }
        throw wrong("a text without an end")
    }

    private mutating func escape() throws(Malformed) -> [UInt8] {
        guard place < bytes.count else { throw wrong("a text without an end") }
        let byte = bytes[place]
        place += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0c]
        case UInt8(ascii: "n"): return [0x0a]
        case UInt8(ascii: "r"): return [0x0d]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "u"): break
        default: throw wrong("an unknown escape")
        }
        let first = try hexadecimal()
        guard (0xd800...0xdbff).contains(first) else { return try utf8(first) }
        let after = place
        guard take("\\u") else { throw wrong("half of a surrogate pair") }
        let second = try hexadecimal()
        guard (0xdc00...0xdfff).contains(second) else {
            place = after
            throw wrong("half of a surrogate pair")
        }
        return try utf8(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00))
    }

    private func utf8(_ value: UInt32) throws(Malformed) -> [UInt8] {
        guard let scalar = Unicode.Scalar(value) else { throw wrong("half of a surrogate pair") }
        return Array(String(Character(scalar)).utf8)
    }

    private mutating func hexadecimal() throws(Malformed) -> UInt32 {
        guard place + 4 <= bytes.count else { throw wrong("a text without an end") }
        var value: UInt32 = 0
        for byte in bytes[place..<place + 4] {
            let digit: UInt8
            switch byte {
            case 0x30...0x39: digit = byte - 0x30
            case 0x41...0x46: digit = byte - 0x41 + 10
            case 0x61...0x66: digit = byte - 0x61 + 10
            default: throw wrong("an unknown escape")
            }
            value = value << 4 | UInt32(digit)
        }
        place += 4
        return value
    }
}
