// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import AgentSettings

@Suite("Values")
struct ValueTests {
    @Test(
        "durations as Go writes them, and days",
        arguments: [
            ("24h0m0s", "1d"), ("1h30m", "1h30m"), ("100ms", "100ms"), ("1.5h", "1h30m"), ("30d", "30d"),
            ("2.5d", "2d12h"), (".5h", "30m"), ("1.h", "1h"), ("0", "0s"), ("0s", "0s"), ("1us", "0s"), ("1µs", "0s"),
            ("90s", "1m30s"), ("200000h", "8333d8h"), ("", nil), ("5", nil), ("-1s", nil), ("1e3s", nil), ("5 s", nil),
            ("1h 30m", nil), ("µs", nil), ("1..5h", nil), ("99999999d", nil), ("9999999999999999999s", nil),
            ("٣s", nil), ("s", nil), (".s", nil),
        ] as [(String, String?)])
    func durations(_ text: String, _ form: String?) {
        #expect(Duration(text: text)?.text == form)
    }

    @Test(
        "numeric addresses only",
        arguments: [
            ("10.0.0.1:6821", true), ("[fd00::1]:1", true), ("head:6821", false), ("10.0.0.1", false),
            ("10.0.0.1:0", false), (":1", false), ("1.2.3.4:99999", false), ("1.2.3.4:+5", false), ("1.2.3:80", false),
            ("1.2.3.400:80", false), ("fd00::1:80", false), ("[10.0.0.1]:80", false), ("[:::]:80", false),
        ])
    func addresses(_ text: String, _ good: Bool) {
        #expect((ListenAddress(text) != nil) == good)
    }
}
