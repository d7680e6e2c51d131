// SPDX-License-Identifier: GPL-3.0-or-later

/// Looks for nesting that no configuration has before libyaml does, whose work grows with the depth for each word, and whose
/// nodes are made by recursion. One pass; quotes are not understood, so the limits lie far above what a file needs.
struct YAMLNesting {
    /// Brackets that are open at once.
    static let brackets = 64
    /// List entries and complex keys that begin in one line, as in `- - - a`.
    static let entries = 16
    /// Spaces before a line's first word.
    static let indentation = 256

    /// Bytes looked at.
    private(set) var steps = 0
    private var open = 0

    /// nil when nothing is too deep.
    static func lineTooDeep(_ text: String) -> Int? {
        var nesting = YAMLNesting()
        return nesting.lineTooDeep(text)
    }

    mutating func lineTooDeep(_ text: String) -> Int? {
        var line = 1
        var begins = true
        var spaces = 0
        var entries = 0
        for byte in text.utf8 {
            steps += 1
            switch byte {
            case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
                if byte == UInt8(ascii: "\n") { line += 1 }
                (begins, spaces, entries) = (true, 0, 0)
                continue
            case UInt8(ascii: " ") where begins:
                spaces += 1
            case UInt8(ascii: "-"), UInt8(ascii: "?"), UInt8(ascii: ":"):
                if begins { entries += 1 }
            case UInt8(ascii: "#") where begins && spaces > Self.indentation:
                // A comment may stand anywhere.
                spaces = 0
                begins = false
            case UInt8(ascii: "["), UInt8(ascii: "{"):
                open += 1
                begins = false
            case UInt8(ascii: "]"), UInt8(ascii: "}"):
                open = max(0, open - 1)
                begins = false
            default:
                if begins, spaces - 2 * entries > Self.indentation { return line }
                begins = false
            }
            // `---` begins a document, and a line of dashes a comment's frame at most.
            if open > Self.brackets || begins && entries > Self.entries && spaces >= entries - 1 { return line }
        }
        return nil
    }
}
