// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Jarvice

@Suite struct JSONTests {
    /// As Python's `json.loads`, then `str`.
    @Test(arguments: [
        ("null", "None"), ("true", "True"), ("1", "1"), ("1.0", "1.0"), ("-0", "0"), ("1e3", "1000.0"),
        ("12345678901234567890123", "12345678901234567890123"), ("1e400", "inf"), ("NaN", "nan"),
        ("-Infinity", "-inf"), ("\"a\\u00e9\\ud83d\\ude00/\\/\"", "aé😀//"), ("[1,\"a\",null]", "[1, 'a', None]"),
        ("{\"a\":1,\"a\":2}", "{'a': 2}"), (" [ ] ", "[]"), ("\"it's\"", "it's"), ("[\"it's\"]", "[\"it's\"]"),
    ])
    func prints(text: String, expected: String) throws {
        #expect(try JSONValue(parsing: text.utf8).pythonText == expected)
    }

    @Test(arguments: [
        "", "nul", "01", "1.", ".5", "[1,]", "{\"a\"}", "{a:1}", "\"a", "\"\\x\"", "\"\u{1}\"", "\"\\ud800\"", "[",
        "1 2",
        "{\"a\":1,}", "'a'", "\"\\ud800\\u0041\"", "-", "+1",
    ])
    func refuses(text: String) {
        #expect(throws: JSONValue.Malformed.self) { try JSONValue(parsing: text.utf8) }
    }

    @Test func nestingIsBounded() {
        let deep = String(repeating: "[", count: 100_000)
        #expect(throws: JSONValue.Malformed.self) { try JSONValue(parsing: deep.utf8) }
    }

    @Test(arguments: [
        ("a/<>&", #""a/<>&""#), ("\"\\", #""\"\\""#), ("\n\r\t\u{8}\u{c}", #""\n\r\t\b\f""#), ("\u{7f}", #""\u007f""#),
        ("é", #""\u00e9""#), ("😀", #""\ud83d\ude00""#), ("\u{0}", #""\u0000""#), ("~ ", #""~ ""#),
        ("\r\n", #""\r\n""#),
    ])
    func writes(text: String, expected: String) throws {
        #expect(JSONText(text).text == expected)
        #expect(try JSONValue(parsing: expected.utf8).string == text)
    }

    @Test func objectsAreSortedAndCompact() {
        let value = JSONText(["b": JSONText(1), "a": JSONText([.null, .yes])])
        #expect(value.text == #"{"a":[null,true],"b":1}"#)
    }

    @Test(arguments: [
        (" 7 ", 7 as Int?), ("-3", -3), ("+2", 2), ("1_000", 1000), ("0x1", nil), ("1.5", nil), ("", nil), ("_1", nil),
        ("1__0", nil), ("x", nil), ("99999999999999999999", nil), ("- 1", nil),
    ])
    func integers(text: String, expected: Int?) {
        #expect(PythonText.integer(text) == expected)
    }

    /// As `base64.b64decode`.
    @Test(arguments: [
        ("aGk=", "hi" as String?), ("aG\nk=", "hi"), ("a G*k =", "hi"), ("aGk", nil), ("a", nil), ("", ""),
        ("aGk=aGk=", "hi"),
        ("=aGk=", "hi"), ("aGkh", "hi!"), ("aA==", "h"), ("aA=", nil),
    ])
    func base64(text: String, expected: String?) {
        #expect(PythonText.base64(text).map { String(decoding: $0, as: UTF8.self) } == expected)
    }
}
