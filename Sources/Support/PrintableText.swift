// SPDX-License-Identifier: GPL-3.0-or-later

/// Text of others for a terminal or a log: what it would do there beside being read is taken out.
package enum PrintableText {
    /// Job names and comments come from users: control characters would play with the administrator's terminal.
    package static func of(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.map { isUnsafe($0) ? "\u{fffd}" : $0 }))
    }

    /// Controls, and what turns or breaks the line without showing itself (bidirectional overrides, U+2028).
    package static func isUnsafe(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: true
        default: false
        }
    }
}
