// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc
package import Logging

/// One line a fact, to standard error; what the lines look like is in `docs/logs.md`. Level and format can change while the
/// daemon runs.
package struct AgentLogHandler: LogHandler {
    package var metadata: Logger.Metadata = [:]
    package let label: String
    private let pipeline: LogPipeline

    package static func bootstrap() {
        // Whoever reads standard error may go before us.
        signal(SIGPIPE, SIG_IGN)
        LoggingSystem.bootstrap { AgentLogHandler(label: $0) }
        // The last lines say why it ended.
        atexit { LogPipeline.shared.flush(atMost: 1) }
    }

    /// - Parameter name: as swift-log has it: `info`; another word changes nothing.
    package static func setLevel(_ name: String) {
        if let level = Logger.Level(rawValue: name) { LogPipeline.shared.setLevel(level) }
    }

    /// - Parameter name: a ``LogFormat``'s; another word changes nothing.
    package static func setFormat(_ name: String) {
        if let format = LogFormat(rawValue: name) { LogPipeline.shared.setFormat(format) }
    }

    /// The last warnings and errors, the newest first; those too that the level or the rate limit kept from the log.
    package static var problems: [LogProblem] { LogPipeline.shared.problems }

    /// How many there were since the start, by level; all levels from warning on are there.
    package static var problemCounts: [String: Int] { LogPipeline.shared.problemCounts }

    package init(label: String, pipeline: LogPipeline = .shared) {
        self.label = label
        self.pipeline = pipeline
    }

    /// Warnings come here whatever is written: the status shows them.
    package var logLevel: Logger.Level {
        get { min(pipeline.level, .warning) }
        set { pipeline.setLevel(newValue) }
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var all = metadata.merging(event.metadata ?? [:]) { _, new in new }
        if let error = event.error, all["why"] == nil { all["why"] = "\(error)" }
        pipeline.take(label, event.level, "\(event.message)", all.mapValues { "\($0)" })
    }
}
