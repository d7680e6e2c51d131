// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials
import Glibc
import Logging
import Synchronization
import Testing

@testable import Observability

/// Both ends of what stands for standard error.
private struct Ends: ~Copyable {
    let reader: Int32
    let writer: Int32

    /// - Parameter isSocket: as with journald; else a pipe. Either takes 100 KB and more.
    init(isSocket: Bool) throws {
        var pair: [Int32] = [0, 0]
        let result = isSocket ? socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) : pipe(&pair)
        try #require(result == 0)
        (reader, writer) = (pair[0], pair[1])
        _ = fcntl(reader, F_SETFL, O_NONBLOCK)
    }

    deinit {
        close(reader)
        close(writer)
    }

    /// What is there now.
    func read() -> String {
        var all: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(reader, &chunk, chunk.count)
            guard count > 0 else { return String(decoding: all, as: UTF8.self) }
            all += chunk[..<count]
        }
    }

    /// And what comes after room was made for it.
    func readAll(_ retry: () -> Bool) -> [Substring] {
        var text = ""
        while true {
            let isDone = retry()
            text += read()
            if isDone { return text.split(separator: "\n") }
        }
    }
}

@Suite struct LogWriterTests {
    @Test(arguments: [true, false])
    func writesAtOnce(_ isSocket: Bool) throws {
        let ends = try Ends(isSocket: isSocket)
        let writer = LogWriter(descriptor: ends.writer) { "lost \($0)" }
        writer.write("one")
        writer.write("two")
        #expect(ends.read() == "one\ntwo\n")
    }

    @Test("whoever does not read blocks nobody; what waited comes in order", arguments: [true, false])
    func waits(_ isSocket: Bool) throws {
        let ends = try Ends(isSocket: isSocket)
        let writer = LogWriter(descriptor: ends.writer) { "lost \($0)" }
        let rest = String(repeating: "x", count: 991)
        let lines = (0..<1000).map { "line \($0) \(rest)" }
        for line in lines { writer.write(line) }
        #expect(!writer.retry())
        #expect(ends.readAll(writer.retry).map(String.init) == lines)
        writer.write("after")
        #expect(ends.read() == "after\n")
    }

    @Test("too much is dropped, counted, and told when there is room", arguments: [true, false])
    func drops(_ isSocket: Bool) throws {
        let ends = try Ends(isSocket: isSocket)
        let writer = LogWriter(descriptor: ends.writer, limit: 100_000) { "lost \($0)" }
        let rest = String(repeating: "x", count: 991)
        for number in 0..<2000 { writer.write("line \(number) \(rest)") }
        let read = ends.readAll(writer.retry)
        let lost = try #require(read.last.flatMap { $0.hasPrefix("lost ") ? Int($0.dropFirst(5)) : nil })
        #expect(lost > 0 && read.count - 1 + lost == 2000)
        // The oldest are kept, whole.
        for (number, line) in read.dropLast().enumerated() { #expect(line == "line \(number) \(rest)") }
        writer.write("after")
        #expect(ends.read() == "after\n")
    }

    @Test func nobodyReadsAnyMore() throws {
        var pair: [Int32] = [0, 0]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0)
        let writer = LogWriter(descriptor: pair[1]) { "lost \($0)" }
        close(pair[0])
        for _ in 0..<5 { writer.write("into the void") }
        #expect(writer.retry())
        close(pair[1])
        writer.write("closed")
        #expect(writer.retry())
    }
}

@Suite struct LogPipelineTests {
    private final class Clock: Sendable {
        private let seconds = Mutex(0.0)
        var now: Double { seconds.withLock { $0 } }
        func set(_ value: Double) { seconds.withLock { $0 = value } }
    }

    private static func logger(_ pipeline: LogPipeline) -> Logger {
        Logger(label: "agent") { AgentLogHandler(label: $0, pipeline: pipeline) }
    }

    @Test("from a logger to the line: level, format, repeats, problems")
    func wholeWay() throws {
        let ends = try Ends(isSocket: false)
        let clock = Clock()
        let pipeline = LogPipeline(
            descriptor: ends.writer, journal: false, clock: { clock.now },
            time: { LogTime(seconds: 1000 + Int64(clock.now), milliseconds: 5) })
        let logger = Self.logger(pipeline)
        logger.debug("hidden")
        logger.info("shown", metadata: ["job": "0x2a"])
        #expect(ends.read() == "info: shown job=0x2a\n")

        for id in 1...3 { logger.warning("gone", metadata: ["slurm": "\(id)"]) }
        for _ in 1...3 { logger.notice("every time") }
        #expect(ends.read() == "warning: gone slurm=1\n" + String(repeating: "notice: every time\n", count: 3))
        clock.set(60)
        pipeline.tick()
        #expect(ends.read() == "warning: gone slurm=3 repeated=2\n")

        pipeline.setFormat(.json)
        pipeline.setLevel(.error)
        logger.warning("kept from the log")
        logger.error("bad")
        let line = ends.read()
        #expect(line.hasPrefix(#"{"time":"1970-01-01T00:17:40.005Z","level":"error","message":"bad"}"#))
        #expect(line.filter { $0 == "\n" }.count == 1)
        #expect(
            pipeline.problems == [
                .init(at: 1060, level: "error", message: "bad", count: 1),
                .init(at: 1060, level: "warning", message: "kept from the log", count: 1),
                .init(at: 1000, level: "warning", message: "gone slurm=3", count: 3),
            ])
    }

    @Test("what waited too long is told as the log's own warning")
    func lost() throws {
        let ends = try Ends(isSocket: true)
        let pipeline = LogPipeline(descriptor: ends.writer, journal: true)
        let logger = Self.logger(pipeline)
        let long = String(repeating: "x", count: 2000)
        for number in 0..<900 { logger.info("line", metadata: ["count": "\(number)", "why": "\(long)"]) }
        pipeline.flush(atMost: 0)
        var text = ""
        while case let piece = ends.read(), !piece.isEmpty {
            text += piece
            pipeline.tick()
        }
        let last = try #require(text.split(separator: "\n").last)
        #expect(
            last.wholeMatch(
                of: /<4>warning: lines of the log were lost: nobody took them from standard error count=\d+/) != nil)
    }

    @Test("an error that a line is about says why")
    func errors() throws {
        struct Trouble: Error, CustomStringConvertible { let description = "no room" }
        let ends = try Ends(isSocket: false)
        var logger = Self.logger(LogPipeline(descriptor: ends.writer, journal: false))
        logger[metadataKey: "gateway"] = "journal"
        logger.error("not written", error: Trouble())
        #expect(ends.read() == "error: not written gateway=journal why=\"no room\"\n")
    }
}
