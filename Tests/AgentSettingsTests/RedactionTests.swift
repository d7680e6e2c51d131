// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import AgentSettings

@Suite("What is taken out of texts")
struct RedactionTests {
    private static let key = String(repeating: "0aB", count: 21) + "f"

    @Test(
        "secrets",
        arguments: [
            ("https://me:pw@host/x", "https://[redacted]@host/x"),
            ("see https://me:pw@host, now", "see https://[redacted]@host, now"),
            ("\"wss://token@host\"", "\"wss://[redacted]@host\""), ("https://me:p/w@host", "https://[redacted]@host"),
            ("https://me:p,w@host", "https://[redacted]@host"),
            ("https://me:p@w@host:80", "https://[redacted]@host:80"),
            ("https://me:pw", "https://[redacted]"), ("me:pw@host:443", "[redacted]@host:443"),
            ("0x\(key)", "0x[redacted]"), ("key=\(key).", "key=[redacted]."),
        ])
    func secrets(_ text: String, _ result: String) {
        #expect(redacted(text) == result)
        #expect(redacted(result) == result)
    }

    @Test(
        "what is none stays",
        arguments: [
            "https://host:8545/path?a=b", "https://a.example:443, http://b:80; http://c:1: words. http://d:2.",
            "http://[::1]:80/", "https://host/@scope/name", "alice@example.org", "a=b@c",
            "",
            "/run/x.sock", "f.yaml:3: key: words", "0x3707aB457CF457275b7ec32e203c54df80C299d5",
            "127.0.0.1:443, [::]:3000",
            String(repeating: "1", count: 78), "@", ":@", "://",
        ])
    func others(_ text: String) {
        #expect(redacted(text) == text)
    }

    @Test("what a message repeats is short, on one line, and was redacted before it was cut")
    func quotes() {
        #expect(quoted("a\nb\u{202e}") == "\"a\u{fffd}b\u{fffd}\"")
        #expect(quoted(String(repeating: "x", count: 81)) == "\"" + String(repeating: "x", count: 80) + "…\"")
        #expect(!quoted("https://me:" + String(repeating: "p", count: 100) + "@host").contains("ppp"))
    }
}
