// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Jarvice

/// Every expectation is what Python 3.11 gives for `template.format(P="value{x}")`.
@Suite struct FormatTemplateTests {
    @Test(arguments: [
        ("", ""), ("plain", "plain"), ("{P}", "value{x}"), ("a{P}b{P}c", "avalue{x}bvalue{x}c"), ("{{}}", "{}"),
        ("{{P}}", "{P}"), ("{{{P}}}", "{value{x}}"), ("{{{{", "{{"), ("{P!s}", "value{x}"), ("{P:}", "value{x}"),
        ("{P:s}", "value{x}"), ("{P!s:s}", "value{x}"), ("${{HOME}}", "${HOME}"), ("é{P}ü", "évalue{x}ü"),
        ("function f() {{ echo; }}\n{P}\n", "function f() { echo; }\nvalue{x}\n"),
    ])
    func formats(template: String, expected: String) throws {
        #expect(try FormatTemplate.format(template, name: "P", value: "value{x}") == expected)
    }

    @Test(arguments: [
        "{", "}", "a{", "a}", "{}", "{0}", "{Q}", "${HOME}", "{ P}", "{P ", "{P}}", "{{P}", "}{", "{P{", "{P!}", "{P!s",
        "{P!s!}", "{P!é}", "{P!r}", "{P!a}", "{P:>9}", "{P:{P}}", "{P:d}", "{P.upper}", "{P[0]}", "{P[}", "{[}", "{P:",
        "{}}}", "{P!ss}",
    ])
    func refuses(template: String) {
        #expect(throws: FormatTemplate.Malformed.self) {
            try FormatTemplate.format(template, name: "P", value: "x")
        }
    }
}
