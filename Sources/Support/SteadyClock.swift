// SPDX-License-Identifier: GPL-3.0-or-later

public import FoundationEssentials

/// Dates that never jump: the wall clock of the process's start, moved on by the machine's monotonic clock (which counts
/// while the machine sleeps). For ages: an administrator or NTP may set the wall clock at any time.
public enum SteadyClock {
    private static let start = (wall: Date(), instant: ContinuousClock.now)

    public static func now() -> Date {
        start.wall + (ContinuousClock.now - start.instant) / .seconds(1)
    }
}
