// SPDX-License-Identifier: GPL-3.0-or-later

internal import Support

/// What comes from outside stays on its line and leaves the reader's terminal alone.
package enum LogText {
    /// As a value: in quotation marks unless it is one plain word; at most `room` bytes.
    package static func quoted(_ text: String, room: Int = .max) -> String {
        let isPlain = text.unicodeScalars.allSatisfy {
            $0.value > 0x20 && $0 != "\"" && $0 != "=" && !PrintableText.isUnsafe($0)
        }
        if isPlain, !text.isEmpty, text.utf8.count <= room { return text }
        return "\"" + escaped(text, room: room - 2, isQuoted: true) { "\\u{\(String($0.value, radix: 16))}" } + "\""
    }

    /// As a message, without quotation marks.
    package static func message(_ text: String, room: Int = .max) -> String {
        escaped(text, room: room, isQuoted: false) { "\\u{\(String($0.value, radix: 16))}" }
    }

    /// As a string of JSON (RFC 8259, section 7), with its quotation marks.
    package static func json(_ text: String, room: Int = .max) -> String {
        "\""
            + escaped(text, room: room - 2, isQuoted: true) { scalar in
                String(scalar).utf16.map { unit in
                    let digits = String(unit, radix: 16)
                    return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                }.joined()
            } + "\""
    }

    /// What is kept of a text that is too long, with a mark that says so; at most `room` bytes.
    package static func cut(_ text: String, room: Int) -> String {
        text.utf8.count <= room ? text : escaped(text, room: room, isQuoted: false, controls: nil)
    }

    /// - Parameter controls: how a control character is written; nil: as it is.
    private static func escaped(
        _ text: String, room: Int, isQuoted: Bool, controls: ((Unicode.Scalar) -> String)?
    ) -> String {
        var result = ""
        // Where the mark goes, if one is needed.
        var place = 0
        for scalar in text.unicodeScalars {
            let piece: String
            switch scalar {
            case "\"" where isQuoted: piece = "\\\""
            case "\\" where isQuoted: piece = "\\\\"
            case "\n" where controls != nil: piece = "\\n"
            default: piece = PrintableText.isUnsafe(scalar) ? controls?(scalar) ?? String(scalar) : String(scalar)
            }
            guard result.utf8.count + piece.utf8.count <= room else {
                return String(decoding: result.utf8.prefix(place), as: UTF8.self) + mark
            }
            result.unicodeScalars.append(contentsOf: piece.unicodeScalars)
            if result.utf8.count <= room - mark.utf8.count { place = result.utf8.count }
        }
        return result
    }

    private static let mark = "…[cut]"
}
