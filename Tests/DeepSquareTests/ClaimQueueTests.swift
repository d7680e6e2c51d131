// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import DeepSquare
@testable import Ethereum

@Suite("How much is claimed from a queue")
struct ClaimQueueTests {
    /// - Returns: how many it wants when it has so many in flight and the queue holds `size`.
    private func wanted(_ size: UInt64, inFlight: Int, share: Int = 8) -> Int {
        ClaimQueue(inFlight: Set((0..<inFlight).map { "claim \($0)" })).wanted(
            size: size, asOf: 0, share: share, now: 0)
    }

    @Test("\"22 claims in flight for 19 queued jobs: 3 revert\": never more than the queue holds")
    func size() {
        #expect(wanted(0, inFlight: 0) == 0)
        #expect(wanted(1, inFlight: 0) == 1)
        #expect(wanted(5, inFlight: 0) == 5)
        #expect(wanted(5, inFlight: 3) == 2)
        #expect(wanted(3, inFlight: 3) == 0)
        #expect(wanted(2, inFlight: 3) == 0)
        #expect(wanted(19, inFlight: 19, share: 100) == 0)
    }

    @Test("never more than the share of the transactions in flight")
    func share() {
        #expect(wanted(100, inFlight: 0) == 8)
        #expect(wanted(100, inFlight: 5) == 3)
        #expect(wanted(100, inFlight: 8) == 0)
        #expect(wanted(100, inFlight: 20) == 0)
        #expect(wanted(.max, inFlight: 0) == 8)
        #expect(wanted(100, inFlight: 0, share: 0) == 1)
    }

    @Test("a size from before the last outcome may count what has been claimed")
    func stale() {
        var queue = ClaimQueue(inFlight: ["a", "b"])
        let asked = queue.outcomes
        queue.over("a", succeeded: true, now: 0)
        #expect(queue.wanted(size: 3, asOf: asked, share: 8, now: 0) == 0)
        #expect(queue.wanted(size: 3, asOf: queue.outcomes, share: 8, now: 0) == 2)
    }

    @Test("\"a cancelled head makes claimNextJob revert for ever\": it rests longer each time, and is tried by one")
    func rests() {
        var queue = ClaimQueue()
        var now: Int64 = 1000
        var rests: [Int64] = []
        for round in 0..<8 {
            let key = "claim \(round)"
            queue.inFlight.insert(key)
            queue.over(key, succeeded: false, now: now)
            #expect(queue.trouble != nil)
            #expect(queue.wanted(size: 9, asOf: queue.outcomes, share: 8, now: queue.restsUntil - 1) == 0)
            rests.append(queue.restsUntil - now)
            now = queue.restsUntil
            #expect(queue.wanted(size: 9, asOf: queue.outcomes, share: 8, now: now) == 1)
        }
        #expect(rests == [2, 4, 8, 16, 32, 60, 60, 60])
    }

    @Test("a clock that is set back by years makes no rest as long")
    func clockSetBack() {
        var queue = ClaimQueue()
        queue.inFlight.insert("a")
        queue.over("a", succeeded: false, now: 700_000_000)
        #expect(queue.wanted(size: 9, asOf: queue.outcomes, share: 8, now: 1000) == 1)
    }

    @Test("a probe is alone in flight")
    func probe() {
        var queue = ClaimQueue(inFlight: ["a", "b"])
        queue.over("a", succeeded: false, now: 0)
        #expect(queue.wanted(size: 9, asOf: queue.outcomes, share: 8, now: 100) == 0)
        queue.over("b", succeeded: false, now: 0)
        #expect(queue.wanted(size: 9, asOf: queue.outcomes, share: 8, now: 100) == 1)
        #expect(queue.wanted(size: 0, asOf: queue.outcomes, share: 8, now: 100) == 0)
        queue.inFlight.insert("c")
        #expect(queue.wanted(size: 9, asOf: queue.outcomes, share: 8, now: 100) == 0)
    }

    @Test("one that works again is used as before")
    func recovery() {
        var queue = ClaimQueue(inFlight: ["a"])
        queue.over("a", succeeded: false, now: 0)
        queue.inFlight.insert("b")
        queue.over("b", succeeded: true, now: 100)
        #expect(queue.failures == 0 && queue.trouble == nil)
        #expect(queue.wanted(size: 9, asOf: queue.outcomes, share: 8, now: 100) == 8)
    }

    @Test("a queue too long for the node to count it is claimed from all the same, after a rehearsal")
    func uncounted() {
        #expect(ClaimQueue.size(.success([.uint64(287)])) == 287)
        // A contract that ran out of the call's gas says no more than that it reverted; geth names the gas.
        #expect(ClaimQueue.size(.failure(GridError(.reverted, "execution reverted"))) == 8)
        #expect(ClaimQueue.size(.failure(GridError(.unavailable, "out of gas"))) == 8)
        #expect(ClaimQueue.size(.failure(GridError(.malformed, "no answer of it"))) == nil)
        #expect(ClaimQueue.size(.success([])) == nil)
        var queue = ClaimQueue()
        #expect(queue.isRehearsed && queue.wanted(size: ClaimQueue.uncounted, asOf: 0, share: 4, now: 0) == 4)
        queue.rehearsalFailed("reverts", now: 0)
        #expect(queue.wanted(size: ClaimQueue.uncounted, asOf: 0, share: 4, now: 0) == 0)
    }

    @Test("a rehearsal that fails costs no gas, and a rest")
    func rehearsal() {
        var queue = ClaimQueue()
        #expect(queue.isRehearsed)
        queue.rehearsalFailed("JobHotStatusOnly(4)", now: 50)
        #expect(queue.trouble == "JobHotStatusOnly(4)")
        #expect(queue.wanted(size: 9, asOf: queue.outcomes, share: 8, now: 51) == 0)
        #expect(queue.wanted(size: 9, asOf: queue.outcomes, share: 8, now: 52) == 1)
        queue.inFlight.insert("a")
        #expect(!queue.isRehearsed)
    }

    @Test("each queue has its own calls and keys")
    func kinds() {
        let kinds = ClaimKind.allCases
        #expect(Set(kinds.map(\.keyPrefix)).count == 3)
        #expect(Set(kinds.map(\.size.signature)).count == 3)
        #expect(Set(kinds.map(\.claim.signature)).count == 3)
        for kind in kinds {
            #expect(kinds.allSatisfy { $0 == kind || !$0.keyPrefix.hasPrefix(kind.keyPrefix) })
        }
    }

    @Test("what a queue said last is forgotten when it holds nothing; its rest is not")
    func foundEmpty() {
        var queue = ClaimQueue(inFlight: ["a"])
        queue.over("a", succeeded: false, now: 0)
        let rest = queue.restsUntil
        queue.foundEmpty()
        #expect(queue.trouble == nil && queue.restsUntil == rest && queue.failures == 1)
    }
}
