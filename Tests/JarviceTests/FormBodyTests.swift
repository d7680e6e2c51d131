// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Jarvice

@Suite struct FormBodyTests {
    private static let form = "application/x-www-form-urlencoded"

    @Test(arguments: [
        ("args=%7B%7D", "{}" as String?), ("x=1&args=a+b%20c&args=second", "a b c"), ("args=", ""), ("args", ""),
        ("ARGS=1", nil),
        ("", nil), ("a%72gs=1", "1"), ("args=%zz%4", "%zz%4"), ("args=%ff", "\u{fffd}"), ("&&args=1&", "1"),
    ])
    func urlencoded(body: String, expected: String?) throws {
        #expect(try FormBody.field("args", contentType: Self.form, body: Array(body.utf8)) == expected)
    }

    @Test func othersAreNoForms() throws {
        for type in ["application/json", "text/plain", ""] {
            #expect(try FormBody.field("args", contentType: type, body: Array("args=1".utf8)) == nil)
        }
        #expect(try FormBody.field("args", contentType: nil, body: Array("args=1".utf8)) == nil)
        #expect(
            try FormBody.field("args", contentType: Self.form.uppercased() + "; charset=x", body: Array("args=1".utf8))
                == "1")
    }

    private static let type = "multipart/form-data; boundary=\"b d\""

    private func multipart(_ text: String, type: String = type) throws -> String? {
        try FormBody.field("args", contentType: type, body: Array(text.utf8))
    }

    private func part(_ name: String, _ value: String, _ more: String = "") -> String {
        "--b d\r\nContent-Disposition: form-data; name=\"\(name)\"\(more)\r\n\r\n\(value)\r\n"
    }

    @Test func multipartFields() throws {
        let end = "--b d--\r\n"
        #expect(try multipart(part("x", "1") + part("args", "{\r\n}") + part("args", "2") + end) == "{\r\n}")
        #expect(try multipart(part("args", "file", "; filename=\"f\"") + end) == nil)
        #expect(try multipart(end) == nil)
        #expect(try multipart("preamble\r\n" + part("args", "") + end) == "")
        #expect(try multipart((part("args", "lf") + end).replacing("\r\n", with: "\n")) == "lf")
        #expect(throws: FormBody.Malformed.self) { try multipart(part("args", "1")) }
        #expect(throws: FormBody.Malformed.self) { try multipart("x", type: "multipart/form-data") }
    }

    @Test func longFieldsOfMultipartOnly() throws {
        let long = String(repeating: "a", count: 500_001)
        do {
            _ = try multipart(part("x", long) + part("args", "1") + "--b d--")
            Issue.record("taken")
        } catch let error as FormBody.Malformed {
            #expect(error.isTooLarge)
        }
        #expect(
            try FormBody.field("args", contentType: Self.form, body: Array("args=\(long)".utf8))?.utf8.count == 500_001)
    }
}
