// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc
package import Logging
internal import NIOConcurrencyHelpers
internal import ServiceLifecycle

/// A fact's way to its line: the problems that the status shows, the level, the rate limit, the format, standard error.
package final class LogPipeline: Sendable {
    package static let shared = LogPipeline(descriptor: STDERR_FILENO, journal: JournalStream.isStandardError)

    private struct State {
        var level = Logger.Level.info
        var limiter = RepeatLimiter()
        var ring = ProblemRing()
    }

    private let state = NIOLockedValueBox(State())
    private let format: NIOLockedValueBox<LogFormat>
    private let journal: Bool
    private let clock: @Sendable () -> Double
    private let time: @Sendable () -> LogTime
    private let writer: LogWriter

    /// - Parameters:
    ///   - journal: whether journald reads it.
    ///   - clock: seconds, never going back.
    package init(
        descriptor: Int32, journal: Bool, clock: @escaping @Sendable () -> Double = LogPipeline.monotonic,
        time: @escaping @Sendable () -> LogTime = { .now }
    ) {
        let format = NIOLockedValueBox(LogFormat.text)
        self.format = format
        (self.journal, self.clock, self.time) = (journal, clock, time)
        writer = LogWriter(descriptor: descriptor) { lost in
            LogLine(.warning, "lines of the log were lost: nobody took them from standard error", ["count": "\(lost)"])
                .rendered(format.withLockedValue { $0 }, journal: journal, time: time())
        }
    }

    package var level: Logger.Level { state.withLockedValue { $0.level } }

    package func setLevel(_ level: Logger.Level) { state.withLockedValue { $0.level = level } }

    package func setFormat(_ format: LogFormat) { self.format.withLockedValue { $0 = format } }

    package var problems: [LogProblem] { state.withLockedValue { $0.ring.problems } }

    package var problemCounts: [String: Int] { state.withLockedValue { $0.ring.counts } }

    package func take(_ label: String, _ level: Logger.Level, _ message: String, _ metadata: [String: String]) {
        let line = LogLine(level, message, metadata)
        var overdue: [RepeatLimiter.Overdue] = []
        let decision = state.withLockedValue { state -> RepeatLimiter.Decision in
            let isWritten = level >= state.level
            guard level >= .warning else { return isWritten ? .tell(repeated: 0) : .hold }
            let now = clock()
            state.ring.note(line, label: label, at: time().seconds)
            let decision = isWritten ? state.limiter.offer(line, label: label, at: now) : .hold
            overdue = state.limiter.overdue(at: now)
            return decision
        }
        for held in overdue { write(held.line, repeated: held.repeated) }
        if case .tell(let repeated) = decision { write(line, repeated: repeated) }
    }

    /// Tells what was held back and is due, and tries again what standard error did not take.
    package func tick() {
        for held in state.withLockedValue({ $0.limiter.overdue(at: clock()) }) {
            write(held.line, repeated: held.repeated)
        }
        writer.retry()
    }

    /// Before the process ends. Blocks.
    package func flush(atMost seconds: Double) {
        let end = clock() + seconds
        while !writer.retry(), clock() < end { usleep(20_000) }
    }

    private func write(_ line: LogLine, repeated: Int) {
        writer.write(
            line.rendered(format.withLockedValue { $0 }, repeated: repeated, journal: journal, time: time()))
    }

    package static func monotonic() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

/// Keeps the log going while nothing is logged.
package struct LogKeeper: Service {
    package init() {}

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                LogPipeline.shared.tick()
                try? await Task.sleep(for: .seconds(2))
            }
        }
        LogPipeline.shared.tick()
    }
}
