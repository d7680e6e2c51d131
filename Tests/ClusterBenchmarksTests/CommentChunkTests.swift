// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@testable import ClusterBenchmarks

@Suite("What comes by a job's comment") struct CommentChunkTests {
    static func chunk(
        _ attempt: Int64, _ number: Int64, last: Bool = false, _ data: String = "AAAA", job: UInt32 = 7,
        secret: String = "s"
    ) -> String {
        let code = CommentChunk.code(job: job, attempt, number, isLast: last, data, secret: secret)
        return "@sga chunk \(attempt) \(number) \(last ? "." : "+") \(code) \(data)"
    }

    @Test("the code is HMAC-SHA256, cut to its first half, as openssl makes it")
    func code() {
        // printf '7 0 1 + AAAA' | openssl dgst -sha256 -hmac Jefe
        #expect(
            CommentChunk.code(job: 7, 0, 1, isLast: false, "AAAA", secret: "Jefe") == "c8679cf2e0f21bf02fe79d5fc26fb7ab"
        )
    }

    @Test("a chunk of this job and of this run")
    func right() throws {
        let first = try #require(CommentChunk(Self.chunk(0, 1), job: 7, secret: "s"))
        #expect(first.attempt == 0 && first.number == 1 && !first.isLast && first.data == "AAAA")
        let large = Self.chunk(
            9_999_999_999, CommentChunk.countLimit, last: true,
            String(repeating: "A", count: CommentChunk.dataLimit))
        // What Slurm takes.
        #expect(large.utf8.count <= 1024)
        #expect(CommentChunk(large, job: 7, secret: "s")?.isLast == true)
        #expect(CommentChunk.answer(1, 2) == "@sga taken 1 2")
    }

    @Test(
        "and everything else",
        arguments: [
            "", " ", "benchmark", "@sga", "@sga taken 0 1", "@sga chunk", "@sga chunk 0 1 +",
            "@sga chunk 0 1 + \(String(repeating: "0", count: 32)) AAAA", chunk(0, 1, secret: "t"), chunk(0, 1, job: 8),
            chunk(0, 1) + "A", chunk(0, 1) + " ", " " + chunk(0, 1),
            chunk(0, 1).replacing("@sga chunk 0 1 +", with: "@sga chunk 0 1 ."),
            chunk(0, 1).replacing("@sga chunk 0 1", with: "@sga chunk 0 2"),
            chunk(0, 1).replacing("@sga chunk 0 1", with: "@sga chunk 1 1"), chunk(0, 0),
            chunk(0, CommentChunk.countLimit + 1),
            chunk(-1, 1), chunk(10_000_000_000, 1), chunk(0, 1, ""), chunk(0, 1, "AA AA"),
            chunk(0, 1, String(repeating: "A", count: CommentChunk.dataLimit + 1)),
            chunk(0, 1).replacing("@sga chunk 0 1", with: "@sga chunk 0 99999999999999999999"),
            String(repeating: "@sga chunk ", count: 1000), chunk(0, 1).uppercased(),
        ])
    func foreign(_ comment: String) { #expect(CommentChunk(comment, job: 7, secret: "s") == nil) }

    @Test(
        "what is done with one: new, twice, out of order, after the job was started again",
        arguments: [
            // Attempt, number, last; what is kept then: attempt, number, text.
            ([(0, 1, false)], "taken", 0, 1, "a1"),
            ([(0, 1, false), (0, 1, false)], "repeated", 0, 1, "a1"),
            ([(0, 2, false)], "repeated", 0, 0, ""),
            ([(0, 1, false), (0, 3, false)], "repeated", 0, 1, "a1"),
            ([(0, 1, false), (0, 2, true)], "whole a1a2", 0, 2, ""),
            ([(0, 1, false), (0, 2, true), (0, 2, true)], "repeated", 0, 2, ""),
            ([(0, 1, true), (0, 2, true)], "whole a2", 0, 2, ""),
            ([(0, 1, false), (1, 1, false)], "taken", 1, 1, "b1"),
            ([(0, 1, false), (1, 2, false)], "repeated", 1, 0, ""),
            ([(1, 1, false), (0, 2, false)], "repeated", 0, 0, ""),
            ([(0, 1, true), (1, 1, false), (1, 2, true)], "whole b1b2", 1, 2, ""),
        ] as [([(Int64, Int64, Bool)], String, Int64, Int64, String)])
    func transfer(
        _ chunks: [(Int64, Int64, Bool)], _ wanted: String, _ attempt: Int64, _ number: Int64, _ text: String
    ) throws {
        var transfer = CommentTransfer()
        var last = ""
        for (attempt, number, isLast) in chunks {
            let comment = Self.chunk(attempt, number, last: isLast, "\(attempt == 0 ? "a" : "b")\(number)")
            let chunk = try #require(CommentChunk(comment, job: 7, secret: "s"))
            last =
                switch transfer.take(chunk) {
                case .repeated: "repeated"
                case .taken: "taken"
                case .whole(let text): "whole \(text)"
                }
        }
        #expect(last == wanted && transfer == CommentTransfer(attempt: attempt, number: number, text: text))
    }

    /// As a job packs it, by gzip itself.
    static func parcel(_ text: String) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", "gzip -9 | base64 -w 0"]
        let (input, output) = (Pipe(), Pipe())
        (process.standardInput, process.standardOutput) = (input, output)
        try process.run()
        // Less than a pipe holds.
        try input.fileHandleForWriting.write(contentsOf: Data(text.utf8))
        try input.fileHandleForWriting.close()
        let packed = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: packed, as: UTF8.self)
    }

    @Test(
        "what is in a parcel",
        arguments: [
            ("hpcc 3\nabc", ["hpcc": "abc"]), ("a 0\n", ["a": ""]),
            ("a 2\nx\nb.1 4\ny\n z", ["a": "x\n", "b.1": "y\n z"]),
            ("a 1\nxa 1\ny", ["a": "x"]), ("a 4\n\u{1F600}", ["a": "\u{1F600}"]),
        ])
    func parcels(_ text: String, _ wanted: [String: String]) throws {
        #expect(try ResultParcel.contents(packed: Self.parcel(text)) == wanted)
    }

    @Test(
        "what is in none",
        arguments: [
            "", "a", "a 1\n", "a 2\nx", "a -1\nx", "a x\nx", "A 1\nx", "a 1 2\nx", "a 1\nxy", "a 9999999999\nx",
            "a 99999999999999999999\nx",
        ]
    )
    func wrong(_ text: String) throws {
        let parcel = try Self.parcel(text)
        #expect(throws: ResultError.self) { try ResultParcel.contents(packed: parcel) }
    }

    @Test("a damaged one, a cut one, one with something behind, and a few bytes that unpack to more than there may be")
    func damaged() throws {
        let right = try Self.parcel("hpcc 3\nabc")
        var bytes = Array(try #require(Data(base64Encoded: right)))
        func isRefused(_ text: String) -> Bool { (try? ResultParcel.contents(packed: text)) == nil }
        #expect(isRefused("") && isRefused("!!!!") && isRefused("AAAA"))
        #expect(isRefused(Data(bytes.dropLast()).base64EncodedString()))
        #expect(isRefused(Data(bytes + [0]).base64EncodedString()))
        bytes[bytes.count - 5] ^= 1
        #expect(isRefused(Data(bytes).base64EncodedString()))
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", "head -c \(ResultParcel.limit + 1) /dev/zero | gzip -9 | base64 -w 0"]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let bomb = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(bomb.utf8.count > 10_000 && isRefused(bomb))
    }
}
