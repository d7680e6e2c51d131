// SPDX-License-Identifier: GPL-3.0-or-later

/// A warning or error of the log, as the status shows it.
package struct LogProblem: Codable, Sendable, Equatable {
    /// Unix seconds.
    package var at: Int64
    /// `warning`, `error`, `critical`.
    package var level: String
    /// With its ids.
    package var message: String
    /// How often since the first time, if it repeats.
    package var count: Int

    package init(at: Int64, level: String, message: String, count: Int) {
        (self.at, self.level, self.message, self.count) = (at, level, message, count)
    }
}
