// SPDX-License-Identifier: GPL-3.0-or-later

internal import Support

/// Which part of slurmdbd's past is asked for next. No input or output; times are Unix seconds.
///
/// A round asks for all that ended since the one before, and a little before that, slice by slice. What was taken in is never
/// asked for again when a later slice fails: the next try begins with that slice, made smaller.
struct CatchUpPlan: Sendable {
    struct Settings: Sendable {
        /// How far a round reaches back before the last one, seconds: slurmctld may be late in telling slurmdbd.
        var overlap: Int64 = 900
        /// The first slice, seconds; then it grows while answers are short, and shrinks when they are long or do not come.
        var slice: Int64 = 1800
        var least: Int64 = 60
        var most: Int64 = 86_400
        /// Rows in an answer that is long.
        var longAnswer = 4_000
        var retry = RetryPolicy(first: .seconds(2), ceiling: .seconds(300))

        init() {}
    }

    private struct Round {
        var from: Int64
        var next: Int64
        var end: Int64
        /// slurmdbd was away before or in it.
        var isRepeated: Bool
    }

    private let settings: Settings
    /// All that ended until then is known, as far as slurmdbd had heard of it.
    private(set) var cursor: Int64?
    private var round: Round?
    /// The next round begins no later.
    private var reach: Int64?
    /// Whoever was away, slurmdbd or the agent, comes back to a slurmdbd that may still wait for what slurmctld kept for it:
    /// the round after the first that works asks for the same time once more.
    private var wasAway = true
    private var slice: Int64
    private var failures = 0

    init(cursor: Int64?, settings: Settings = Settings()) {
        self.cursor = cursor
        self.settings = settings
        slice = settings.slice
    }

    /// The slice to ask for, both ends in it. Begins a round when none is under way.
    mutating func next(now: Int64) -> ClosedRange<Int64> {
        var current: Round
        if let round {
            current = round
        } else {
            // The first time there is nothing to catch up with: the ledger begins with what slurmctld knows.
            let last = min(cursor ?? now, now)
            let from = max(0, min(last - settings.overlap, reach ?? .max))
            current = Round(from: from, next: from, end: max(from, now), isRepeated: false)
            reach = nil
        }
        current.isRepeated = current.isRepeated || wasAway
        wasAway = false
        round = current
        return current.next...min(current.end, current.next + slice - 1)
    }

    /// The slice was answered and its rows are dealt with.
    /// - Returns: whether the round is over.
    mutating func succeeded(_ asked: ClosedRange<Int64>, rows: Int) -> Bool {
        failures = 0
        cursor = max(cursor ?? 0, asked.upperBound)
        if rows > settings.longAnswer {
            slice = max(settings.least, slice / 2)
        } else if rows < settings.longAnswer / 4 {
            slice = min(settings.most, slice * 2)
        }
        guard var current = round, asked.upperBound < current.end else {
            if let round, round.isRepeated { reach = round.from }
            round = nil
            return true
        }
        current.next = asked.upperBound + 1
        round = current
        return false
    }

    /// - Returns: how long to wait before the next try.
    mutating func failed() -> Duration {
        defer { failures += 1 }
        wasAway = true
        slice = max(settings.least, slice / 2)
        return settings.retry.delay(attempt: failures)
    }
}
