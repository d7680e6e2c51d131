// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Agent

@Suite("Connection table")
struct ConnectionTableTests {
    @Test("whoever has shown nothing makes room, the oldest first; whoever may ask keeps the place")
    func places() {
        var table = ConnectionTable<String>(limit: 3)
        #expect(table.enter("a") == .admitted)
        #expect(table.enter("b") == .admitted)
        table.trust("a")
        #expect(table.enter("c") == .admitted)
        #expect(table.enter("d") == .instead(of: "b"))
        #expect(table.enter("e") == .instead(of: "c"))
        #expect(table.count == 3)
        table.trust("d")
        table.trust("e")
        #expect(table.enter("f") == .refused)
        table.leave("a")
        #expect(table.enter("f") == .admitted)
        // Who has gone already changes nothing.
        table.leave("b")
        table.trust("b")
        #expect(table.count == 3)
    }
}
