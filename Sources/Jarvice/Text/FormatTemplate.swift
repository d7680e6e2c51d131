// SPDX-License-Identifier: GPL-3.0-or-later

/// Python's `str.format` with one named argument (library reference, "Format String Syntax"; the scan is that of CPython's
/// `unicode_format.h`). What Python would compute from an argument (attributes, items, padding, `repr`) is refused.
public enum FormatTemplate {
    public struct Malformed: Error, Sendable, Equatable, CustomStringConvertible {
        public var description: String

        init(_ description: String) {
            self.description = description
        }
    }

    /// - Returns: the template with `{name}` replaced by `value`, whose own braces mean nothing.
    public static func format(_ template: String, name: String, value: String) throws(Malformed) -> String {
        var scan = Scan(bytes: Array(template.utf8))
        var output: [UInt8] = []
        output.reserveCapacity(scan.bytes.count)
        while let part = try scan.next() {
            switch part {
            case .literal(let range): output += scan.bytes[range]
            case .field(let field):
                try check(field, name)
                output += value.utf8
            }
        }
        return String(decoding: output, as: UTF8.self)
    }

    struct Field {
        var name: String
        var conversion: String?
        var specification: String
    }

    private static func check(_ field: Field, _ name: String) throws(Malformed) {
        guard field.name == name else {
            if field.name.isEmpty || field.name.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
                throw Malformed("a positional field {\(field.name)}; {\(name)} is the only one")
            }
            throw Malformed("the field {\(field.name.prefix(64))}; {\(name)} is the only one; write {{ }} for braces")
        }
        guard field.conversion == nil || field.conversion == "s" else {
            throw Malformed("the conversion !\(field.conversion ?? "")")
        }
        guard field.specification.isEmpty || field.specification == "s" else {
            throw Malformed("the format specification :\(field.specification.prefix(64))")
        }
    }

    private enum Part {
        case literal(Range<Int>)
        case field(Field)
    }

    private struct Scan {
        let bytes: [UInt8]
        var place = 0

        private static let open = UInt8(ascii: "{")
        private static let close = UInt8(ascii: "}")

        init(bytes: [UInt8]) {
            self.bytes = bytes
        }

        mutating func next() throws(Malformed) -> Part? {
            let start = place
            while place < bytes.count, bytes[place] != Self.open, bytes[place] != Self.close { place += 1 }
            if place > start { return .literal(start..<place) }
            guard place < bytes.count else { return nil }
            let brace = bytes[place]
            place += 1
            if place < bytes.count, bytes[place] == brace {
                place += 1
                return .literal(place - 1..<place)
            }
            guard brace == Self.open else { throw Malformed("a single }; write }} for a brace") }
            guard place < bytes.count else { throw Malformed("a single {; write {{ for a brace") }
            return .field(try field())
        }

        /// As `parse_field`: everything between brackets belongs to the name.
        private mutating func field() throws(Malformed) -> Field {
            let start = place
            var end: UInt8?
            scanning: while place < bytes.count {
                let byte = bytes[place]
                place += 1
                switch byte {
                case Self.open: throw Malformed("a { in the name of a field; write {{ for a brace")
                case UInt8(ascii: "["):
                    while place < bytes.count, bytes[place] != UInt8(ascii: "]") { place += 1 }
                case Self.close, UInt8(ascii: ":"), UInt8(ascii: "!"):
                    end = byte
                    break scanning
                default: break
                }
            }
            guard let end else { throw Malformed("a { without its }") }
            var field = Field(
                name: String(decoding: bytes[start..<place - 1], as: UTF8.self), conversion: nil, specification: "")
            if end == Self.close { return field }
            if end == UInt8(ascii: "!") {
                guard place < bytes.count else { throw Malformed("a { without its }") }
                let first = place
                place += 1
                // One character, of however many bytes.
                while place < bytes.count, bytes[place] & 0xc0 == 0x80 { place += 1 }
                field.conversion = String(decoding: bytes[first..<place], as: UTF8.self)
                guard place < bytes.count else { throw Malformed("a { without its }") }
                let after = bytes[place]
                place += 1
                if after == Self.close { return field }
                guard after == UInt8(ascii: ":") else { throw Malformed("no : after a conversion") }
            }
            field.specification = try specification()
            return field
        }

        private mutating func specification() throws(Malformed) -> String {
            let start = place
            var depth = 1
            while place < bytes.count {
                if bytes[place] == Self.open { depth += 1 }
                if bytes[place] == Self.close { depth -= 1 }
                place += 1
                if depth == 0 { return String(decoding: bytes[start..<place - 1], as: UTF8.self) }
            }
            throw Malformed("a { without its }")
        }
    }
}
