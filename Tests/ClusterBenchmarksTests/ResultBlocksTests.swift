// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials
import Testing

@testable import ClusterBenchmarks

@Suite struct ResultBlocksTests {
    static func block(_ name: String, _ text: String, token: String = "t") -> String {
        let bytes = Array(text.utf8)
        let lines = Data(bytes).base64EncodedString(options: [.lineLength76Characters, .endLineWithLineFeed])
        return "\n@sga begin \(token) \(name) \(bytes.count) \(POSIXChecksum.of(bytes))\n"
            + lines.split(separator: "\n").map { "@sga . \($0)\n" }.joined() + "@sga end \(token) \(name)\n"
    }

    @Test(
        "as cksum(1) has it",
        arguments: [
            ("", 4_294_967_295), ("123456789", 930_766_865), ("hello\n", 3_015_617_425),
        ])
    func checksums(_ text: String, _ sum: UInt32) { #expect(POSIXChecksum.of(Array(text.utf8)) == sum) }

    @Test func whole() {
        let text = String(repeating: "a line of a result\n", count: 50)
        let blocks = ResultBlocks(
            "noise" + Self.block("hpcc", text) + "noise\n"
                + Self.block("fio.0", "x").replacing("@sga .", with: "srun: noise\n@sga ."),
            token: "t")
        #expect(blocks.contents == ["hpcc": text, "fio.0": "x"])
        #expect(blocks.broken.isEmpty)
        #expect(ResultBlocks(Self.block("e", ""), token: "t").contents == ["e": ""])
    }

    @Test("a result that comes twice counts once")
    func twice() {
        let blocks = ResultBlocks(Self.block("a", "first") + Self.block("a", "second"), token: "t")
        #expect(blocks.contents == ["a": "first"])
        // Whole at the second time.
        let again = ResultBlocks(String(Self.block("a", "first").dropLast(12)) + Self.block("a", "second"), token: "t")
        #expect(again.contents == ["a": "second"])
        #expect(again.broken.isEmpty)
    }

    @Test("another run's, or a made-up one, is none of ours")
    func tokens() {
        let blocks = ResultBlocks(Self.block("a", "x", token: "other") + Self.block("a", "y", token: "tt"), token: "t")
        #expect(blocks.contents.isEmpty)
    }

    @Test func damaged() {
        let good = Self.block("a", String(repeating: "0123456789", count: 30))
        for (text, word) in [
            (String(good.dropLast(30)), "end is missing"),
            (good.replacing("@sga . MDEy", with: "@sga . MDEz"), "checksum"),
            (good.replacing(" a 300 ", with: " a 299 "), "long"), (good.replacing(" a 300 ", with: " a 30 "), "longer"),
            (good.replacing(" a 300 ", with: " a 99999999999 "), "at most"),
            (good.replacing(" a 300 ", with: " a 301 "), "long"),
            (good.replacing("@sga . MDEy", with: "@sga . ????"), "long"),
            (String(good.dropLast(20)) + Self.block("b", "x"), "begins in it"),
        ] {
            let blocks = ResultBlocks(text, token: "t")
            #expect(blocks.contents["a"] == nil)
            #expect(blocks.broken["a"]?.contains(word) == true, "\(word): \(blocks.broken)")
        }
        for header in [
            "@sga begin t a -1 0", "@sga begin t a x 0", "@sga begin t ../x 1 0", "@sga begin t", "@sga", "@sga ",
        ] {
            #expect(ResultBlocks(header + "\n@sga . eA==\n@sga end t a\n", token: "t").contents.isEmpty)
        }
    }

    @Test("every cut of an output is a part of it, and nothing panics")
    func cuts() {
        let whole = Self.block("a", "first\n") + Self.block("b", "second\n")
        for length in 0...whole.utf8.count {
            let contents = ResultBlocks(String(decoding: whole.utf8.prefix(length), as: UTF8.self), token: "t").contents
            #expect(contents["a"] == nil || contents["a"] == "first\n")
            #expect(contents["b"] == nil || (contents["b"] == "second\n" && contents["a"] != nil))
        }
    }
}
