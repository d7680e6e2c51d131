// SPDX-License-Identifier: GPL-3.0-or-later

/// Reads one JSON document (RFC 8259) in one pass: each byte is looked at a bounded number of times, whatever the bytes are.
public struct JSONParser {
    public struct Limits: Hashable, Sendable {
        /// Arrays and objects within one another. What nodes answer has less than 12.
        public var depth = 64
        /// Values and names together: they take more memory than their bytes.
        public var values = 500_000
        /// Bytes of an object's name.
        public var name = 1024

        public init() {}
    }

    public struct Failure: Error, Hashable, Sendable {
        public enum Reason: Hashable, Sendable {
            case malformed, tooDeep, tooMany
        }

        public var reason: Reason
        /// Bytes before it.
        public var offset: Int
    }

    /// Bytes looked at and values made so far, over all documents.
    public private(set) var steps = 0
    private let limits: Limits
    private var bytes: [UInt8] = []
    private var position = 0
    private var values = 0

    /// The most steps that so many bytes take: each is passed once, escapes of halved pairs twice, and begins one value or
    /// name at most.
    static func worstSteps(bytes: Int) -> Int { 3 * bytes + 2 }

    public init(_ limits: Limits = Limits()) {
        self.limits = limits
    }

    public mutating func parse(_ document: [UInt8]) throws(Failure) -> JSONValue {
        bytes = document
        position = 0
        values = 0
        defer { bytes = [] }
        let value = try value(depth: 0)
        skipSpace()
        guard position == bytes.count else { throw failure() }
        return value
    }

    // MARK: values

    private mutating func value(depth: Int) throws(Failure) -> JSONValue {
        try countValue()
        skipSpace()
        switch next {
        case UInt8(ascii: "{"): return try object(depth: depth + 1)
        case UInt8(ascii: "["): return try array(depth: depth + 1)
        case UInt8(ascii: "\""): return .string(try string(atMost: .max))
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return try number()
        }
    }

    private mutating func array(depth: Int) throws(Failure) -> JSONValue {
        guard depth <= limits.depth else { throw failure(.tooDeep) }
        advance()
        var elements: [JSONValue] = []
        skipSpace()
        if take(UInt8(ascii: "]")) { return .array(elements) }
        while true {
            elements.append(try value(depth: depth))
            skipSpace()
            if take(UInt8(ascii: "]")) { return .array(elements) }
            guard take(UInt8(ascii: ",")) else { throw failure() }
        }
    }

    private mutating func object(depth: Int) throws(Failure) -> JSONValue {
        guard depth <= limits.depth else { throw failure(.tooDeep) }
        advance()
        var members: [String: JSONValue] = [:]
        skipSpace()
        if take(UInt8(ascii: "}")) { return .object(members) }
        while true {
            skipSpace()
            try countValue()
            guard next == UInt8(ascii: "\"") else { throw failure() }
            let name = try string(atMost: limits.name)
            skipSpace()
            guard take(UInt8(ascii: ":")) else { throw failure() }
            members[name] = try value(depth: depth)
            skipSpace()
            if take(UInt8(ascii: "}")) { return .object(members) }
            guard take(UInt8(ascii: ",")) else { throw failure() }
        }
    }

    private mutating func countValue() throws(Failure) {
        values += 1
        steps += 1
        guard values <= limits.values else { throw failure(.tooMany) }
    }

    private mutating func word(_ word: StaticString, _ value: JSONValue) throws(Failure) -> JSONValue {
        let start = position
        for offset in 0..<word.utf8CodeUnitCount {
            guard next == word.utf8Start[offset] else { throw Failure(reason: .malformed, offset: start) }
            advance()
        }
        return value
    }

    private mutating func number() throws(Failure) -> JSONValue {
        let start = position
        _ = take(UInt8(ascii: "-"))
        let whole = try digits()
        guard whole.count == 1 || bytes[whole.lowerBound] != UInt8(ascii: "0") else { throw failure() }
        var isInteger = true
        if take(UInt8(ascii: ".")) {
            isInteger = false
            _ = try digits()
        }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            isInteger = false
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            _ = try digits()
        }
        guard position - start <= 400 else { throw Failure(reason: .malformed, offset: start) }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if isInteger, let integer = Int64(text) { return .integer(integer) }
        guard let number = Double(text), number.isFinite else { throw Failure(reason: .malformed, offset: start) }
        return .number(number)
    }

    /// One at least.
    private mutating func digits() throws(Failure) -> Range<Int> {
        let start = position
        while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { advance() }
        guard position > start else { throw failure() }
        return start..<position
    }

    // MARK: strings

    private mutating func string(atMost limit: Int) throws(Failure) -> String {
        advance()
        let start = position
        while let byte = next, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 32 { advance() }
        guard position - start <= limit else { throw failure(.tooMany) }
        if next == UInt8(ascii: "\\") { return try escapedString(from: start, atMost: limit) }
        guard next == UInt8(ascii: "\""), let text = String(validating: bytes[start..<position], as: UTF8.self) else {
            throw failure()
        }
        advance()
        return text
    }

    private mutating func escapedString(from start: Int, atMost limit: Int) throws(Failure) -> String {
        var text = Array(bytes[start..<position])
        while let byte = next, byte != UInt8(ascii: "\"") {
            guard byte >= 32 else { throw failure() }
            advance()
            guard byte == UInt8(ascii: "\\") else {
                text.append(byte)
                guard text.count <= limit else { throw failure(.tooMany) }
                continue
            }
            guard let kind = next else { throw failure() }
            advance()
            switch kind {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(kind)
            case UInt8(ascii: "b"): text.append(8)
            case UInt8(ascii: "f"): text.append(12)
            case UInt8(ascii: "n"): text.append(10)
            case UInt8(ascii: "r"): text.append(13)
            case UInt8(ascii: "t"): text.append(9)
            case UInt8(ascii: "u"): text += Array(String(Character(try escapedScalar())).utf8)
            default: throw failure()
            }
            guard text.count <= limit else { throw failure(.tooMany) }
        }
        guard take(UInt8(ascii: "\"")), let string = String(validating: text, as: UTF8.self) else { throw failure() }
        return string
    }

    /// Behind `\u`; half of a pair alone stands for an unknown character.
    private mutating func escapedScalar() throws(Failure) -> Unicode.Scalar {
        let unknown: Unicode.Scalar = "\u{FFFD}"
        let first = try fourDigits()
        guard (0xD800..<0xDC00).contains(first) else { return Unicode.Scalar(first) ?? unknown }
        let mark = position
        guard take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else {
            position = mark
            return unknown
        }
        let second = try fourDigits()
        guard (0xDC00..<0xE000).contains(second) else {
            position = mark
            return unknown
        }
        return Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00)) ?? unknown
    }

    private mutating func fourDigits() throws(Failure) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = next.flatMap(Hex.value) else { throw failure() }
            value = value << 4 | UInt32(digit)
            advance()
        }
        return value
    }

    // MARK: bytes

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func advance() {
        position += 1
        steps += 1
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard next == byte else { return false }
        advance()
        return true
    }

    private mutating func skipSpace() {
        while let byte = next, byte == 32 || (9...10).contains(byte) || byte == 13 { advance() }
    }

    private func failure(_ reason: Failure.Reason = .malformed) -> Failure {
        Failure(reason: reason, offset: position)
    }
}
