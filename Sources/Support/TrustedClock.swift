// SPDX-License-Identifier: GPL-3.0-or-later

public import FoundationEssentials
internal import NIOConcurrencyHelpers

/// The time by which what is old is deleted, and what waits for too long is given up: a wall clock that was set forward makes
/// nothing old (``ClockTrust``). From any thread.
public final class TrustedClock: Sendable {
    public enum News: Sendable, Hashable {
        /// The wall clock is this many seconds ahead of what can be.
        case ahead(seconds: Double)
        /// It was, and is not any more.
        case agreed
    }

    private let wall: @Sendable () -> Date
    /// nil: the wall clock is never set.
    private let steady: (@Sendable () -> Date)?
    private let state: NIOLockedValueBox<(trust: ClockTrust, isTold: Bool)>

    /// - Parameters:
    ///   - steady: never jumps (``SteadyClock``); nil: `wall` does not either.
    ///   - newestKnown: the newest time that was right before the process started; nil: none.
    ///   - leap: the last one before that.
    public init(
        wall: @escaping @Sendable () -> Date, steady: (@Sendable () -> Date)? = nil, newestKnown: Date? = nil,
        leap: ClockTrust.Leap? = nil
    ) {
        self.wall = wall
        self.steady = steady
        state = NIOLockedValueBox(
            (
                ClockTrust(
                    wall: wall().timeIntervalSince1970, steady: steady?().timeIntervalSince1970 ?? 0,
                    newestKnown: newestKnown?.timeIntervalSince1970, leap: leap), false
            ))
    }

    public func now() -> Date { trusted(wall()) }

    /// - Parameter wall: what a wall clock shows now.
    /// - Returns: it, or the earlier time that ages count by.
    public func trusted(_ wall: Date) -> Date {
        guard let steady else { return wall }
        let age = state.withLockedValue {
            $0.trust.look(wall: wall.timeIntervalSince1970, steady: steady().timeIntervalSince1970)
        }
        return age < wall.timeIntervalSince1970 ? Date(timeIntervalSince1970: age) : wall
    }

    /// The last time that ``now()`` moved on beyond the time that had passed.
    public var leap: ClockTrust.Leap? { state.withLockedValue { $0.trust.leap } }

    /// What is dated before is older than `age`; nil: that cannot be said of anything, as the clock has leapt meanwhile.
    /// - Parameter wall: what a wall clock shows now.
    public func cutoff(_ age: Duration, wall: Date) -> Date? {
        let now = trusted(wall).timeIntervalSince1970
        return state.withLockedValue { $0.trust.cutoff(age / .seconds(1), now) }.map { Date(timeIntervalSince1970: $0) }
    }

    /// What has changed since the last call, each once.
    public func news() -> News? {
        _ = now()
        return state.withLockedValue { state in
            let ahead = state.trust.isAheadBy
            guard (ahead != nil) != state.isTold else { return nil }
            state.isTold = ahead != nil
            return ahead.map { .ahead(seconds: $0) } ?? .agreed
        }
    }
}
