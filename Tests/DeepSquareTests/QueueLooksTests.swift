// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import DeepSquare

@Suite("What the queues held")
struct QueueLooksTests {
    private func look(_ block: UInt64, jobs: UInt64, outcomes: Int = 0) -> QueueLooks.Look {
        .init(block: block, sizes: [.job: jobs], outcomes: [.job: outcomes])
    }

    @Test("asked at the newest block, it counts when all up to there is known, once")
    func finality() {
        var looks = QueueLooks()
        looks.add(look(1000, jobs: 2))
        #expect(looks.take(upTo: 999, outcomes: [:]) == nil && !looks.isEmpty)
        #expect(looks.take(upTo: 1000, outcomes: [:]) == [.job: 2])
        #expect(looks.take(upTo: 1000, outcomes: [:]) == nil && looks.isEmpty)
    }

    @Test("with many confirmations: the newest that is final, and no more than there is now")
    func confirmations() {
        var looks = QueueLooks()
        for (block, jobs) in [(100, 1), (110, 3), (120, 5), (300, 2)] as [(UInt64, UInt64)] {
            looks.add(look(block, jobs: jobs))
        }
        #expect(looks.take(upTo: 99, outcomes: [:]) == nil)
        #expect(looks.take(upTo: 115, outcomes: [:]) == [.job: 2], "of the three one has gone")
        #expect(looks.take(upTo: 115, outcomes: [:]) == nil)
        #expect(looks.take(upTo: 299, outcomes: [:]) == [.job: 2])
        #expect(looks.take(upTo: 300, outcomes: [:]) == [.job: 2] && looks.isEmpty)
    }

    @Test("whether there is anything to be looked for soon")
    func nothing() {
        var looks = QueueLooks()
        #expect(!looks.foundNothing, "nobody has looked")
        looks.add(.init(block: 1, sizes: [.job: 0, .cancel: 0], outcomes: [:]))
        #expect(looks.foundNothing)
        _ = looks.take(upTo: 1, outcomes: [:])
        #expect(looks.foundNothing)
        looks.add(.init(block: 2, sizes: [.job: 0, .topUp: 1], outcomes: [:]))
        #expect(!looks.foundNothing)
    }

    @Test("claims that came out since may have been of what was counted")
    func outcomes() {
        var looks = QueueLooks()
        looks.add(look(100, jobs: 5, outcomes: 7))
        #expect(looks.take(upTo: 100, outcomes: [.job: 9]) == [.job: 3])
        looks.add(look(101, jobs: 1, outcomes: 7))
        #expect(looks.take(upTo: 101, outcomes: [.job: 20]) == [.job: 0])
    }

    @Test(
        "a queue that did not answer is left out; a node that lags, or a chain that was reorganised, replaces what it said of later blocks"
    )
    func gaps() {
        var looks = QueueLooks()
        looks.add(look(100, jobs: 5))
        looks.add(.init(block: 90, sizes: [.cancel: 1], outcomes: [:]))
        #expect(looks.take(upTo: 100, outcomes: [:]) == [.cancel: 1] && looks.isEmpty)
    }
}
