// SPDX-License-Identifier: GPL-3.0-or-later

/// JSON as the reference downstream writes it: no blanks, sorted keys, everything beside U+0020…U+007E escaped in lower-case
/// hexadecimal, and `/ < > &` as they are.
struct JSONText: Sendable, Equatable {
    let text: String

    private init(raw text: String) {
        self.text = text
    }

    static let null = JSONText(raw: "null")
    static let yes = JSONText(raw: "true")

    init(_ number: Int) {
        text = "\(number)"
    }

    init(_ string: String) {
        var escaped = "\""
        escaped.reserveCapacity(string.utf8.count + 2)
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": escaped += "\\\""
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\r": escaped += "\\r"
            case "\t": escaped += "\\t"
            case "\u{8}": escaped += "\\b"
            case "\u{c}": escaped += "\\f"
            case " "..."~": escaped.unicodeScalars.append(scalar)
            default: for unit in String(Character(scalar)).utf16 { escaped += Self.escape(unit) }
            }
        }
        text = escaped + "\""
    }

    init(_ elements: [JSONText]) {
        text = "[" + elements.map(\.text).joined(separator: ",") + "]"
    }

    init(_ members: [String: JSONText]) {
        text =
            "{"
            + members.sorted { $0.key < $1.key }.map { "\(JSONText($0.key).text):\($0.value.text)" }
            .joined(separator: ",") + "}"
    }

    /// The last of equal keys counts.
    init(_ value: JSONValue) {
        switch value {
        case .null: self = .null
        case .bool(let value): self.init(raw: value ? "true" : "false")
        case .integer(let digits): self.init(raw: digits)
        case .number(let value):
            self.init(raw: value.isNaN ? "NaN" : value.isInfinite ? (value < 0 ? "-Infinity" : "Infinity") : "\(value)")
        case .string(let text): self.init(text)
        case .array(let values): self.init(values.map { JSONText($0) })
        case .object(let members):
            self.init(Dictionary(members.map { ($0.name, JSONText($0.value)) }, uniquingKeysWith: { $1 }))
        }
    }

    private static func escape(_ unit: UInt16) -> String {
        let digits = String(unit, radix: 16)
        return "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
    }
}
