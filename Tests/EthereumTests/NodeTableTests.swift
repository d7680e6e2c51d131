// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Ethereum

@Suite("Which node is asked")
struct NodeTableTests {
    private let start = ContinuousClock.Instant.now

    private func table(_ count: Int = 3) -> NodeTable { NodeTable(count: count, settings: .init(), now: start) }
    private func at(_ seconds: Double) -> ContinuousClock.Instant { start + .seconds(seconds) }

    @Test("one that stands still while another goes on trails, and is back when it has caught up")
    func standsStill() {
        var table = table()
        table.observe(100, of: 0, askedAt: at(0))
        table.observe(100, of: 1, askedAt: at(0))
        #expect(table.order(at: at(0)) == [0, 1, 2])
        table.observe(105, of: 1, askedAt: at(20))
        table.observe(100, of: 0, askedAt: at(21))
        #expect(table.order(at: at(21)) == [0, 1, 2], "a block takes its time from node to node")
        table.observe(100, of: 0, askedAt: at(26))
        #expect(table.isTrailing(0, at: at(26)) && table.order(at: at(26)) == [1, 2, 0])
        #expect(table.best(at: at(26)) == 105)
        table.observe(105, of: 0, askedAt: at(40))
        #expect(table.order(at: at(40)) == [0, 1, 2])
    }

    @Test("one that is always some blocks behind trails; one that is a moment behind does not")
    func behind() {
        var table = table(2)
        for second in 0..<30 {
            table.observe(UInt64(1000 + second), of: 1, askedAt: at(Double(second)))
            table.observe(UInt64(998 + second), of: 0, askedAt: at(Double(second) + 0.5))
        }
        #expect(!table.isTrailing(0, at: at(30)))
        for second in 30..<60 {
            table.observe(UInt64(1000 + second), of: 1, askedAt: at(Double(second)))
            table.observe(UInt64(990 + second), of: 0, askedAt: at(Double(second) + 0.5))
        }
        #expect(table.isTrailing(0, at: at(60)) && table.order(at: at(60)) == [1, 0])
    }

    @Test("one that lacks the block up to which logs were read trails at once")
    func needed() {
        var table = table(2)
        table.need(500)
        table.observe(499, of: 0, askedAt: at(0))
        #expect(table.order(at: at(0)) == [1, 0])
        table.observe(500, of: 0, askedAt: at(1))
        #expect(table.order(at: at(1)) == [0, 1])
    }

    @Test("a quiet chain makes nobody trail")
    func quiet() {
        var table = table(2)
        for second in stride(from: 0.0, to: 600, by: 20) {
            table.observe(7, of: 0, askedAt: at(second))
            table.observe(7, of: 1, askedAt: at(second))
        }
        #expect(table.order(at: at(600)) == [0, 1])
    }

    @Test("the head of one that is not believed, or fails, counts for nothing")
    func liars() {
        var table = table(2)
        table.observe(100, of: 0, askedAt: at(0))
        table.observe(1 << 50, of: 1, askedAt: at(0))
        table.observe(101, of: 0, askedAt: at(10))
        #expect(table.order(at: at(10)) == [1, 0])
        table.doubt(1, at: at(11))
        #expect(table.order(at: at(11)) == [0, 1] && table.best(at: at(11)) == 101)
        // It says so again: it is left out for longer each time.
        table.observe(1 << 50, of: 1, askedAt: at(30))
        table.doubt(1, at: at(31))
        #expect(table.order(at: at(32)) == [0, 1])
        table.trust(1)
        #expect(table.order(at: at(34)) == [0, 1], "it has no head yet")
        var failing = self.table(2)
        failing.observe(100, of: 0, askedAt: at(0))
        failing.observe(110, of: 1, askedAt: at(0))
        failing.observe(100, of: 0, askedAt: at(10))
        #expect(failing.order(at: at(10)) == [1, 0])
        _ = failing.failed(1, RPCError(.unreachable, "away"), at: at(10))
        #expect(failing.order(at: at(10)) == [0, 1])
    }

    @Test("failures: longer each time; a pause that was asked for is kept, within bounds; another chain is not asked")
    func failures() {
        var table = table(2)
        for (failures, pause) in [(0, 1.0), (1, 2), (2, 4), (3, 8)] {
            #expect(table.failed(0, RPCError(.timedOut, ""), at: at(0)) == failures)
            #expect(table.order(at: at(pause - 0.1)) == [1, 0])
            #expect(table.order(at: at(pause)) == [0, 1])
        }
        table.answered(0, at: at(100))
        for (asked, pause) in [(nil, 1.0), (Duration.seconds(7), 7), (.seconds(86_400), 60)] as [(Duration?, Double)] {
            table.answered(0, at: at(100))
            _ = table.failed(0, RPCError(.http(429), "", retryAfter: asked), at: at(100))
            #expect(table.order(at: at(100 + pause - 0.1)) == [1], "not even if there were no other")
            #expect(table.order(at: at(100 + pause)) == [0, 1])
        }
        _ = table.failed(1, RPCError(.wrongChain, ""), at: at(200))
        #expect(table.order(at: at(201)) == [0])
    }

    @Test("batches and hashes that a node does not take are remembered for a time")
    func memory() {
        var table = table(2)
        #expect(table.batchLimit(0, at: at(0)) == .max && table.takesBlockHash(0, at: at(0)))
        table.limitBatches(0, to: 3, at: at(0))
        table.refusesBlockHash(0, at: at(0))
        #expect(table.batchLimit(0, at: at(599)) == 3 && !table.takesBlockHash(0, at: at(599)))
        #expect(table.batchLimit(1, at: at(1)) == .max)
        #expect(table.batchLimit(0, at: at(601)) == .max && table.takesBlockHash(0, at: at(601)))
    }

    @Test("ranges: halved to one block, slowly more again; the widest node first where there is much to read")
    func ranges() {
        var range = LogRange(longest: 2048)
        var asked: [UInt64] = []
        while range.span > 1 {
            range.refused(range.span)
            asked.append(range.span)
        }
        #expect(asked == [1024, 512, 256, 128, 64, 32, 16, 8, 4, 2, 1])
        range.refused(1)
        #expect(range.span == 1)
        for _ in 0..<15 { range.taken() }
        #expect(range.span == 1)
        range.taken()
        #expect(range.span == 2)
        for _ in 0..<10_000 { range.taken() }
        #expect(range.span == 2048)
        range.refused(10)
        #expect(range.span == 5, "fewer than were asked for, not than might have been")
        var table = table(2)
        table.rangeRefused(0, blocks: 2048)
        #expect(table.order(at: at(0), byRange: true) == [1, 0] && table.order(at: at(0)) == [0, 1])
    }

    @Test("requests: a burst, then so many a second")
    func budget() {
        var budget = RequestBudget(rate: 2, burst: 4)
        budget.spend(3, at: at(0))
        #expect(budget.pause(at: at(0)) == nil)
        budget.spend(1, at: at(0))
        #expect(budget.pause(at: at(0)) == .seconds(0.5))
        budget.spend(0, at: at(0.5))
        #expect(budget.pause(at: at(0.5)) == nil)
        budget.spend(1000, at: at(0.5))
        #expect(budget.pause(at: at(0.5)) == .seconds(2.5))
        budget.refill()
        #expect(budget.pause(at: at(0.5)) == nil)
    }
}
