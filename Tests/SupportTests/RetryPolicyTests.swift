// SPDX-License-Identifier: GPL-3.0-or-later

import Support
import Testing

@Suite("Retry policy")
struct RetryPolicyTests {
    struct Case: Sendable {
        var name: String
        var policy: RetryPolicy
        /// Seconds, from the first failure on.
        var delays: [Double]
    }

    static let cases: [Case] = [
        Case(
            name: "doubles up to its ceiling", policy: RetryPolicy(first: .seconds(1), ceiling: .seconds(10)),
            delays: [1, 2, 4, 8, 10, 10]),
        Case(
            name: "below a second", policy: RetryPolicy(first: .milliseconds(500), ceiling: .seconds(30)),
            delays: [0.5, 1, 2, 4, 8, 16, 30, 30]),
        Case(
            name: "another factor", policy: RetryPolicy(first: .seconds(1), factor: 3, ceiling: .seconds(20)),
            delays: [1, 3, 9, 20]),
        Case(
            name: "always the same", policy: RetryPolicy(first: .seconds(3), factor: 1, ceiling: .seconds(20)),
            delays: [3, 3, 3]),
        Case(
            name: "the ceiling is less than the first", policy: RetryPolicy(first: .seconds(3), ceiling: .seconds(2)),
            delays: [2, 2]),
        Case(name: "at once", policy: RetryPolicy(first: .zero, ceiling: .seconds(2)), delays: [0, 0, 0]),
        Case(
            name: "asked for without jitter",
            policy: RetryPolicy(first: .seconds(1), ceiling: .seconds(4), jitter: 1),
            delays: [1, 2, 4, 4]),
    ]

    @Test("the waits", arguments: cases.indices)
    func delays(_ index: Int) {
        let row = Self.cases[index]
        for (attempt, delay) in row.delays.enumerated() {
            #expect(row.policy.delay(attempt: attempt) == .seconds(delay), "\(row.name), attempt \(attempt)")
            #expect(row.policy.seconds(attempt: attempt) == delay, "\(row.name), attempt \(attempt)")
        }
        // Counts that nobody should hand over.
        #expect(row.policy.delay(attempt: -1) == row.policy.delay(attempt: 0), "\(row.name)")
        #expect(row.policy.delay(attempt: .max) == .seconds(row.delays.last ?? 0), "\(row.name)")
    }

    /// The same row of numbers each time (SplitMix64).
    private struct Numbers: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var number = state
            number = (number ^ (number >> 30)) &* 0xbf58_476d_1ce4_e5b9
            number = (number ^ (number >> 27)) &* 0x94d0_49bb_1331_11eb
            return number ^ (number >> 31)
        }
    }

    @Test("jitter stays within its part of the wait, and reaches all of it")
    func jitter() {
        let policy = RetryPolicy(first: .seconds(10), ceiling: .seconds(40), jitter: 0.2)
        var numbers = Numbers(state: 1)
        for (attempt, delay) in [(0, 10.0), (1, 20), (2, 40), (3, 40)] {
            let delays = (0..<200).map { _ in policy.delay(attempt: attempt, using: &numbers) / .seconds(1) }
            #expect(delays.allSatisfy((delay * 0.8...delay * 1.2).contains), "\(attempt)")
            #expect(delays.contains { $0 < delay * 0.85 } && delays.contains { $0 > delay * 1.15 }, "\(attempt)")
        }
        let none = RetryPolicy(first: .seconds(1), ceiling: .seconds(9)).delay(attempt: 2, using: &numbers)
        #expect(none == .seconds(4))
    }
}
