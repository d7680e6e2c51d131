// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials
import Logging
import Testing

@testable import Observability
@testable import Support

@Suite struct LogLineTests {
    private static let time = LogTime(seconds: 1_795_262_849, milliseconds: 7)

    private static func fields(_ json: String) throws -> [String: String] {
        try JSONDecoder().decode([String: String].self, from: Data(json.utf8))
    }

    @Test func text() {
        let line = LogLine(.notice, "took over a job", ["slurm": "7", "job": "0x2a", "why": "it was there"])
        #expect(
            line.rendered(.text, journal: false, time: Self.time)
                == "notice: took over a job job=0x2a slurm=7 why=\"it was there\"")
        #expect(
            line.rendered(.text, repeated: 12, journal: true, time: Self.time)
                == "<5>notice: took over a job job=0x2a slurm=7 why=\"it was there\" repeated=12")
    }

    @Test func json() throws {
        let line = LogLine(.error, "no \"answer\"", ["node": "https://node.example:443"])
        let plain = line.rendered(.json, repeated: 3, journal: false, time: Self.time)
        #expect(
            try Self.fields(plain) == [
                "time": "2026-11-21T12:07:29.007Z", "level": "error", "message": "no \"answer\"",
                "node": "https://node.example:443", "repeated": "3",
            ])
        #expect(plain.hasPrefix(#"{"time":"2026-11-21T12:07:29.007Z","level":"error","message":"no \"answer\""#))
        #expect(line.rendered(.json, repeated: 3, journal: true, time: Self.time) == "<3>" + plain)
    }

    @Test(
        "priorities of syslog(3)",
        arguments: [
            (.trace, 7), (.debug, 7), (.info, 6), (.notice, 5), (.warning, 4), (.error, 3), (.critical, 2),
        ] as [(Logger.Level, Int)])
    func priorities(_ level: Logger.Level, _ priority: Int) {
        #expect(
            LogLine(level, "x").rendered(.text, journal: true, time: Self.time) == "<\(priority)>\(level): x")
    }

    @Test("a field that is called like one of the line's own", arguments: LogLine.reserved)
    func reserved(_ name: String) throws {
        let line = LogLine(.info, "said", [name: "outside"])
        #expect(line.rendered(.text, journal: false, time: Self.time) == "info: said metadata_\(name)=outside")
        let fields = try Self.fields(line.rendered(.json, journal: false, time: Self.time))
        #expect(fields["metadata_\(name)"] == "outside" && fields["message"] == "said" && fields["level"] == "info")
    }

    @Test(
        "names of fields come from libraries too",
        arguments: [("a b\"\n", "a_b__"), ("", "metadata_"), ("x.y-z", "x.y-z")])
    func names(_ key: String, _ name: String) {
        #expect(LogLine(.info, "m", [key: "v"]).fields == [.init(key: name, value: "v")])
    }

    @Test(
        "a line is one line of at most 8 KiB, whatever is in it",
        arguments: ["x", "\u{1b}", "\"", "\n", "\\", "漢", "\u{e0001}", " "], LogFormat.allCases)
    func bounded(_ letter: String, _ format: LogFormat) throws {
        let long = String(repeating: letter, count: 100_000)
        var metadata = ["job": "0x2a", "slurm": "7", "why": long, "what": long, "a": long]
        for number in 0..<100 { metadata["field\(number)"] = String(long.prefix(100)) }
        for message in ["short", long] {
            let line = LogLine(.error, message, metadata)
                .rendered(format, repeated: .max, journal: true, time: Self.time)
            #expect(line.utf8.count <= LogLine.limit)
            #expect(!line.unicodeScalars.contains(where: PrintableText.isUnsafe))
            if format == .json {
                let fields = try Self.fields(String(line.dropFirst(3)))
                #expect(fields["cut"].flatMap(Int.init).map { $0 > 0 } == true)
                // What was left out is what is missing.
                #expect(fields.count - 5 + (fields["cut"].flatMap(Int.init) ?? 0) == metadata.count)
            } else {
                #expect(line.contains(" cut="))
            }
            #expect(message == "short" || line.contains("…[cut]"))
        }
    }

    @Test("an id is not pushed out by a long text before it")
    func idsStay() {
        let long = String(repeating: "\u{1b}", count: 9000)
        let line = LogLine(.error, long, ["a": long, "b": long, "c": long, "slurm": "7"])
        #expect(line.rendered(.text, journal: false, time: Self.time).contains(" slurm=7 "))
    }

    @Test(
        arguments: [
            (0, 0, "1970-01-01T00:00:00.000Z"), (951_782_400, 90, "2000-02-29T00:00:00.090Z"),
            (4_102_444_799, 999, "2099-12-31T23:59:59.999Z"),
        ] as [(Int64, Int, String)])
    func times(_ seconds: Int64, _ milliseconds: Int, _ text: String) {
        #expect(LogTime(seconds: seconds, milliseconds: milliseconds).text == text)
    }

    @Test(
        "whether standard error is journald's",
        arguments: [
            ("8:1234", true), ("8:1235", false), ("9:1234", false), ("", false), ("8", false), ("8:1234:0", false),
            (" 8:1234", false), ("8:-1", false), (nil, false),
        ] as [(String?, Bool)])
    func journal(_ variable: String?, _ isJournal: Bool) {
        #expect(JournalStream.isMeant(by: variable, device: 8, inode: 1234) == isJournal)
    }
}
