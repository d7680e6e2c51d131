// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Sockets

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

    /// What a host does to the table, as `HOST:KEY`, with `+` for one that then signs well. The keys that are inside at the end.
    @Test(
        "who has to go",
        arguments: [
            // A flood from one host puts out its own.
            ("a:1 b:2 b:3 b:4 b:5 b:6", "a:1 b:4 b:5 b:6"),
            ("b:1 b:2 b:3 b:4 a:5", "a:5 b:2 b:3 b:4"),
            // Many hosts, one each: the oldest.
            ("a:1 b:2 c:3 d:4 e:5", "b:2 c:3 d:4 e:5"),
            // Strangers put out nobody who is known, whoever is older.
            ("a:1+ b:2 c:3 d:4 e:5 f:6", "a:1 d:4 e:5 f:6"),
            ("a:1+ b:2+ c:3+ d:4+ e:5", "a:1 b:2 c:3 d:4"),
            // A known host finds a place among strangers.
            ("a:1+ a:- b:2 c:3 d:4 e:5 a:6", "a:6 c:3 d:4 e:5"),
            // Among the known it is the one with the most.
            ("a:1+ a:2 a:3 b:4+ b:5", "a:2 a:3 b:4 b:5"),
        ])
    func eviction(_ steps: String, _ inside: String) {
        var table = ConnectionTable<String>(limit: 4)
        var keys: Set<String> = []
        for step in steps.split(separator: " ") {
            let isGood = step.hasSuffix("+")
            let key = String(isGood ? step.dropLast() : step)
            let host = String(key.prefix { $0 != ":" })
            if key.hasSuffix(":-") {
                for left in keys where left.hasPrefix(host + ":") {
                    table.leave(left)
                    keys.remove(left)
                }
                continue
            }
            switch table.enter(key, from: host) {
            case .admitted: keys.insert(key)
            case .instead(let other):
                keys.remove(other)
                keys.insert(key)
            case .refused: break
            }
            if isGood { table.vouch(for: host) }
        }
        #expect(keys.sorted().joined(separator: " ") == inside)
        #expect(table.count == keys.count)
    }

    @Test("one host has no more than its share, though there is room")
    func share() {
        var table = ConnectionTable<Int>(limit: 10, perOrigin: 2)
        #expect(table.enter(1, from: "a") == .admitted)
        #expect(table.enter(2, from: "a") == .admitted)
        #expect(table.enter(3, from: "a") == .instead(of: 1))
        #expect(table.enter(4, from: "b") == .admitted)
        table.trust(2)
        table.trust(3)
        #expect(table.enter(5, from: "a") == .refused)
        table.leave(2)
        #expect(table.enter(5, from: "a") == .admitted)
    }

    @Test("without descriptors the oldest that has shown nothing goes, a stranger's first")
    func evict() {
        var table = ConnectionTable<Int>(limit: 10)
        #expect(table.evict() == nil)
        for (key, host) in [(1, "a"), (2, "b"), (3, "b"), (4, "c")] { _ = table.enter(key, from: host) }
        table.vouch(for: "b")
        table.trust(4)
        #expect(table.evict() == 1)
        #expect(table.evict() == 2)
        #expect(table.evict() == 3)
        #expect(table.evict() == nil && table.count == 1)
    }

    @Test("as many origins are remembered as was said, the newest")
    func memory() {
        var table = ConnectionTable<Int>(limit: 2, memory: 4)
        for number in 0..<100 {
            _ = table.enter(number, from: "host \(number)")
            table.leave(number)
            table.vouch(for: "host \(number)")
        }
        // A stranger that is inside has to go for one that is remembered, and not for one that is forgotten.
        _ = table.enter(1000, from: "host 0")
        _ = table.enter(1001, from: "host 99")
        #expect(table.enter(1002, from: "host 99") == .instead(of: 1000))
        #expect(table.enter(1003, from: "host 1") == .refused)
    }
}
