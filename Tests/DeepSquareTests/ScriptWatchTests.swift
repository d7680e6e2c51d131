// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import DeepSquare

@Suite("Whether jobs are claimed while scripts cannot be fetched")
struct ScriptWatchTests {
    @Test("after a failure the service is tried before the next claim, not more often than every five seconds")
    func probes() {
        var watch = ScriptWatch<Int>()
        #expect(watch.answer(now: 0) == .claim)
        watch.failed(1, of: "a")
        #expect(watch.answer(now: 0) == .probe)
        watch.probed(isThere: false, now: 0)
        #expect(watch.answer(now: 4) == .stop)
        #expect(watch.answer(now: 5) == .probe)
        watch.probed(isThere: true, now: 5)
        #expect(watch.answer(now: 5) == .claim)
    }

    @Test("the job that waited goes back: the service is still away")
    func remembers() {
        var watch = ScriptWatch<Int>()
        watch.failed(1, of: "a")
        watch.over(1)
        #expect(watch.answer(now: 0) == .probe)
    }

    @Test("a service that answers and gives no scripts stops the claims; one odd job does not")
    func noScripts() {
        var watch = ScriptWatch<Int>()
        for _ in 0..<9 {
            watch.failed(1, of: "a")
            watch.probed(isThere: true, now: 0)
        }
        #expect(watch.answer(now: 0) == .claim)
        for job in 2...3 {
            watch.failed(job, of: "b")
            watch.probed(isThere: true, now: 0)
        }
        #expect(watch.answer(now: 9) == .stop)
        watch.over(3)
        #expect(watch.answer(now: 9) == .claim)
        watch.failed(3, of: "b")
        watch.fetched()
        #expect(watch.answer(now: 9) == .claim)
    }

    @Test("one customer's scripts that cannot be fetched keep nobody out: one job after the other is claimed")
    func oneCustomer() {
        var watch = ScriptWatch<Int>()
        for job in 1...5 { watch.failed(job, of: "a") }
        #expect(watch.answer(now: 0) == .one)
        watch.probed(isThere: true, now: 0)
        watch.tookOne(now: 0)
        #expect(watch.answer(now: 19) == .stop)
        #expect(watch.answer(now: 20) == .one)
        // It was another's, and cannot be fetched either: it is the service.
        watch.failed(6, of: "b")
        #expect(watch.answer(now: 100) == .stop)
        watch.over(6)
        #expect(watch.answer(now: 100) == .one)
        // Or it can.
        watch.fetched()
        #expect(watch.answer(now: 100) == .claim)
    }
}
