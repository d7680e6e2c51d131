// SPDX-License-Identifier: GPL-3.0-or-later

/// Text that is HTML. What is put into it as a `String` is escaped, so that nothing from outside (names of jobs, messages
/// of other programs) is ever markup; attributes are always in double quotes.
package struct HTML: ExpressibleByStringInterpolation, Sendable, Equatable {
    package private(set) var text: String

    package init(stringLiteral text: String) {
        self.text = text
    }

    package init(stringInterpolation: Interpolation) {
        text = stringInterpolation.text
    }

    package struct Interpolation: StringInterpolationProtocol {
        package fileprivate(set) var text = ""

        package init(literalCapacity: Int, interpolationCount: Int) {
            text.reserveCapacity(literalCapacity + interpolationCount * 16)
        }

        package mutating func appendLiteral(_ literal: String) { text += literal }
        package mutating func appendInterpolation(_ value: String) { text += HTML.escaped(value) }
        package mutating func appendInterpolation(_ value: some BinaryInteger) { text += "\(value)" }
        package mutating func appendInterpolation(_ html: HTML) { text += html.text }
        package mutating func appendInterpolation(_ html: HTML?) { text += html?.text ?? "" }
        package mutating func appendInterpolation(_ parts: [HTML]) { for part in parts { text += part.text } }
    }

    package static func += (left: inout HTML, right: HTML) { left.text += right.text }

    /// A message, with what it says between backticks (what is to be typed) as code.
    static func message(_ text: String) -> HTML {
        let pieces = text.split(separator: "`", omittingEmptySubsequences: false).map(String.init)
        var html: HTML = ""
        for (index, piece) in pieces.enumerated() {
            if index % 2 == 0 {
                html += "\(piece)"
            } else if index == pieces.count - 1 {
                html += "`\(piece)"  // one without its other
            } else {
                html += "<code>\(piece)</code>"
            }
        }
        return html
    }

    /// For text between tags and for attributes in double quotes. Control characters and those that turn the direction of
    /// writing (U+202A to U+202E, U+2066 to U+2069) show as U+FFFD: a name must not rearrange what stands beside it.
    static func escaped(_ text: String) -> String {
        var out = ""
        out.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": out += "&amp;"
            case "<": out += "&lt;"
            case ">": out += "&gt;"
            case "\"": out += "&quot;"
            case "'": out += "&#39;"
            case "\n", "\t": out.unicodeScalars.append(scalar)
            case _ where scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value): out += "\u{fffd}"
            case "\u{202a}"..."\u{202e}", "\u{2066}"..."\u{2069}": out += "\u{fffd}"
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }
}
