// SPDX-License-Identifier: GPL-3.0-or-later

/// Text for a terminal of some width. `columns` nil: no terminal, no limit.
package enum ScreenText {
    /// Columns that it takes, or one too many: letters of East Asia and emoji take two.
    package static func width(_ text: String) -> Int {
        text.unicodeScalars.reduce(0) { $0 + width($1) }
    }

    private static func width(_ scalar: Unicode.Scalar) -> Int {
        switch scalar.value {
        case 0x1100...0x115f, 0x2e80...0xa4cf, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe30...0xfe6f, 0xff00...0xff60,
            0xffe0...0xffe6, 0x1f000...:
            2
        default: 1
        }
    }

    /// As much as fits; `…` stands for the rest.
    package static func cut(_ text: String, to columns: Int?) -> String {
        guard let columns, width(text) > columns else { return text }
        return prefix(text[...], columns - 1) + "…"
    }

    /// Lines of at most so many columns, broken between words where that is possible. `label` stands before the first, the
    /// others are indented as far. The last ends with `…` if `limit` lines are too few.
    package static func wrap(_ text: String, label: String = "", columns: Int?, limit: Int) -> [String] {
        guard let columns else { return [label + text] }
        let indent = width(label)
        let room = max(columns - indent, 10)
        var lines: [String] = []
        var rest = text.drop { $0 == " " }
        while !rest.isEmpty || lines.isEmpty {
            let start = lines.isEmpty ? label : String(repeating: " ", count: indent)
            guard lines.count + 1 < limit, width(String(rest)) > room else {
                lines.append(start + cut(String(rest), to: room))
                break
            }
            let all = rest[..<rest.index(rest.startIndex, offsetBy: prefix(rest, room).count)]
            // One letter more: a word may end just there.
            let reach = rest[...].prefix(all.count + 1)
            let end = reach.lastIndex(of: " ").flatMap { $0 > rest.startIndex ? $0 : nil } ?? all.endIndex
            lines.append(start + rest[..<end])
            rest = rest[end...].drop { $0 == " " }
        }
        return lines
    }

    /// At least one letter.
    private static func prefix(_ text: Substring, _ columns: Int) -> String {
        var kept = ""
        var used = 0
        for letter in text {
            used += width(String(letter))
            if used > columns, !kept.isEmpty { break }
            kept.append(letter)
        }
        return kept
    }
}
