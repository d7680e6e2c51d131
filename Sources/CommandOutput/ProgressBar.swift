// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc
internal import Support

/// How far something long is, on stderr: one line that is written over on a terminal, else a line every 10 s.
package struct ProgressBar {
    package static let lineInterval = Duration.seconds(10)

    private let isTerminal: Bool
    private let columns: Int
    private let write: (String) -> Void
    private let now: () -> ContinuousClock.Instant
    /// When the last line was written, or the first one could have been.
    private var lastLine: ContinuousClock.Instant
    private var isShown = false

    package init(
        isTerminal: Bool = isatty(STDERR_FILENO) == 1, columns: Int = Terminal.size.columns,
        now: @escaping () -> ContinuousClock.Instant = { .now },
        write: @escaping (String) -> Void = Self.toStandardError
    ) {
        self.isTerminal = isTerminal
        self.columns = columns
        self.now = now
        self.write = write
        lastLine = now()
    }

    package mutating func show(_ what: String, done: Int, of total: Int) {
        guard total > 0 else { return }
        show(words: "\(what): \(done) of \(total)", done: done, of: total)
    }

    /// - Parameter total: 0: it is not known how much there is, and the words stand alone.
    package mutating func show(words: String, done: Int, of total: Int) {
        let words = PrintableText.of(words)
        if isTerminal {
            // Carriage return, text, erase to the end of the line.
            let line =
                total > 0
                ? Self.line(words, done: done, of: total, columns: columns)
                : String(words.prefix(max(0, columns - 1)))
            write("\r" + line + "\u{1b}[K")
            isShown = true
        } else if now() - lastLine >= Self.lineInterval {
            lastLine = now()
            write(words + "\n")
        }
    }

    /// At once, past any buffer.
    package static func toStandardError(_ text: String) {
        _ = Array(text.utf8).withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    /// What comes next has the line for itself.
    package mutating func clear() {
        guard isShown else { return }
        write("\r\u{1b}[K")
        isShown = false
    }

    /// `[####------] told: 4 of 10`; a terminal that is too narrow for a bar shows the words alone.
    package static func line(_ words: String, done: Int, of total: Int, columns: Int) -> String {
        let width = min(40, columns - words.count - 4)
        guard width >= 5 else { return String(words.prefix(max(0, columns - 1))) }
        let part = Double(max(0, min(done, total))) / Double(max(1, total))
        let full = min(width, Int(part * Double(width)))
        return "[" + String(repeating: "#", count: full) + String(repeating: "-", count: width - full) + "] " + words
    }
}
