// SPDX-License-Identifier: GPL-3.0-or-later

package import Logging

/// `log-format`.
package enum LogFormat: String, CaseIterable, Sendable {
    /// `notice: listening for the plugins socket=/run/slurm-grid-agent/events.sock`
    case text
    /// An object a line.
    case json
}

extension Logger.Level {
    /// Of syslog(3), which journald keeps: `journalctl -p warning`.
    package var journalPriority: Int {
        switch self {
        case .critical: 2
        case .error: 3
        case .warning: 4
        case .notice: 5
        case .info: 6
        case .debug, .trace: 7
        }
    }
}
