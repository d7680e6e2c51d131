// SPDX-License-Identifier: GPL-3.0-or-later

import NIOConcurrencyHelpers
import Testing

@testable import CommandOutput

struct ProgressBarTests {
    @Test(arguments: [
        (0, 10, 80, "[----------------------------------------] told: 0 of 10"),
        (4, 10, 80, "[################------------------------] told: 4 of 10"),
        (10, 10, 80, "[########################################] told: 10 of 10"),
        (99, 10, 80, "[########################################] told: 99 of 10"),
        (5, 10, 28, "[#####------] told: 5 of 10"), (5, 10, 20, "told: 5 of 10"), (5, 10, 8, "told: 5"),
        (5, 10, 0, ""), (-1, 10, 28, "[----------] told: -1 of 10"),
    ])
    func line(_ done: Int, _ total: Int, _ columns: Int, _ wanted: String) {
        let line = ProgressBar.line("told: \(done) of \(total)", done: done, of: total, columns: columns)
        #expect(line == wanted && line.count <= max(0, columns))
    }

    @Test func aTerminalHasOneLine() {
        let written = NIOLockedValueBox("")
        var bar = ProgressBar(isTerminal: true, columns: 20, write: { text in written.withLockedValue { $0 += text } })
        bar.clear()
        bar.show("told", done: 1, of: 0)
        #expect(written.withLockedValue { $0 } == "")
        bar.show("told", done: 1, of: 2)
        bar.show("told\u{1b}[2J", done: 2, of: 2)
        bar.clear()
        bar.clear()
        let text = written.withLockedValue { $0 }
        #expect(text.hasPrefix("\rtold: 1 of 2\u{1b}[K\rtold"))
        #expect(text.hasSuffix("\r\u{1b}[K") && !text.contains("\u{1b}[2J") && !text.contains("\n"))
        #expect(text.utf8.count { $0 == 13 } == 3)
    }

    @Test func elsewhereALineEveryTenSeconds() {
        let written = NIOLockedValueBox<[String]>([])
        let time = NIOLockedValueBox(ContinuousClock.Instant.now)
        var bar = ProgressBar(
            isTerminal: false, columns: 80, now: { time.withLockedValue { $0 } },
            write: { text in written.withLockedValue { $0.append(text) } })
        for second in 0..<31 {
            bar.show("told", done: second, of: 31)
            time.withLockedValue { $0 += .seconds(1) }
        }
        bar.clear()
        #expect(written.withLockedValue { $0 } == ["told: 10 of 31\n", "told: 20 of 31\n", "told: 30 of 31\n"])
    }
}
