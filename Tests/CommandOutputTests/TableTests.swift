// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import CommandOutput
@testable import Support

@Suite struct TableTests {
    @Test func alignsColumns() {
        var table = Table(["ID", "NAME", "N"], rightAligned: [0, 2])
        table.add(["7", "a", "10"])
        table.add(["123", "long name", "2"])
        #expect(
            table.render() == """
                 ID  NAME        N
                  7  a          10
                123  long name   2
                """)
    }

    @Test func noTrailingBlanks() {
        var table = Table(["A", "B"])
        table.add(["long", ""])
        #expect(table.render() == "A     B\nlong")
    }

    @Test func headerAlone() {
        #expect(Table(["A", "B"]).render() == "A  B")
    }

    @Test(
        arguments: [
            ("plain é 漢", "plain é 漢"), ("a\nb", "a\u{fffd}b"), ("\u{1b}[31mred", "\u{fffd}[31mred"),
            ("\r\n", "\u{fffd}\u{fffd}"), ("\u{7f}\u{9b}31m", "\u{fffd}\u{fffd}31m"), ("a\tb\0", "a\u{fffd}b\u{fffd}"),
            ("", ""),
        ])
    func controlCharactersAreShownAsSuch(_ text: String, _ printable: String) {
        #expect(PrintableText.of(text) == printable)
    }

    @Test(
        "Text that is drawn from right to left cannot disguise itself",
        arguments: ["a\u{202e}b", "a\u{2066}b", "\u{200f}", "a\u{2028}b"])
    func bidirectionalControls(_ text: String) {
        #expect(PrintableText.of(text) != text)
    }

    @Test func rowsArePrintable() {
        var table = Table(["A"])
        table.add(["x\u{1b}]0;title\u{7}\ny"])
        #expect(table.render() == "A\nx\u{fffd}]0;title\u{fffd}\u{fffd}y")
    }
}
