// SPDX-License-Identifier: GPL-3.0-or-later

internal import ArgumentParser
internal import ClusterBenchmarks
internal import CommandOutput
internal import FoundationEssentials
internal import Support

/// What is said of a run while it goes on: a line for each part that is over, a bar for the one that is at work.
struct BenchmarkFollow {
    /// How far a part is: by its program's own word, else by what the last one took; else nobody knows.
    struct Bar: Equatable {
        var words: String
        var done = 0
        /// 0: it is not known how much there is.
        var total = 0

        init?(_ part: BenchmarkRun.Part, now: Int64) {
            guard part.state.isOpen, part.state != .planned else { return nil }
            words = part.part.rawValue
            guard let start = part.startedAt else {
                words += part.job.map { ": job \($0) waits" } ?? ": waits"
                return
            }
            let elapsed = max(0, (part.endedAt ?? now) - start)
            if let progress = part.progress {
                words += ", \(progress.name): \(progress.percent) %, \(elapsed) s"
                (done, total) = (progress.percent, 100)
            } else {
                words += ": \(elapsed) s"
                if let expected = part.expected, expected > 0 {
                    words += ", last time \(expected) s"
                    // One that takes longer is not over for that.
                    (done, total) = (Int(min(elapsed, expected - 1)), Int(expected))
                }
            }
        }
    }

    private var told: Set<Int64> = []

    /// - Returns: a line for each part that is over and was not told of.
    mutating func lines(_ run: BenchmarkRun) -> [String] {
        run.parts.filter { !$0.state.isOpen && told.insert($0.id).inserted }.map { part in
            var line = part.part.rawValue + (part.hardware.isEmpty ? "" : " on \(part.hardware)")
            line += ": \(part.state.rawValue)"
            if let start = part.startedAt, let end = part.endedAt { line += ", \(max(0, end - start)) s" }
            if let message = part.message { line += ": \(message)" }
            return line
        }
    }

    /// The one that is at work.
    static func bar(_ run: BenchmarkRun, now: Int64) -> Bar? {
        run.parts.lazy.compactMap { Bar($0, now: now) }.first
    }

    private static let pause: Duration = .seconds(1)
    /// So often the agent may be away, as in a restart.
    private static let patience = 60

    /// Until the newest run is over.
    ///
    /// - Parameter ask: the newest run.
    static func follow(_ ask: () throws -> BenchmarkRun?) async throws {
        var (follow, bar, failures) = (BenchmarkFollow(), ProgressBar(), 0)
        while true {
            do {
                guard let run = try ask() else { return }
                failures = 0
                let lines = follow.lines(run)
                if !lines.isEmpty { bar.clear() }
                for line in lines { print(PrintableText.of(line)) }
                if run.endedAt != nil { return bar.clear() }
                if let now = Self.bar(run, now: Int64(Date().timeIntervalSince1970)) {
                    bar.show(words: now.words, done: now.done, of: now.total)
                }
            } catch {
                failures += 1
                guard failures < patience else {
                    bar.clear()
                    throw error
                }
            }
            try await Task.sleep(for: pause)
        }
    }
}

struct FollowOptions: ParsableArguments {
    @Flag(
        help:
            "Stay until the run is over: a bar for the part that is at work on a terminal, else a line every 10 s; a line for each part that is over."
    )
    var follow = false
}
