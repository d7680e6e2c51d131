// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc
package import Logging

/// Whether standard error is journald's, which then takes the priority from the beginning of a line (sd-daemon(3)) and adds
/// time and process by itself.
package enum JournalStream {
    /// The variable stays when somebody sends standard error elsewhere, so the file must be the one that it names
    /// (systemd.exec(5)).
    package static let isStandardError: Bool = {
        var status = stat()
        guard fstat(STDERR_FILENO, &status) == 0 else { return false }
        return isMeant(
            by: getenv("JOURNAL_STREAM").map { String(cString: $0) }, device: UInt64(status.st_dev),
            inode: UInt64(status.st_ino))
    }()

    /// - Parameter variable: `DEV:INO`, decimal.
    package static func isMeant(by variable: String?, device: UInt64, inode: UInt64) -> Bool {
        guard let parts = variable?.split(separator: ":", omittingEmptySubsequences: false), parts.count == 2 else {
            return false
        }
        return UInt64(parts[0]) == device && UInt64(parts[1]) == inode
    }

    package static func prefix(_ level: Logger.Level) -> String { "<\(level.journalPriority)>" }
}
