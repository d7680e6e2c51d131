// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials
import Testing

@testable import Observability
@testable import Support

@Suite struct LogTextTests {
    @Test(
        "a value stays on its line",
        arguments: [
            ("plain", "plain"), ("漢字", "漢字"), ("a b", "\"a b\""), ("", "\"\""), ("a=b", "\"a=b\""),
            ("a\"b", "\"a\\\"b\""), ("x\ny\u{1b}[1m", "\"x\\ny\\u{1b}[1m\""), ("a\r\nb", "\"a\\u{d}\\nb\""),
            ("a\u{2028}b\u{2029}", "\"a\\u{2028}b\\u{2029}\""), ("\u{9b}31m", "\"\\u{9b}31m\""),
            ("\u{202e}x", "\"\\u{202e}x\""), ("\0", "\"\\u{0}\""), ("\u{7f}", "\"\\u{7f}\""), ("\\ ", "\"\\\\ \""),
        ])
    func quoted(_ text: String, _ shown: String) {
        #expect(LogText.quoted(text) == shown)
    }

    @Test(
        "so does a message",
        arguments: [
            ("plain words", "plain words"), ("it's \"quoted\"", "it's \"quoted\""), ("a\nb", "a\\nb"),
            ("\u{1b}]0;title\u{7}", "\\u{1b}]0;title\\u{7}"), ("\u{85}\u{2028}", "\\u{85}\\u{2028}"),
        ])
    func message(_ text: String, _ shown: String) {
        #expect(LogText.message(text) == shown)
    }

    @Test(arguments: [
        "plain", "a \"b\" \\ /", "\n\r\t\0", "\u{1b}[2J", "\u{2028}\u{2029}\u{85}", "漢 é", "\u{e0001}", "\u{10ffff}",
        "",
    ])
    func jsonIsReadBackAsItWas(_ text: String) throws {
        let json = LogText.json(text)
        #expect(try JSONDecoder().decode([String].self, from: Data("[\(json)]".utf8)) == [text])
        #expect(!json.unicodeScalars.contains(where: PrintableText.isUnsafe))
    }

    @Test(
        arguments: [
            ("0123456789abcdef", 16, "0123456789abcdef"), ("0123456789abcdefg", 16, "01234567…[cut]"),
            ("éééééééééé", 16, "éééé…[cut]"), ("", 16, ""),
        ])
    func cut(_ text: String, _ room: Int, _ kept: String) {
        #expect(LogText.cut(text, room: room) == kept)
        #expect(kept.utf8.count <= room)
    }

    @Test("however it is written, it has no more bytes than it may", arguments: 12...60)
    func room(_ room: Int) throws {
        for text in [
            String(repeating: "\u{1b}", count: 40), String(repeating: "\"", count: 99), "ab\u{1b}漢\n\\ \"漢漢漢漢漢漢漢漢漢",
        ] {
            #expect(LogText.quoted(text, room: room).utf8.count <= room)
            #expect(LogText.message(text, room: room).utf8.count <= room)
            let json = LogText.json(text, room: room)
            #expect(json.utf8.count <= room)
            // An escape is never cut in two.
            _ = try JSONDecoder().decode([String].self, from: Data("[\(json)]".utf8))
        }
    }
}
