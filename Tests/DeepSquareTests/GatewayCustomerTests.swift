// SPDX-License-Identifier: GPL-3.0-or-later

import Ethereum
import Foundation
import NIOConcurrencyHelpers
import Testing

@testable import DeepSquare

@Suite("Between customers")
struct GatewayCustomerTests {
    private static let other = address(0x33)

    private static func claim(
        _ job: UInt64, of customer: Address = customer, number: Int64 = 1, block: UInt64? = nil,
        _ change: (inout GridClaim) -> Void = { _ in }
    ) -> GridClaim {
        var claim = GridClaim(
            job: hash(job), number: number, customer: customer, definition: definition, minutes: 60,
            place: GridClaim.Place(block: block ?? job, index: 0), claimedAt: ClaimStage.epoch, needsExamination: false)
        change(&claim)
        return claim
    }

    private static func accepted(_ claim: inout GridClaim) {
        claim.verdict = .accepted
        claim.slurm.isOrdered = true
    }

    private func stage(
        limit: Int?, _ claims: [GridClaim], _ change: @Sendable (inout GridSettings) -> Void = { _ in }
    ) async throws -> GatewayStage {
        let stage = try await GatewayStage {
            $0.maximumJobsPerCustomer = limit
            change(&$0)
        }
        stage.slurm.state.withLockedValue { $0.users = [customer.hex: 1000, Self.other.hex: 1001] }
        await stage.gateway.edit { gateway in
            for claim in claims { gateway.claims[.init(claim)] = claim }
        }
        return stage
    }

    /// The sbatch service is tried, and is away.
    private func withService(_ stage: GatewayStage, _ body: () async throws -> Void) async throws {
        let service = await stage.gateway.sbatch
        let connection = Task { try await service.run() }
        defer {
            service.end()
            connection.cancel()
        }
        try await body()
    }

    private func verdict(_ stage: GatewayStage, _ claim: GridClaim) async -> GridClaim.Verdict? {
        await stage.gateway.claims[.init(claim)]?.verdict
    }

    private static let words = "this provider runs up to 2 jobs of a customer at once"

    @Test("what is claimed beyond a customer's places goes back at once, and is decided again when it comes again")
    func beyond() async throws {
        let jobs = (1...5).map { Self.claim($0) }
        let theirs = Self.claim(6, of: Self.other)
        let stage = try await stage(limit: 2, jobs + [theirs])
        try await withService(stage) {
            await stage.gateway.edit { $0.advanceAll(Array($0.claims.keys)) }
            try await stage.idle()
        }
        // The sbatch service is away: those with a place wait for it.
        for (index, job) in (jobs + [theirs]).enumerated() {
            let wanted: GridClaim.Verdict = (2...4).contains(index) ? .refused(Self.words) : .undecided
            #expect(await verdict(stage, job) == wanted, "job \(index + 1)")
        }
        #expect(await stage.gateway.claims[.init(jobs[4])]?.wasRefusedForGood == false)
    }

    @Test("jobs that run have their places; those that are over have none")
    func places() async throws {
        let rows: [(GridClaim, Bool)] = [
            (Self.claim(9, Self.accepted), false),
            (
                Self.claim(9) {
                    Self.accepted(&$0)
                    $0.slurm.isOver = true
                }, true
            ),
            (Self.claim(9) { $0.settle(.refused("no"), now: 0) }, true),
            (Self.claim(9) { $0.needsExamination = true }, false),
            // Ended on the chain, and it still runs.
            (
                Self.claim(9) {
                    Self.accepted(&$0)
                    $0.chain.status = .cancelled
                }, false
            ),
            // Younger.
            (Self.claim(9), true), (Self.claim(9, of: Self.other, Self.accepted), true),
        ]
        for (index, (present, hasPlace)) in rows.enumerated() {
            let new = Self.claim(5)
            let stage = try await stage(limit: 1, [present, new])
            #expect(await stage.gateway.hasPlace(.init(new)) == hasPlace, "row \(index)")
        }
    }

    @Test("two customers with one login name are one")
    func oneLogin() async throws {
        let (first, second) = (Self.claim(1, Self.accepted), Self.claim(2, of: Self.other))
        let apart = try await stage(limit: 1, [first, second])
        #expect(await apart.gateway.hasPlace(.init(second)))
        let together = try await stage(limit: 1, [first, second]) { $0.users = [customer: "x", Self.other: "x"] }
        #expect(await !together.gateway.hasPlace(.init(second)))
    }

    @Test("whoever was told to have a place keeps it, though an older claim comes later")
    func kept() async throws {
        let new = Self.claim(5)
        let stage = try await stage(limit: 1, [new])
        #expect(await stage.gateway.hasPlace(.init(new)))
        let older = Self.claim(4)
        await stage.gateway.edit { $0.claims[.init(older)] = older }
        #expect(await !stage.gateway.hasPlace(.init(older)))
        #expect(await stage.gateway.hasPlace(.init(new)))
    }

    @Test("one that comes again waits for a place, longer each time, and does not keep others out")
    func comesAgain() async throws {
        for (number, patience) in [(Int64(2), 1800), (3, 3600), (4, 7200), (40, 86_400)] {
            let again = Self.claim(5, number: number, block: 50)
            let stage = try await stage(limit: 1, [Self.claim(1, Self.accepted), again])
            let key = DeepSquareGateway.Key(again)
            for seconds in [0, patience - 1] {
                stage.after(Double(seconds))
                await stage.gateway.edit { $0.advance(key) }
                try await stage.idle()
                #expect(await verdict(stage, again) == .undecided)
                #expect(await stage.gateway.crowded == [key])
            }
            stage.after(31)
            await stage.gateway.edit { $0.advance(key) }
            try await stage.idle()
            #expect(
                await verdict(stage, again) == .refused("this provider runs up to 1 jobs of a customer at once"))
            #expect(await stage.gateway.crowded.isEmpty)
        }
    }

    @Test("when a job of the customer ends the next one is looked at at once")
    func free() async throws {
        let (runs, again) = (Self.claim(1, Self.accepted), Self.claim(5, number: 2, block: 50))
        let stage = try await stage(limit: 1, [runs, again])
        let key = DeepSquareGateway.Key(again)
        await stage.gateway.edit { $0.advance(key) }
        try await stage.idle()
        #expect(await stage.gateway.crowded == [key])
        try await withService(stage) {
            await stage.gateway.edit {
                $0.claims[.init(runs)]?.slurm.isOver = true
                $0.placeIsFree(of: customer.hex)
                $0.advance(key)
            }
            try await stage.idle()
        }
        #expect(await stage.gateway.crowded.isEmpty)
        #expect(await stage.gateway.admitted == [key])
    }

    @Test("without the key nothing is limited")
    func noLimit() async throws {
        let stage = try await stage(limit: nil, (1...9).map { Self.claim($0, Self.accepted) } + [Self.claim(10)])
        #expect(await stage.gateway.hasPlace(.init(Self.claim(10))))
    }

    @Test("customers take turns, those with fewer jobs first, then the older claim")
    func turns() async throws {
        let third = address(0x44)
        let claims =
            (1...4).map { Self.claim($0) } + [Self.claim(5, of: Self.other), Self.claim(6, of: Self.other)]
            + [Self.claim(7, of: third)]
        let running = Self.claim(100, of: third, Self.accepted)
        let stage = try await stage(limit: nil, claims + [running])
        for _ in 0..<5 {
            let keys = claims.shuffled().map { DeepSquareGateway.Key($0) }
            let turns = await stage.gateway.inTurn(keys)
            #expect(turns.map(\.job) == [1, 5, 2, 6, 7, 3, 4].map { hash($0) })
        }
    }
}
