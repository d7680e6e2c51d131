// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@testable import SpankBridge

@Suite("Frames")
struct FrameDecoderTests {
    static func event(_ job: UInt64 = 7, sequence: UInt64 = 1) -> Frame {
        var frame = Frame(.event, sequence: sequence)
        frame.append(.source, 1)
        frame.append(.bootID, bytes: Array(0..<16))
        frame.append(.kind, 2)
        frame.append(.jobID, job)
        return frame
    }

    private func decode(_ bytes: [UInt8], step: Int? = nil) -> (
        items: [FrameDecoder.Item], broken: FrameDecoder.Broken?
    ) {
        var decoder = FrameDecoder()
        var items: [FrameDecoder.Item] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = rest.prefix(step ?? rest.count)
            rest = rest.dropFirst(piece.count)
            do throws(FrameDecoder.Broken) {
                try decoder.feed(piece) { items.append($0) }
            } catch {
                return (items, error)
            }
        }
        return (items, nil)
    }

    @Test("however the stream is cut, the same frames come out")
    func cuts() throws {
        let frames = (1...5).map { Self.event($0, sequence: $0) }
        let bytes = try frames.flatMap { try #require($0.encoded) }
        for step in 1...bytes.count {
            let (items, broken) = decode(bytes, step: step)
            #expect(items == frames.map { .frame($0) } && broken == nil)
        }
    }

    @Test(
        "what is refused alone",
        arguments: [
            (6, UInt8(2), FrameRefusal.Reason.version(2)), (7, 99, .type(99)), (18, 200, .malformedField),
        ])
    func refused(_ offset: Int, _ byte: UInt8, _ reason: FrameRefusal.Reason) throws {
        var bad = try #require(Self.event().encoded)
        bad[offset] = byte
        let good = try #require(Self.event(8).encoded)
        let (items, broken) = decode(bad + good)
        #expect(items == [.refused(FrameRefusal(reason: reason, bytes: bad)), .frame(Self.event(8))])
        #expect(broken == nil)
    }

    @Test(
        "what ends the stream, for good",
        arguments: [
            [0, 0, 0, 0, 0x53, 0x47, 1, 1], [11, 0, 0, 0, 0x53, 0x47, 1, 1], [0xfd, 0xff, 0, 0, 0x53, 0x47, 1, 1],
            [20, 0, 0, 0, 0x53, 0x48, 1, 1],
            Array("GET / HTTP/1.1".utf8),
        ] as [[UInt8]])
    func broken(_ bytes: [UInt8]) throws {
        let good = try #require(Self.event().encoded)
        var decoder = FrameDecoder()
        var count = 0
        #expect(throws: FrameDecoder.Broken.self) { try decoder.feed(good + bytes) { _ in count += 1 } }
        #expect(count == 1)
        #expect(throws: FrameDecoder.Broken.self) { try decoder.feed(good) { _ in count += 1 } }
        #expect(count == 1)
    }

    @Test("numbers of any size; text that is no UTF-8; the same tag twice")
    func values() throws {
        var frame = Frame(.event, sequence: 0)
        for bytes in [[7], [7, 0], [7, 0, 0, 0], [7, 0, 0, 0, 0, 0, 0, 0]] as [[UInt8]] {
            frame.append(.jobID, bytes: bytes)
            #expect(frame.number(.jobID) == 7)
        }
        frame.append(.jobID, bytes: [1, 2, 3])
        #expect(frame.number(.jobID) == nil)
        frame.append(.jobID, bytes: [0, 0, 0, 0, 1, 0, 0, 0])
        #expect(frame.number32(.jobID) == nil)
        frame.append(.name, bytes: [0x61, 0xff, 0x62])
        #expect(frame.text(.name) == "a\u{fffd}b")
        frame.append(.name, String(repeating: "é", count: 3000))
        #expect(frame[.name]?.isTruncated == true && frame[.name]?.value.count == 4096)
        frame.append(.observed, UInt64.max)
        #expect(frame.time(.observed) == nil)
    }

    @Test(
        "an event says who, what and which; otherwise it is refused",
        arguments: [
            (FieldTag.source, "who saw it"), (.kind, "what happened"), (.bootID, "its boot id of 16 bytes"),
            (.jobID, "which job it was"),
        ])
    func incomplete(_ tag: FieldTag, _ what: String) {
        var frame = Self.event()
        frame.fields.removeAll { $0.tag == tag.rawValue }
        do {
            _ = try PluginEvent(frame)
            Issue.record("it was taken")
        } catch {
            #expect(error.what == what)
        }
    }

    @Test(
        "slurmctld's words for a job",
        arguments: [
            ("JobId=7", 7), ("JobId=7_3(9)", 9), ("JobId=7_*", 7), ("JobId=7_[1-3,5](7)", 7), ("JobId=5+1(6)", 6),
            ("JobId=Invalid", nil), ("", nil),
            ("JobId=0", nil), ("JobId=4294967294", nil), ("JobId=99999999999", nil), ("7", nil), ("JobId=7_3()", nil),
        ] as [(String, UInt32?)])
    func words(_ text: String, _ id: UInt32?) {
        #expect(JobText(text)?.jobID == id)
    }

    /// The frozen examples, which the C reader decodes too (slurm-plugins/test/unit.c).
    @Test("fixtures of version 1")
    func fixtures() throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../slurm-plugins/fixtures/v1").standardized
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".bin") }
        #expect(files.count >= 13)
        for file in files {
            let bytes = [UInt8](try Data(contentsOf: folder.appendingPathComponent(file)))
            let expected = try String(
                contentsOf: folder.appendingPathComponent(file.replacingOccurrences(of: ".bin", with: ".txt")),
                encoding: .utf8)
            guard case .frame(let frame) = decode(bytes).items.first else {
                Issue.record("\(file) is no frame")
                continue
            }
            var lines = ["type=\(frame.kind.rawValue) sequence=\(frame.sequence)"]
            lines += frame.fields.map { "\($0.tag)\($0.isTruncated ? "!" : "") \(PluginHello.hex($0.value))" }
            #expect(lines.joined(separator: "\n") + "\n" == expected, "\(file)")
            switch frame.kind {
            case .event: _ = try PluginEvent(frame)
            case .hello: #expect(try PluginHello(frame).mode == "rich")
            case .node: #expect(try PluginNode(frame).node == "c1")
            default: break
            }
        }
    }

    @Test("what the fields mean")
    func meaning() throws {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
            "../../slurm-plugins/fixtures/v1/rich-end.bin")
        guard case .frame(let frame) = decode([UInt8](try Data(contentsOf: path.standardized))).items.first else {
            return
        }
        let event = try PluginEvent(frame)
        #expect(
            event.isRich && event.jobID == 4711 && event.uid == 1000 && event.state == 0x8005 && event.exitCode == 768)
        #expect(
            event.submitTime == 1_795_232_500 && event.endTime == 1_795_232_535 && event.suspendTime == 1_795_232_520)
        #expect(event.runTimeBeforeSuspension == 8 && event.restartCount == 2 && event.timeLimit == 60)
        #expect(event.comment == "grüße" && event.adminComment == "sga:1-ff,other" && event.nodes == "n[1-4]")
    }

    private func fixture(_ name: String) throws -> Frame? {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
            "../../slurm-plugins/fixtures/v1/\(name).bin")
        guard case .frame(let frame) = decode([UInt8](try Data(contentsOf: path.standardized))).items.first else {
            return nil
        }
        return frame
    }

    @Test("what a node says of a job and of itself")
    func placement() throws {
        let prolog = try PluginEvent(#require(try fixture("prolog-gpus")))
        #expect(prolog.kind == .prolog && prolog.placement?.gpus == [0, 2, 3] && prolog.placement?.cores == nil)
        #expect(
            prolog.placement?.gpuAddresses == ["0000:47:00.0", "0000:4e:00.0", "0000:07:00.0", "0000:0f:00.0"])
        var frame = try #require(try fixture("step-cores"))
        let step = try PluginEvent(frame)
        #expect(step.kind == .stepStart && step.placement?.cores == [0, 1, 5] && step.placement?.memory == 515_072)
        #expect(
            step.placement?.hardware == [
                [0, 8], [1, 9], [2, 10], [3, 11], [4, 12], [5, 13], [6, 14], [7, 15],
            ])
        // Cut is not whole, and no job completion plugin is on a node.
        frame.fields = frame.fields.map { field in
            var field = field
            if field.tag == FieldTag.hardware.rawValue { field.isTruncated = true }
            return field
        }
        #expect(try PluginEvent(frame).placement?.hardware == nil)
        frame.fields.removeAll { $0.tag == FieldTag.source.rawValue || $0.tag == FieldTag.bootID.rawValue }
        frame.append(.source, 1)
        frame.append(.bootID, bytes: Array(0..<16))
        #expect(try PluginEvent(frame).placement == nil)
    }

    @Test("what a node had kept")
    func late() throws {
        let late = try PluginEvent(#require(try fixture("step-cores-late")))
        #expect(late.waited == 4500 && late.placement?.cores == [0, 1, 5])
        #expect(try PluginEvent(#require(try fixture("step-cores"))).waited == nil)
        var frame = try #require(try fixture("node"))
        #expect(try PluginNode(frame).waited == nil)
        frame.append(.waited, 1 << 33)
        #expect(try PluginNode(frame).waited == 1 << 33)
        // What no clock can show.
        frame.append(.waited, .max)
        #expect(try PluginNode(frame).waited == nil)
    }

    @Test("what a node says of itself alone")
    func node() throws {
        var frame = try #require(try fixture("node"))
        let node = try PluginNode(frame)
        #expect(node.node == "c1" && node.observed == 1_795_232_535_123_456)
        #expect(node.hardware?.hardware?.count == 8 && node.hardware?.memory == 515_072)
        #expect(node.hardware?.gpuAddresses == ["0000:47:00.0", "0000:4e:00.0"])
        #expect(try PluginNode(#require(try fixture("node-without-gpus"))).hardware?.hardware == [[0], [1]])
        // It is told of no job.
        frame.append(.cores, "0-1")
        frame.append(.gpus, "0")
        frame.append(.jobID, 7)
        let more = try PluginNode(frame)
        #expect(more.hardware == node.hardware)
        // One whose kernel says nothing is heard all the same.
        frame.fields.removeAll { $0.tag == FieldTag.hardware.rawValue || $0.tag == FieldTag.gpuAddresses.rawValue }
        #expect(try PluginNode(frame).hardware == nil)
    }

    @Test(
        "a node says who it is, and is no job completion plugin",
        arguments: [
            (FieldTag.source, nil, "that a node's plugin sent it"),
            (.source, [1], "that a node's plugin sent it"), (.node, nil, "which node it is"),
            (.node, [], "which node it is"),
        ] as [(FieldTag, [UInt8]?, String)])
    func incompleteNode(_ tag: FieldTag, _ value: [UInt8]?, _ what: String) throws {
        var frame = try #require(try fixture("node"))
        frame.fields.removeAll { $0.tag == tag.rawValue }
        if let value { frame.append(tag, bytes: value) }
        do {
            _ = try PluginNode(frame)
            Issue.record("it was taken")
        } catch {
            #expect(error.what == what)
        }
    }

    @Test(
        "lists that are none",
        arguments: [
            "", ",", "0,", ",0", "-", "0-", "-1", "3-1", "0,0", "1,0", "0-3,3", "4096", "0-4096", "99999",
            "0-4294967295",
            "0x1", " 1", "1 ", "1\n", "1-2-3", "+1", "a", "0;1", "é", "18446744073709551616",
        ])
    func noList(text: String) {
        #expect(PluginPlacement.list(Array(text.utf8)) == nil)
        #expect(PluginPlacement.hardware(Array((text + ";x").utf8)) == nil)
        #expect(PluginPlacement.addresses(Array(text.utf8)) == nil)
    }

    @Test("hardware that contradicts itself")
    func noHardware() {
        for text in ["0,0", "0;0", "0/1/0", "0//1", "0;;1", "/0", "0/", "0-3", "0,", "4096"] {
            #expect(PluginPlacement.hardware(Array(text.utf8)) == nil, "\(text)")
        }
        #expect(PluginPlacement.hardware(Array("5/4,0".utf8)) == [[5], [4, 0]])
        for text in [
            "0000:47:00.0,0000:4e:00.0,0000:47:00.0", "0000:47:00.0,", "0000:47:00", "0000:47:00.0 ", "0000:C7:00.0",
        ] {
            #expect(PluginPlacement.addresses(Array(text.utf8)) == nil, "\(text)")
        }
        #expect(PluginPlacement.list(Array("0-4095".utf8))?.count == 4096)
        // Of a GPU that is divided.
        let parts = "0000:07:00.0,0000:0f:00.0,0000:0f:00.0"
        #expect(PluginPlacement.addresses(Array(parts.utf8)) == parts.split(separator: ",").map(String.init))
    }

    @Test("inputs on which a fuzzer once failed, and its seeds")
    func fuzzCases() throws {
        let top = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
            "../../FuzzTesting"
        ).standardized
        var replayed = 0
        for kind in ["FailCases", "Corpus"] {
            let folder = top.appendingPathComponent(kind + "/Frames")
            for file in try FileManager.default.contentsOfDirectory(atPath: folder.path) where !file.hasPrefix(".") {
                let bytes = [UInt8](try Data(contentsOf: folder.appendingPathComponent(file)))
                let step = Int(bytes.first ?? 0) + 1
                #expect(
                    decode(Array(bytes.dropFirst())).items == decode(Array(bytes.dropFirst()), step: step).items,
                    "\(file)")
                replayed += 1
            }
        }
        #expect(replayed > 0)
    }

    @Test("a million bytes of nonsense in a hundred thousand streams: no crash, bounded memory")
    func nonsense() throws {
        var random = SystemRandomNumberGenerator()
        let good = try #require(Self.event().encoded)
        for _ in 0..<100_000 {
            var bytes = good
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            var decoder = FrameDecoder()
            do throws(FrameDecoder.Broken) {
                try decoder.feed(bytes) { item in
                    if case .frame(let frame) = item {
                        _ = try? PluginEvent(frame)
                        _ = try? PluginHello(frame)
                    }
                }
            } catch {
                continue
            }
            #expect(decoder.pendingBytes <= 65_536)
        }
    }
}
