// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import CommandOutput

@Suite struct ScreenTextTests {
    @Test(
        arguments: [
            ("plain words", 20, "plain words"), ("plain words", 11, "plain words"), ("plain words", 10, "plain wor…"),
            ("漢字漢字", 8, "漢字漢字"), ("漢字漢字", 7, "漢字漢…"), ("漢字漢字", 6, "漢字…"), ("", 5, ""),
        ])
    func cut(_ text: String, _ columns: Int, _ shown: String) {
        #expect(ScreenText.cut(text, to: columns) == shown)
        #expect(ScreenText.cut(text, to: nil) == text)
    }

    @Test(
        arguments: [
            ("one two three four", 14, 9, ["L one two", "  three four"]),
            ("one two three four", 12, 9, ["L one two", "  three four"]),
            ("one two three four", 14, 1, ["L one two thr…"]), ("short", 14, 2, ["L short"]), ("", 14, 2, ["L "]),
            ("onewordthatistoolong", 12, 9, ["L onewordtha", "  tistoolong"]),
            ("  spaces   between words", 14, 9, ["L spaces  ", "  between", "  words"]),
        ])
    func wrap(_ text: String, _ columns: Int, _ limit: Int, _ lines: [String]) {
        #expect(ScreenText.wrap(text, label: "L ", columns: columns, limit: limit) == lines)
        #expect(ScreenText.wrap(text, label: "L ", columns: nil, limit: limit) == ["L " + text])
    }

    @Test func daysAreToldWhenTheyDiffer() {
        let now: Int64 = 1_795_262_849  // 2026-11-21T12:07:29Z
        #expect(LocalTime.short(now, now: now).wholeMatch(of: /\d\d:\d\d:\d\d/) != nil)
        #expect(LocalTime.short(now - 90_000, now: now).wholeMatch(of: /2026-11-\d\d \d\d:\d\d:\d\d/) != nil)
    }

    @Test func redrawing() {
        #expect(Terminal.redraw(["a", "b"], rows: 3) == "\u{1b}[H\u{1b}[Ka\r\n\u{1b}[Kb\r\n\u{1b}[J")
        // Nothing scrolls away.
        #expect(Terminal.redraw(["a", "b", "c"], rows: 2) == "\u{1b}[H\u{1b}[Ka\r\n\u{1b}[Kb")
    }
}
