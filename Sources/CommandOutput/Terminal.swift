// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc

/// Standard output, as far as it is a terminal.
package enum Terminal {
    package static let isThere = isatty(STDOUT_FILENO) == 1

    /// Columns and rows; of a terminal that does not tell, what a terminal has always had.
    package static var size: (columns: Int, rows: Int) {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
            return (80, 24)
        }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// Over what is there: no flicker, and nothing scrolls. Each line is erased before it is written: after a line as wide as
    /// the terminal the erasure would take its last letter.
    package static func redraw(_ lines: [String], rows: Int) -> String {
        let shown = lines.prefix(rows)
        return "\u{1b}[H" + shown.map { "\u{1b}[K" + $0 }.joined(separator: "\r\n")
            + (shown.count < rows ? "\r\n\u{1b}[J" : "")
    }

    /// At once, past any buffer.
    /// - Returns: whether somebody takes it.
    package static func write(_ text: String) -> Bool {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            bytes = bytes.dropFirst(count)
        }
        return true
    }

    /// Ctrl-C is how one leaves, not a failure.
    package static func endWellOnInterrupt() {
        if isThere {
            signal(SIGINT) { _ in
                _ = Glibc.write(STDOUT_FILENO, "\n", 1)
                _exit(0)
            }
        } else {
            signal(SIGINT) { _ in _exit(0) }
        }
    }
}
