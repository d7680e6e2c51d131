// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Synchronization
import Testing

@testable import Support

@Suite struct ClockTrustTests {
    private static let day: Double = 86_400
    private static let year = 365 * day
    private static let start: Double = 1_700_000_000

    /// Looks: seconds since the start by the steady clock, how far the wall clock is off then, and by how much the time of ages may
    /// differ from the steady one.
    private func follow(
        newestKnown: Double? = nil, _ looks: [(at: Double, off: Double, age: Double)],
        location: SourceLocation = #_sourceLocation
    ) {
        var trust = ClockTrust(
            wall: Self.start + (looks.first?.off ?? 0), steady: 0, newestKnown: newestKnown.map { Self.start + $0 })
        for look in looks {
            let age = trust.look(wall: Self.start + look.at + look.off, steady: look.at)
            #expect(
                abs(age - (Self.start + look.at + look.age)) < 1, "at \(look.at)", sourceLocation: location)
        }
    }

    @Test func aClockThatRunsIsBelieved() {
        follow([(0, 0, 0), (60, 0, 0), (3600, 0, 0), (90 * Self.day, 0, 0)])
    }

    @Test func slowCorrectionsAreFollowed() {
        var looks: [(at: Double, off: Double, age: Double)] = []
        for hour in 0...50 {
            let off = Double(hour) * 100
            looks.append((at: Double(hour) * 3600, off: off, age: off))
        }
        follow(looks)
    }

    @Test func nothingIsOldByAClockThatIsSetForward() {
        follow([(0, 0, 0), (60, Self.year, 0), (7200, Self.year, 0), (Self.day, Self.year, 0)])
    }

    @Test func aClockThatIsBackIsBelievedAtOnce() {
        follow([(0, 0, 0), (60, Self.year, 0), (7200, 3, 3), (7300, Self.year, 3)])
    }

    @Test func anotherTimeIsBelievedAfterADay() {
        follow([
            (0, 0, 0), (60, Self.year, 0), (Self.day + 61, Self.year, Self.year),
            (2 * Self.day, Self.year, Self.year),
        ])
    }

    @Test func eachJumpBeginsTheDayAgain() {
        follow([
            (0, 0, 0), (60, Self.year, 0), (80_000, 2 * Self.year, 0), (Self.day + 61, 2 * Self.year, 0),
            (80_001 + Self.day, 2 * Self.year, 2 * Self.year),
        ])
    }

    /// A machine whose clock is right only when NTP has answered.
    @Test func aClockThatWasBehindForAWhileIsBelievedAgainAtOnce() {
        follow([(0, 0, 0), (60, -Self.year, -Self.year), (120, 0, 0)])
        follow(newestKnown: -3600, [(0, -40 * Self.year, -40 * Self.year), (120, 0, 0)])
    }

    @Test func afterARestartTheNewestKnownTimeCounts() {
        // Switched off for five days.
        follow(newestKnown: -5 * Self.day, [(0, 0, 0), (60, 0, 0), (120, Self.year, 0)])
        // Off for eight, or the clock is wrong.
        follow(
            newestKnown: -8 * Self.day,
            [(0, 0, -8 * Self.day), (3600, 0, -8 * Self.day), (Self.day, 0, 0), (Self.day + 60, Self.year, 0)])
    }

    @Test func tellsOfAJumpOnceAndThatItIsOver() {
        let wall = Mutex(Date(timeIntervalSince1970: Self.start))
        let steady = Mutex(Date(timeIntervalSince1970: Self.start))
        let clock = TrustedClock(wall: { wall.withLock { $0 } }, steady: { steady.withLock { $0 } })
        func pass(_ seconds: Double, set: Double = 0) {
            wall.withLock { $0 += seconds + set }
            steady.withLock { $0 += seconds }
        }
        #expect(clock.news() == nil)
        pass(60)
        #expect(clock.news() == nil)
        pass(60, set: Self.year)
        #expect(clock.news() == .ahead(seconds: Self.year))
        #expect(clock.now() == Date(timeIntervalSince1970: Self.start + 120))
        pass(60)
        #expect(clock.news() == nil)
        pass(60, set: -Self.year)
        #expect(clock.news() == .agreed)
        // Set back: nothing is deleted too early by that.
        pass(60, set: -Self.year)
        #expect(clock.news() == nil)
        #expect(clock.now() == wall.withLock { $0 })
    }

    @Test func aClockThatIsNeverSetIsAlwaysRight() {
        let wall = Mutex(Date(timeIntervalSince1970: Self.start))
        let clock = TrustedClock(wall: { wall.withLock { $0 } })
        wall.withLock { $0 += Self.year }
        #expect(clock.now() == Date(timeIntervalSince1970: Self.start + Self.year))
        #expect(clock.news() == nil)
    }

    @Test func ageAfterALeap() {
        let leap = ClockTrust.Leap(at: 1_000_000, by: 5000)
        // Dated before: not older than the leap is, or than without it.
        for (time, now, age) in [
            (999_000, 1_000_100, 100), (990_000, 1_000_100, 5100), (1_000_050, 1_000_100, 50),
            (999_000, 1_010_000, 10_000), (0, 1_000_000, 995_000),
        ] as [(Int64, Int64, Int64)] {
            #expect(ClockTrust.age(since: time, wall: now, trusted: now, leap: leap) == age, "\(time) at \(now)")
        }
    }

    @Test func nothingIsOldAfterALargeLeap() {
        var trust = ClockTrust(wall: Self.start, steady: 0)
        _ = trust.look(wall: Self.start - 3 * Self.day, steady: 10)
        let now = trust.look(wall: Self.start + 20, steady: 20)
        #expect(trust.leap.map { abs($0.by - 3 * Self.day) < 60 } == true)
        #expect(trust.cutoff(Self.day, now) == nil && trust.cutoff(5 * Self.day, now) == nil)
        #expect(trust.cutoff(30 * Self.day, now) == now - 30 * Self.day)
        #expect(trust.cutoff(Self.day, now + 2 * Self.day) == now + Self.day)
    }
}
