// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Support

@Suite("Secrets that are compared") struct ConstantTimeTests {
    @Test(
        "the same bytes, and nothing else; an empty secret is nobody's",
        arguments: [
            ("secret", "secret", true), ("Secret", "secret", false), ("secre", "secret", false), ("", "secret", false),
            ("secretsecret", "secret", false), ("secrets", "secret", false), ("", "", false), ("a", "", false),
        ])
    func equal(_ given: String, _ secret: String, _ isEqual: Bool) {
        #expect(ConstantTime.equal(given.utf8, Array(secret.utf8)) == isEqual)
    }
}
