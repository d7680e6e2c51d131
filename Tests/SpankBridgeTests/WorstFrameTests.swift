// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import SpankBridge

@Suite("The worst megabyte of frames")
struct WorstFrameTests {
    private static let size = 1 << 20

    /// A frame of these fields, of the kind that has most to read.
    private static func frame(_ body: [UInt8], version: UInt8 = FrameFormat.version, kind: UInt8 = 1) -> [UInt8] {
        let length = body.count + FrameFormat.headerSize - FrameFormat.lengthSize
        let magic = FrameFormat.magic
        return (0..<4).map { UInt8(length >> (8 * $0) & 0xff) } + [
            UInt8(magic & 0xff), UInt8(magic >> 8), version, kind,
        ]
            + [UInt8](repeating: 0, count: 8) + body
    }

    private static func filled(_ part: [UInt8]) -> [UInt8] {
        Array(repeatElement(part, count: size / part.count).joined())
    }

    /// Told by its name: a megabyte takes longer to print than to read.
    struct Input: CustomTestStringConvertible, Sendable {
        let name: String
        let bytes: [UInt8]
        var testDescription: String { name }
    }

    static let longest = 65_532 - 12
    private static let frames: [(name: String, bytes: [UInt8])] = [
        ("the shortest frames", filled(frame([]))),
        ("fields of nothing", filled(frame(Array(repeatElement([1, 0, 0, 0], count: longest / 4).joined())))),
        (
            "one field",
            filled(
                frame(
                    [1, 0, UInt8((longest - 4) & 0xff), UInt8((longest - 4) >> 8)]
                        + [UInt8](repeating: 0x61, count: longest - 4)))
        ),
        ("a field beyond the end", filled(frame([1, 0, 0xff, 0xff]))),
        ("a later version", filled(frame([], version: 99))), ("no such type", filled(frame([], kind: 250))),
        ("a frame that does not end", Array(frame([UInt8](repeating: 0, count: longest)).dropLast(1))),
        ("zeros", [UInt8](repeating: 0, count: size)),
        ("the largest length", filled([0xff, 0xff, 0xff, 0xff])),
    ]
    static let worst = frames.map { Input(name: $0.name, bytes: $0.bytes) }

    @Test("is read in one pass, however it is cut", arguments: worst, [1, 7, 4096, 65_536, 1 << 20])
    func onePass(_ input: Input, _ part: Int) {
        // Byte by byte it is the same after a while.
        let bytes = part < 4096 ? Array(input.bytes.prefix(200_000)) : input.bytes
        var decoder = FrameDecoder()
        var parts = 0
        for start in stride(from: 0, to: bytes.count, by: part) {
            parts += 1
            do throws(FrameDecoder.Broken) {
                try decoder.feed(bytes[start..<min(start + part, bytes.count)]) { _ in }
            } catch {
                break
            }
            #expect(decoder.pendingBytes <= 65_536)
        }
        #expect(decoder.steps > 0)
        #expect(decoder.steps <= FrameDecoder.worstSteps(bytes: bytes.count, parts: parts))
    }
}
