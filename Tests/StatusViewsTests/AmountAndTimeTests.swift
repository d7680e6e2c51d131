// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import StatusViews

@Suite("Amounts and times")
struct AmountAndTimeTests {
    @Test(
        arguments: [
            ("0", "0", "0"), ("000", "0", "0"), ("1", "0.000000000000000001", "<0.001"),
            ("8333333333333333333", "8.333333333333333333", "8.333"),
            ("8333500000000000000", "8.3335", "8.334"), ("999499999999999999", "0.999499999999999999", "0.999"),
            ("999500000000000000", "0.9995", "1"), ("499999999999999", "0.000499999999999999", "<0.001"),
            ("500000000000000", "0.0005", "0.001"), ("1000000000000000000", "1", "1"),
            ("12345678900000000000000", "12345.6789", "12\u{202f}345.679"),
            ("999999999999999999999999", "999999.999999999999999999", "1\u{202f}000\u{202f}000"),
            (
                String(repeating: "9", count: 78),
                String(repeating: "9", count: 60) + "." + String(repeating: "9", count: 18),
                "1" + String(repeating: "\u{202f}000", count: 20)
            ),
        ])
    func amounts(_ wei: String, _ exact: String, _ rounded: String) throws {
        let amount = try #require(Amount(wei: wei))
        #expect(amount.exact == exact)
        #expect(amount.rounded == rounded)
    }

    @Test(
        "what a message says to type is code; what it has from outside stays text",
        arguments: [
            ("all well", "all well"), ("`a b`: then `c`", "<code>a b</code>: then <code>c</code>"),
            ("try `<b>`", "try <code>&lt;b&gt;</code>"), ("a ` alone", "a ` alone"),
            ("`a` and ` alone", "<code>a</code> and ` alone"),
            ("`", "`"), ("", ""),
        ])
    func messages(_ text: String, _ html: String) {
        #expect(HTML.message(text).text == html)
    }

    @Test(arguments: ["", "-1", "1.5", "1e3", "0x10", " 1", "١"])
    func noAmounts(_ text: String) {
        #expect(Amount(wei: text) == nil)
        #expect(StatusPage.amount("<\(text)", "credits").text == "&lt;\(HTML.escaped(text))\u{a0}credits")
    }

    @Test(
        arguments: [
            (0, "0 s"), (59, "59 s"), (60, "1 min"), (65, "1 min 5 s"), (3600, "1 h"), (3661, "1 h 1 min"),
            (86_400, "1 d"), (90_061, "1 d 1 h"), (86_400 * 400, "400 d"),
        ] as [(Int64, String)])
    func spans(_ seconds: Int64, _ text: String) {
        #expect(PageTime.span(seconds) == text)
    }

    @Test func times() {
        let time = PageTime(now: 1_795_262_585)
        #expect(PageTime.iso(1_795_262_585) == "2026-11-21T12:03:05Z")
        #expect(PageTime.http(1_795_262_585) == "Sat, 21 Nov 2026 12:03:05 GMT")
        #expect(PageTime.http(0) == "Thu, 01 Jan 1970 00:00:00 GMT")
        #expect(time.short(1_795_262_580) == "12:03:00")
        #expect(time.short(1_795_262_585 - 86_400) == "2026-11-20 12:03:05")
        #expect(time.relative(1_795_262_585) == "now")
        #expect(time.relative(1_795_262_580) == "5 s ago")
        #expect(time.relative(1_795_262_585 + 3600) == "in 1 h")
        for impossible in [Int64.max, .min] {
            #expect(time.html(impossible) == "an impossible time")
            #expect(
                time.relative(impossible).hasSuffix("impossible time away") || time.relative(impossible).contains(" d"))
        }
    }
}
