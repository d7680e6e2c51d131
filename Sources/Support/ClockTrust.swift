// SPDX-License-Identifier: GPL-3.0-or-later

/// How far the wall clock can be believed where an age deletes data or gives work up. No I/O.
///
/// The wall clock may be set to any time: by a broken NTP server, a machine that is resumed, a typo. The steady clock shows how
/// much time has passed. Where the two differ, ages count by the earlier of them, until the wall clock is back, or has run
/// steadily for a day.
///
/// All times: Unix seconds.
public struct ClockTrust: Sendable {
    /// What NTP corrects, and a virtual machine that stood still for a moment.
    static let slack: Double = 120
    /// An agent may have been switched off for so long.
    static let slackOfRestart: Double = 7 * 86_400
    /// For so long another time has to stay before it is believed.
    static let probation: Double = 86_400

    /// How far the wall clock is before the steady one while it is right.
    private var offset: Double
    private var allowed: Double
    /// What it shows instead, and since when by the steady clock.
    private var other: (offset: Double, since: Double)?
    /// What the last look gave, and when by the steady clock.
    private var last: (time: Double, steady: Double)?

    /// The time that ages count by has moved on beyond the steady clock, as a wall clock that was behind has been put right, or one that
    /// is ahead is believed now: when that was, and by how much. What was dated before seems as much older than it is.
    public struct Leap: Sendable, Hashable {
        public var at: Double
        public var by: Double

        public init(at: Double, by: Double) {
            (self.at, self.by) = (at, by)
        }
    }

    /// The last one; those that follow each other soon count as one.
    public private(set) var leap: Leap?

    /// - Parameters:
    ///   - newestKnown: the newest time that was right before the process started; nil: there is none, and the wall clock is
    ///     believed.
    ///   - leap: the last one before that.
    public init(wall: Double, steady: Double, newestKnown: Double? = nil, leap: Leap? = nil) {
        self.leap = leap
        offset = (newestKnown ?? wall) - steady
        allowed = newestKnown == nil ? Self.slack : Self.slackOfRestart
    }

    /// - Returns: the time that ages count by, never later than `wall`.
    public mutating func look(wall: Double, steady: Double) -> Double {
        let found = wall - steady
        if abs(found - offset) <= allowed {
            believe(found)
        } else if let known = other, abs(found - known.offset) <= Self.slack {
            // Slow corrections go on.
            other?.offset = found
            if steady - known.since >= Self.probation { believe(found) }
        } else {
            other = (found, steady)
        }
        let time = other == nil ? wall : min(wall, steady + offset)
        if let last, case let beyond = time - last.time - (steady - last.steady), beyond > Self.slack {
            let lasting = leap.flatMap { $0.at + 2 * $0.by > time ? $0.by : nil } ?? 0
            leap = Leap(at: time, by: beyond + lasting)
        }
        last = (time, steady)
        return time
    }

    /// Seconds since `time`, by two readings of now; what is dated later than `trusted` was dated by a wall clock that is ahead.
    /// - Parameter leap: what is dated before it may be younger by as much, if not younger than it is.
    public static func age(since time: Int64, wall: Int64, trusted: Int64, leap: Leap? = nil) -> Int64 {
        let age = (time > trusted ? wall : trusted).saturatingSubtract(time)
        guard let leap, Double(time) < leap.at, leap.at <= Double(trusted) else { return age }
        let since = Int64(Double(trusted) - leap.at)
        return max(min(age, since), age.saturatingSubtract(Int64(min(leap.by, 1e15))))
    }

    /// What is dated before is older than `age`, seconds, by the time that ``look(wall:steady:)`` gave; nil: that cannot be said of anything, as
    /// a leap of more than half of that lies within it.
    public func cutoff(_ age: Double, _ now: Double) -> Double? {
        if let leap, leap.at <= now, now - leap.at < age, leap.by * 2 > age { return nil }
        return now - age
    }

    private mutating func believe(_ found: Double) {
        offset = found
        allowed = Self.slack
        other = nil
    }

    /// Seconds that the wall clock was ahead at the last look, more than can be; nil: it was not.
    public var isAheadBy: Double? { other.map { $0.offset - offset }.flatMap { $0 > 0 ? $0 : nil } }
}
