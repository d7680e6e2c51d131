// SPDX-License-Identifier: GPL-3.0-or-later

import Ethereum
import Foundation
import NIOConcurrencyHelpers
import Testing

@testable import DeepSquare
@testable import JobLifecycle

@Suite("What became of the grid's jobs")
struct GridOutcomesTests {
    private static let now = ClaimStage.epoch + 10

    private static func claim(_ job: UInt64, _ acts: [ClaimStage.Act]) -> GridClaim {
        let made = ClaimStage(acts).claim
        var claim = GridClaim(
            job: hash(job), number: 1, customer: customer, definition: definition, minutes: 60, place: made.place,
            claimedAt: ClaimStage.epoch, needsExamination: false)
        claim.verdict = made.verdict
        claim.slurm = made.slurm
        claim.history = made.history
        claim.closedAt = made.closedAt
        if case .refusedForNow? = acts.last, case .refused(let why) = made.verdict {
            claim.settle(.refused(why), isPassing: true, now: Self.now)
        }
        return claim
    }

    @Test(
        "each outcome counts once, however often the claim is saved",
        arguments: [
            ([], "000 000"), ([.accepted], "000 000"), ([.accepted, .submitted], "100 000"),
            ([.refused("no user")], "010 000"), ([.failed("no script")], "001 000"),
            ([.accepted, .refusedBySlurm("limit", .scheduler)], "010 000"),
            ([.accepted, .submitted, .running, .ended(.completed, 60, exit: 0)], "100 100"),
            ([.accepted, .submitted, .running, .ended(.failed, 60, exit: 256)], "100 010"),
            ([.accepted, .submitted, .running, .ended(.nodeFail, 60, exit: 0)], "100 010"),
            ([.accepted, .submitted, .running, .ended(.timeout, 60, exit: 0)], "100 001"),
            ([.accepted, .submitted, .vanished], "100 001"),
            // Slurm takes in what it never starts; it is given back then.
            ([.accepted, .submitted, .refused("stuck")], "110 000"),
            ([.accepted, .submitted, .refused("stuck"), .ended(.cancelled, 0, exit: 0)], "110 000"),
        ] as [([ClaimStage.Act], String)])
    func counted(_ acts: [ClaimStage.Act], _ wanted: String) {
        var log = OutcomeLog()
        for count in 0...acts.count {
            let claim = Self.claim(1, Array(acts.prefix(count)))
            log.take(claim)
            log.take(claim)
        }
        let found = log.summary(now: Self.now)
        #expect(Self.text(found.sinceStart) == wanted && Self.text(found.lastDay) == wanted)
    }

    private static func text(_ counts: GridOutcomes.Counts) -> String {
        "\(counts.submitted)\(counts.refused)\(counts.failed) "
            + "\(counts.finished)\(counts.endedFailed)\(counts.endedOtherwise)"
    }

    @Test("refusals in a row are worth a warning; one that becomes a job ends them, one that Slurm gives back does not")
    func row() {
        var log = OutcomeLog()
        for job in 1...2 { log.take(Self.claim(UInt64(job), [.refused("no user")])) }
        #expect(!log.summary(now: Self.now).isRefusingAll)
        log.take(Self.claim(3, [.accepted, .submitted]))
        #expect(log.summary(now: Self.now).inARow == 0)
        log.take(Self.claim(3, [.accepted, .submitted, .refused("stuck")]))
        let found = log.summary(now: Self.now)
        #expect(found.inARow == 3 && found.isRefusingAll)
        #expect(found.newest?.reason == "stuck" && found.newest?.customer == customer.checksummed)
        log.take(Self.claim(4, [.accepted, .submitted]))
        #expect(log.summary(now: Self.now).inARow == 0)
    }

    @Test("a customer with enough jobs here says nothing of the cluster")
    func crowded() {
        var log = OutcomeLog()
        for job in UInt64(1)...5 {
            let claim = Self.claim(job, [.refusedForNow("enough")])
            log.crowdsOut(.init(claim))
            log.take(claim)
        }
        let found = log.summary(now: Self.now)
        #expect(found.inARow == 0 && found.lastDay.refused == 5)
        // What could not be started in time does.
        for job in UInt64(6)...8 { log.take(Self.claim(job, [.refusedForNow("not in time")])) }
        #expect(log.summary(now: Self.now).isRefusingAll)
    }

    @Test("a day later they are forgotten, but for the sums of this run")
    func forgotten() {
        var log = OutcomeLog()
        log.take(Self.claim(1, [.refused("no user")]))
        #expect(log.summary(now: Self.now + 86_000).lastDay.refused == 1)
        let later = log.summary(now: Self.now + 86_401)
        #expect(later.lastDay == GridOutcomes.Counts() && later.sinceStart.refused == 1 && later.inARow == 1)
    }

    @Test("a new start knows the last day, and counts nothing twice")
    func restart() {
        let open = Self.claim(1, [.accepted, .submitted])
        let over = (UInt64(2)...4).map { Self.claim($0, [.refused("no user"), .closed]) }
        var log = OutcomeLog()
        log.begin(with: over + [open], now: Self.now)
        log.take(open)
        let found = log.summary(now: Self.now)
        #expect(Self.text(found.lastDay) == "130 000" && found.sinceStart == GridOutcomes.Counts())
        log.take(Self.claim(1, [.accepted, .submitted, .running, .ended(.completed, 60, exit: 0)]))
        #expect(Self.text(log.summary(now: Self.now).sinceStart) == "000 100")
    }

    @Test("the gateway counts what it refuses, over a start too")
    func gateway() async throws {
        let stage = try await GatewayStage { $0.deniedCustomers = [customer] }
        await stage.put([])
        try await stage.advance()
        let first = await stage.gateway.status.outcomes
        #expect(first?.lastDay.refused == 1 && first?.sinceStart.refused == 1 && first?.inARow == 1)
        #expect(first?.newest?.reason == "this provider takes no jobs of \(customer.hex)")
        stage.gateway.close()
        let again = try await GatewayStage(after: (stage.folder, stage.slurm))
        again.clock.withLockedValue { $0 = stage.clock.withLockedValue { $0 } }
        try await again.gateway.load()
        let second = await again.gateway.status.outcomes
        #expect(second?.lastDay.refused == 1 && second?.sinceStart.refused == 0 && second?.inARow == 1)
    }
}
