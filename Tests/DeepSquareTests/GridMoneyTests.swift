// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import DeepSquare
@testable import JobLifecycle

/// A claim beside a contract that pays as the real one does (contract facts, section 8), in any order of what may happen.
@Suite("What is paid, whatever comes in whatever order")
struct GridMoneyTests {
    /// The contract's side of one job, a Slurm that runs it, and the way between them and the claim.
    struct Market {
        var stage: ClaimStage
        var random: GridClaimTests.Seeded
        // Of the contract.
        var status = ChainJobStatus.scheduled
        var runningAt: Int64 = 0
        var paid: UInt64?
        var wasCut = false
        // Of Slurm.
        var isInSlurm = false
        var startedAt: Int64?
        var used: Int64 = 0
        var end: SchedulerState.Base?
        /// Clocks when each end left.
        var sentAt: Int64 = 0

        static let delta: Int64 = 15

        init(seed: UInt64) {
            random = GridClaimTests.Seeded(state: seed &* 0x9e37_79b9_7f4a_7c15 &+ 1)
            stage = ClaimStage([.accepted])
            if seed % 2 == 1 { stage.billing.rounding = .up }
        }

        mutating func chance(_ of: Int) -> Bool { Int.random(in: 0..<of, using: &random) == 0 }

        var usedMinutes: UInt64 { stage.billing.minutes(of: used) }
        var wall: Int64 { (stage.now - runningAt) / 60 }

        mutating func slurm() {
            switch (isInSlurm, startedAt, end) {
            case (_, _, .some): break
            case (false, _, _):
                stage.take(.submitted)
                isInSlurm = true
            case (true, nil, nil):
                stage.take(.running)
                startedAt = stage.now
            case (true, .some(let start), nil):
                used += stage.now - start
                startedAt = nil
                if chance(4) { return stage.take(.requeued(stage.now - start)) }
                let states: [SchedulerState.Base] = [
                    .completed, .failed, .timeout, .cancelled, .nodeFail, .outOfMemory,
                ]
                let state = states[Int.random(in: 0..<states.count, using: &random)]
                end = state
                stage.take(.ended(state, stage.now - start, exit: state == .completed ? 0 : 256))
            }
        }

        mutating func send() {
            let before = stage.claim.final?.attempt
            stage.take(.sent)
            if stage.claim.final?.attempt != before { sentAt = stage.now }
        }

        /// The oldest transaction is mined.
        mutating func mine() {
            let isLost = chance(8)
            if stage.claim.running?.state == .sent {
                guard !isLost, status == .scheduled else { return stage.take(.reverted(.running)) }
                status = .running
                runningAt = stage.now
                return stage.take(.succeeded(.running))
            }
            guard let report = stage.claim.final, report.state == .sent else { return }
            let isTaken =
                status == .running
                || (status == .scheduled && [.cancelled, .failed, .panicked].contains(report.status))
            guard !isLost, isTaken else { return stage.take(.reverted(.end)) }
            if status == .running {
                let reported = Int64(report.minutes)
                wasCut = reported > wall + Self.delta
                paid = UInt64(wasCut ? wall : max(1, reported))
            } else {
                paid = 0
            }
            status = report.status
            stage.take(.succeeded(.end))
        }

        /// The agent asks the contract.
        mutating func read() {
            if stage.claim.running?.state == .sent || stage.claim.final?.state == .sent { return }
            stage.take(.word(status, start: UInt64(runningAt)))
        }

        mutating func act() {
            switch Int.random(in: 0..<12, using: &random) {
            case 0, 1: slurm()
            case 2, 3: send()
            case 4, 5: mine()
            case 6: if stage.steps.contains("read") || chance(3) { read() }
            case 7: stage.take(.after(Int64.random(in: 1..<90, using: &random)))
            case 8: stage.take(.after(Int64.random(in: 60..<7200, using: &random)))
            case 9: stage.take(.approved(chance(2)))
            case 10: if chance(3) { stage.take(.cancelRequest) }
            default: stage.take(.again)
            }
        }

        /// All that is left to do, each at its time.
        mutating func finish() {
            stage.take(.approved(true))
            for _ in 0..<400 where paid == nil {
                if end == nil { slurm() }
                send()
                mine()
                read()
                stage.take(.after(60))
            }
        }
    }

    @Test(
        "paid is at least the lesser of what was used and what the contract would pay",
        arguments: 0..<300 as Range<UInt64>)
    func anyOrder(_ seed: UInt64) throws {
        var market = Market(seed: seed)
        for _ in 0..<60 where market.paid == nil { market.act() }
        market.finish()
        let paid = try #require(market.paid, "the job is never over")
        #expect(!market.wasCut, "the contract found the report too long")
        let used = market.usedMinutes
        // One less: the contract's clock is not ours.
        let payable = UInt64(max(0, (market.sentAt - market.runningAt) / 60 + Market.delta - 1))
        #expect(paid >= min(used, payable))
        // Never more than was used, but for the one minute that the contract bills at least.
        #expect(paid <= max(1, used))
        // Without the longest wait nothing at all is lost.
        if market.sentAt - market.runningAt < 3600, used > 0 { #expect(paid >= used) }
    }

    @Test("the property can fail: a start that is told late, and an end that does not wait")
    func canFail() {
        var market = Market(seed: 0)
        market.stage.billing.longestHold = 0
        market.slurm()
        market.slurm()
        market.stage.take(.after(36_000))
        market.used = 36_000
        market.stage.take(.ended(.completed, 36_000, exit: 0))
        market.end = .completed
        market.finish()
        #expect(market.paid ?? 0 < market.usedMinutes)
    }
}
