// SPDX-License-Identifier: GPL-3.0-or-later

internal import Logging

/// The last warnings and errors, for the status. One that comes again moves to the front and counts.
package struct ProblemRing: Sendable {
    private struct Entry {
        var label: String
        var level: Logger.Level
        var message: String
        var problem: LogProblem
    }

    /// Bytes of one problem's text.
    package static let textLimit = 500

    private let capacity: Int
    private var entries: [Entry] = []
    /// Since the start, by level; those too that are no longer among the last.
    private(set) var counts: [String: Int] = Dictionary(
        uniqueKeysWithValues: [Logger.Level.warning, .error, .critical].map { ($0.rawValue, 0) })

    package init(capacity: Int = 50) {
        self.capacity = capacity
    }

    /// The newest first.
    package var problems: [LogProblem] { entries.map(\.problem) }

    /// - Parameter time: Unix seconds.
    package mutating func note(_ line: LogLine, label: String, at time: Int64) {
        counts[line.level.rawValue, default: 0] += 1
        let known = entries.firstIndex { $0.level == line.level && $0.label == label && $0.message == line.message }
        let count = known.map { entries.remove(at: $0).problem.count } ?? 0
        if entries.count >= capacity { entries.removeLast() }
        let problem = LogProblem(
            at: time, level: line.level.rawValue, message: line.words(limit: Self.textLimit), count: count + 1)
        entries.insert(Entry(label: label, level: line.level, message: line.message, problem: problem), at: 0)
    }
}
