// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import DeepSquare

@Suite("Minutes that an end reports")
struct BillingTests {
    struct Case: CustomTestStringConvertible {
        var name: String
        /// Minutes that the job ran, and that the contract's clock has seen; nil: Running is not mined.
        var used: Int64
        var wall: Int64?
        var delta: UInt64 = 15
        /// Seconds since the end.
        var waited: Int64 = 0
        var longestHold: Int64 = 3600
        var rounding = GridSettings.Rounding.down
        /// Seconds beyond the minutes.
        var seconds: Int64 = 0
        var plan: Billing.Plan

        var testDescription: String { name }
    }

    private static let now: Int64 = 1_700_000_000

    static let cases: [Case] = [
        Case(
            name: "\"Wall 60 min: reported 180 → billed 60\": waits", used: 180, wall: 60,
            plan: .hold(until: now + 3600, losing: 106)),
        Case(
            name: "all day to wait: until the clock has caught up", used: 180, wall: 60, longestHold: 86_400,
            plan: .hold(until: now + 106 * 60, losing: 106)),
        Case(
            name: "waited for long enough: what is paid", used: 180, wall: 60, waited: 3600,
            plan: .report(minutes: 74)),
        Case(
            name: "\"75 → billed 75\": one minute is kept for the clocks", used: 75, wall: 60, longestHold: 86_400,
            plan: .hold(until: now + 60, losing: 1)),
        Case(name: "74 after 60", used: 74, wall: 60, plan: .report(minutes: 74)),
        Case(
            name: "\"Wall 5 min: reported 180 → billed 5\": the hold begins with Running, not with an end before it",
            used: 180, wall: 5, waited: 3600, plan: .hold(until: now + 3300, losing: 161)),
        Case(
            name: "\"Wall 5 min: 20 → billed 20\": one minute is kept for the clocks", used: 20, wall: 5,
            plan: .hold(until: now + 60, losing: 1)),
        Case(name: "19 after 5", used: 19, wall: 5, plan: .report(minutes: 19)),
        Case(name: "what ran is reported when the clock has seen more", used: 10, wall: 60, plan: .report(minutes: 10)),
        Case(name: "59 s", used: 0, wall: 0, seconds: 59, plan: .report(minutes: 0)),
        Case(
            name: "59 s, begun minutes count", used: 0, wall: 0, rounding: .up, seconds: 59, plan: .report(minutes: 1)),
        Case(name: "60 s, begun minutes count", used: 1, wall: 0, rounding: .up, plan: .report(minutes: 1)),
        Case(name: "61 s, begun minutes count", used: 1, wall: 0, rounding: .up, seconds: 1, plan: .report(minutes: 2)),
        Case(name: "119 s", used: 1, wall: 0, seconds: 59, plan: .report(minutes: 1)),
        Case(name: "nothing ran", used: 0, wall: 10, plan: .report(minutes: 0)),
        Case(name: "a time before the start is none", used: -5, wall: 10, plan: .report(minutes: 0)),
        Case(name: "Running is not mined, and little was used", used: 14, wall: nil, plan: .report(minutes: 14)),
        Case(
            name: "Running is not mined: waits for it", used: 15, wall: nil,
            plan: .hold(until: .max, losing: 1)),
        Case(
            name: "Running is not mined for long: the hold begins with it", used: 60, wall: nil, waited: 7200,
            plan: .hold(until: .max, losing: 46)),
        Case(
            name: "Running is mined in the future: a clock that goes wrong", used: 20, wall: -10,
            plan: .hold(until: now + 16 * 60, losing: 6)),
        Case(name: "no delta", used: 10, wall: 11, delta: 0, plan: .report(minutes: 10)),
        Case(
            name: "no delta: the contract pays its own time only", used: 10, wall: 10, delta: 0,
            plan: .hold(until: now + 60, losing: 1)),
        Case(
            name: "no delta and no time", used: 10, wall: 0, delta: 0, waited: 3600,
            plan: .hold(until: now + 660, losing: 10)),
        Case(
            name: "a delta of one", used: 10, wall: 0, delta: 1, longestHold: 86_400,
            plan: .hold(until: now + 600, losing: 10)),
        Case(
            name: "a delta larger than any job", used: 100_000, wall: 0, delta: 1 << 40, plan: .report(minutes: 100_000)
        ),
        Case(name: "no wait configured", used: 180, wall: 60, longestHold: 0, plan: .report(minutes: 74)),
        Case(
            name: "a job of centuries", used: 1_000_000_000, wall: 60,
            plan: .hold(until: now + 3600, losing: 999_999_926)),
    ]

    @Test(arguments: cases)
    func plan(_ row: Case) {
        let billing = Billing(rounding: row.rounding, delta: row.delta, longestHold: row.longestHold)
        let plan = billing.plan(
            used: row.used * 60 + row.seconds, start: row.wall.map { Self.now - $0 * 60 }, ended: Self.now - row.waited,
            now: Self.now)
        #expect(plan == row.plan)
    }

    @Test("never more than was used, nor than the contract pays in full; a wait ends, and then all is paid")
    func properties() {
        for delta in [0, 1, 2, 15, 1000] as [UInt64] {
            for used in stride(from: Int64(0), through: 20_000, by: 379) {
                for wall in [nil, -300, 0, 59, 60, 899, 900, 3600, 7211] as [Int64?] {
                    for rounding in GridSettings.Rounding.allCases {
                        check(Billing(rounding: rounding, delta: delta, longestHold: 1 << 20), used, wall)
                        check(Billing(rounding: rounding, delta: delta, longestHold: 0), used, wall)
                    }
                }
            }
        }
    }

    private func check(_ billing: Billing, _ used: Int64, _ wall: Int64?) {
        let start = wall.map { Self.now - $0 }
        let seen = UInt64(max(0, wall ?? 0)) / 60
        let paid = seen + billing.delta
        switch billing.plan(used: used, start: start, ended: Self.now, now: Self.now) {
        case .report(let minutes):
            #expect(minutes <= billing.minutes(of: used))
            #expect(minutes <= (paid > 0 ? paid - 1 : 0))
        case .hold(let until, let losing):
            #expect(until > Self.now && losing > 0 && losing <= billing.minutes(of: used))
            guard let start else { return }
            // Running lies in the future of our clock: then as much is reported as is paid.
            if billing.longestHold == 0 { return #expect(start > Self.now) }
            let then = billing.plan(used: used, start: start, ended: Self.now, now: until)
            #expect(then == .report(minutes: billing.minutes(of: used)))
            let before = billing.plan(used: used, start: start, ended: Self.now, now: until - 1)
            #expect(before != then)
        }
    }
}

extension BillingTests {
    /// A node says when a block was, a frame how long a run took: either may be any number.
    @Test("numbers that no clock shows end in an answer", arguments: [Int64.min, -1, 0, 1, .max - 1, .max])
    func absurd(_ number: Int64) {
        let others: [Int64] = [.min, 0, 1_700_000_000, .max]
        for rounding in [GridSettings.Rounding.down, .up] {
            let billing = Billing(rounding: rounding, delta: 15, longestHold: 3600)
            for other in others {
                for start in others.map(Optional.some) + [nil] {
                    _ = billing.plan(used: number, start: start, ended: other, now: other)
                    _ = billing.plan(used: other, start: number, ended: other, now: number)
                    _ = billing.plan(used: other, start: start, ended: number, now: other)
                }
            }
        }
    }
}
