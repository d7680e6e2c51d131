// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Slurm

@Suite struct HelperLinesTests {
    private static func cut(_ parts: [String], limit: Int = 100) throws -> [String] {
        var cutter = HelperLines(limit: limit)
        var lines: [String] = []
        for part in parts { lines += try cutter.take(Array(part.utf8)) }
        if let last = cutter.last() { lines.append(last) }
        return lines
    }

    private static let cases: [([String], [String])] = [
        ([], []), ([""], []), (["a"], ["a"]), (["a\n"], ["a"]), (["\n\n"], ["", ""]),
        (["a\nb", "c\n", "d"], ["a", "bc", "d"]),
        (["a\u{2028}b\u{85}c\u{2029}d\u{b}e\u{c}f\n"], ["a\u{2028}b\u{85}c\u{2029}d\u{b}e\u{c}f"]),
    ]

    @Test(arguments: cases)
    func lines(_ parts: [String], _ expected: [String]) throws {
        let lines = try Self.cut(parts)
        #expect(lines == expected)
    }

    @Test func aCharacterInTwoParts() throws {
        var cutter = HelperLines()
        let first = try cutter.take([0x61, 0xc3])
        let second = try cutter.take([0xa9, 0x0a])
        let last = cutter.last()
        #expect(first.isEmpty && second == ["aé"] && last == nil)
    }

    @Test func aLineWithoutEnd() throws {
        let most = String(repeating: "x", count: 100)
        let lines = try Self.cut([most])
        #expect(lines == [most])
        #expect(throws: HelperLines.TooLong.self) { try Self.cut([most, "x"]) }
    }
}
