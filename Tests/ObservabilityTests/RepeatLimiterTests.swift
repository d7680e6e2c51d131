// SPDX-License-Identifier: GPL-3.0-or-later

import Logging
import Testing

@testable import Observability

@Suite struct RepeatLimiterTests {
    /// What happens at one time, and what is told of it; -1: nothing.
    private struct Step {
        var at: Double
        var told: Int

        init(_ at: Double, _ told: Int) { (self.at, self.told) = (at, told) }
    }

    private static let tables: [String: [Step]] = [
        "the first is told at once, the rest once a minute, then two, then four": [
            Step(0, 0), Step(1, -1), Step(30, -1), Step(59.9, -1), Step(60, 4), Step(61, -1), Step(119, -1),
            Step(179, -1),
            Step(180, 4), Step(181, -1), Step(419, -1), Step(420, 3),
        ],
        "after a quiet minute it is new": [Step(0, 0), Step(60, 0), Step(120, 0), Step(121, -1)],
        "after a longer row it takes a longer quiet": [
            Step(0, 0), Step(30, -1), Step(60, 2), Step(179, -1), Step(299, 2), Step(300, -1),
        ],
        "what was held back before the quiet is told with the next": [
            Step(0, 0), Step(1, -1), Step(2, -1), Step(1000, 3), Step(1001, -1), Step(1060, 2),
        ],
    ]

    @Test(arguments: tables.keys.sorted())
    func decides(_ name: String) throws {
        var limiter = RepeatLimiter()
        for step in try #require(Self.tables[name]) {
            let decision = limiter.offer(LogLine(.warning, "gone"), label: "agent", at: step.at)
            #expect(decision == (step.told < 0 ? .hold : .tell(repeated: step.told)), "at \(step.at)")
        }
    }

    @Test("the interval grows to an hour and no further")
    func longest() {
        var limiter = RepeatLimiter()
        var told: [Double] = []
        for second in stride(from: 0.0, through: 40_000, by: 10) {
            if limiter.offer(LogLine(.error, "gone"), label: "agent", at: second) != .hold { told.append(second) }
        }
        let pauses = zip(told.dropFirst(), told).map { $0 - $1 }
        #expect(pauses.prefix(7) == [60, 120, 240, 480, 960, 1920, 3600])
        #expect(pauses.dropFirst(6).allSatisfy { $0 == 3600 } && pauses.count > 8)
    }

    @Test("ids differ, the message is the same; level, label and message tell two apart")
    func identity() {
        var limiter = RepeatLimiter()
        func offer(_ line: LogLine, _ label: String = "agent") -> RepeatLimiter.Decision {
            limiter.offer(line, label: label, at: 0)
        }
        #expect(offer(LogLine(.warning, "gone", ["job": "1"])) == .tell(repeated: 0))
        #expect(offer(LogLine(.warning, "gone", ["job": "2"])) == .hold)
        #expect(offer(LogLine(.error, "gone")) == .tell(repeated: 0))
        #expect(offer(LogLine(.warning, "away")) == .tell(repeated: 0))
        #expect(offer(LogLine(.warning, "gone"), "other") == .tell(repeated: 0))
    }

    @Test("the end of a row is told though nothing follows")
    func overdue() {
        var limiter = RepeatLimiter()
        func offer(_ id: Int, at time: Double) -> RepeatLimiter.Decision {
            limiter.offer(LogLine(.warning, "gone", ["job": "\(id)"]), label: "agent", at: time)
        }
        #expect(offer(1, at: 0) == .tell(repeated: 0))
        #expect(limiter.overdue(at: 100).isEmpty)
        #expect(offer(2, at: 110) == .tell(repeated: 0))
        #expect(offer(3, at: 115) == .hold && offer(4, at: 120) == .hold)
        #expect(limiter.overdue(at: 169.9).isEmpty)
        #expect(limiter.overdue(at: 170) == [.init(line: LogLine(.warning, "gone", ["job": "4"]), repeated: 2)])
        #expect(limiter.overdue(at: 100_000).isEmpty)
        // The interval is two minutes by now: 175 falls into it.
        var again = RepeatLimiter()
        for time in [0.0, 10] { _ = again.offer(LogLine(.error, "x"), label: "", at: time) }
        #expect(again.overdue(at: 60).map(\.repeated) == [1])
        #expect(again.offer(LogLine(.error, "x"), label: "", at: 65) == .hold)
        #expect(again.overdue(at: 179).isEmpty && again.overdue(at: 180).map(\.repeated) == [1])
    }

    @Test("memory is bounded; who makes room is told with its count")
    func bounded() {
        var limiter = RepeatLimiter(capacity: 3)
        func offer(_ message: String) -> RepeatLimiter.Decision {
            limiter.offer(LogLine(.error, message), label: "agent", at: 0)
        }
        for message in ["a", "b", "c"] { #expect(offer(message) == .tell(repeated: 0)) }
        #expect(offer("b") == .hold && offer("b") == .hold && offer("a") == .hold)
        // c was used least recently, then b.
        #expect(offer("d") == .tell(repeated: 0) && limiter.overdue(at: 0).isEmpty)
        #expect(offer("e") == .tell(repeated: 0))
        #expect(limiter.overdue(at: 0) == [.init(line: LogLine(.error, "b"), repeated: 2)])
        #expect(limiter.count == 3 && offer("a") == .hold && offer("c") == .tell(repeated: 0))
        for number in 0..<10_000 { _ = offer("message \(number)") }
        #expect(limiter.count == 3)
    }

    @Test func problemsAreCountedAndTheNewestIsFirst() {
        var ring = ProblemRing(capacity: 3)
        for (time, line) in [
            LogLine(.warning, "a", ["job": "1"]), LogLine(.error, "b"), LogLine(.warning, "a", ["job": "2 3"]),
            LogLine(.error, "a"),
        ].enumerated() {
            ring.note(line, label: "agent", at: Int64(time))
        }
        #expect(
            ring.problems == [
                .init(at: 3, level: "error", message: "a", count: 1),
                .init(at: 2, level: "warning", message: "a job=\"2 3\"", count: 2),
                .init(at: 1, level: "error", message: "b", count: 1),
            ])
        ring.note(LogLine(.error, "c\u{1b}", ["why": String(repeating: "\n", count: 5000)]), label: "agent", at: 9)
        #expect(ring.problems.map(\.at) == [9, 3, 2])
        let text = ring.problems[0].message
        #expect(text.hasPrefix("c\\u{1b} why=\"\\n\\n") && text.hasSuffix("…[cut]"))
        #expect(text.utf8.count <= ProblemRing.textLimit)
        #expect(ring.counts == ["warning": 2, "error": 3, "critical": 0])
    }
}
