// SPDX-License-Identifier: GPL-3.0-or-later

import BigInt
import NIOConcurrencyHelpers
import Testing
import Waiting

@testable import DeepSquare
@testable import Ethereum

@Suite("A registration with other prices")
struct GatewayPricesTests {
    private static let old = Prices(gpuPerMinute: 1, cpuPerMinute: 1, memoryPerMinute: 1)
    private static let new = GridSettings().prices

    /// Approved at the old prices; the configuration has the new ones.
    private func stage() async throws -> GatewayStage {
        let stage = try await GatewayStage()
        stage.chain.state.withLockedValue { $0.approved = Self.old }
        return stage
    }

    private func receipt(_ block: UInt64, succeeded: Bool = true) -> TransactionReceipt {
        TransactionReceipt(
            transaction: hash(7), block: BlockReference(number: block, hash: hash(block)), succeeded: succeeded,
            gasUsed: 1, gasPrice: nil, logs: [])
    }

    /// What is on its way to the chain.
    private func key(_ stage: GatewayStage) async throws -> String {
        let keys = await stage.manager.openKeys(prefix: DeepSquareGateway.registrationPrefix)
        #expect(keys.count == 1)
        return try #require(keys.first)
    }

    @Test("no job is open: nothing is claimed from the wish to the approval")
    func idle() async throws {
        let stage = try await stage()
        #expect(await stage.gateway.takesJobs)
        guard case .sent(let key) = try await stage.gateway.register() else {
            Issue.record("nothing was sent")
            return
        }
        #expect(try await self.key(stage) == key)
        #expect(await !stage.gateway.takesJobs)
        // Asked again: it is the same one.
        #expect(try await stage.gateway.register() == .underWay(transaction: key))
        #expect(try await self.key(stage) == key)
        // Mined, and it waits.
        stage.chain.state.withLockedValue { $0.waiting = Self.new }
        try await stage.gateway.registrationOver(key, .succeeded(receipt(1000)))
        #expect(await !stage.gateway.takesJobs)
        #expect(
            await stage.gateway.status.registration
                == "a registration with other prices waits for the grid's approval")
        await stage.gateway.refreshProvider()
        #expect(await !stage.gateway.takesJobs)
        // Approved.
        stage.chain.state.withLockedValue {
            $0.waiting = nil
            $0.approved = Self.new
        }
        await stage.gateway.refreshProvider()
        #expect(await stage.gateway.takesJobs)
        #expect(await stage.gateway.status.registration == nil)
        #expect(try await stage.store.value("registering") == nil)
    }

    @Test("a node that lags behind the receipt says nothing of an approval")
    func lagging() async throws {
        let stage = try await stage()
        _ = try await stage.gateway.register()
        let key = try await key(stage)
        try await stage.gateway.registrationOver(key, .succeeded(receipt(1005)))
        await stage.gateway.refreshProvider()
        #expect(await !stage.gateway.takesJobs)
        stage.chain.state.withLockedValue { $0.block = 1005 }
        await stage.gateway.refreshProvider()
        #expect(await stage.gateway.takesJobs)
    }

    @Test("jobs are under way: it is sent when they are over", arguments: [true, false])
    func draining(_ isCaughtUp: Bool) async throws {
        let stage = try await stage()
        if isCaughtUp { await stage.put([.accepted]) } else { await stage.gateway.edit { $0.isCaughtUp = false } }
        #expect(try await stage.gateway.register() == .draining(jobs: isCaughtUp ? 1 : 0))
        #expect(await !stage.gateway.takesJobs)
        #expect(await stage.manager.openKeys(prefix: DeepSquareGateway.registrationPrefix).isEmpty)
        await stage.gateway.edit {
            $0.claims = [:]
            $0.isCaughtUp = true
        }
        // What the loop does in its time.
        await stage.gateway.followPricesOnce()
        _ = try await key(stage)
        #expect(await !stage.gateway.takesJobs)
    }

    @Test("a claim on its way may become a job: it is waited for")
    func claimOnItsWay() async throws {
        let stage = try await stage()
        await stage.gateway.edit { $0.queues[.job] = ClaimQueue(inFlight: ["deepsquare claim job 1"]) }
        #expect(try await stage.gateway.register() == .draining(jobs: 1))
        #expect(await !stage.gateway.takesJobs)
    }

    @Test("the contract does not take it: the old prices stay, and so do the claims")
    func reverted() async throws {
        let stage = try await stage()
        _ = try await stage.gateway.register()
        let key = try await key(stage)
        try await stage.gateway.registrationOver(key, .reverted(receipt(1000, succeeded: false)))
        #expect(await stage.gateway.takesJobs)
        #expect(await stage.gateway.status.lastProblem?.what.contains("did not take the registration") == true)
    }

    @Test("one that never left is sent again")
    func neverLeft() async throws {
        let stage = try await stage()
        let lost = DeepSquareGateway.registrationPrefix + "lost"
        try await stage.store.set("registering", lost)
        try await stage.gateway.loadPriceChange()
        #expect(await !stage.gateway.takesJobs)
        try await waitUntil {
            await stage.gateway.followPricesOnce()
            #expect(await !stage.gateway.takesJobs)
            return await !stage.manager.openKeys(prefix: DeepSquareGateway.registrationPrefix).isEmpty
        }
        #expect(try await key(stage) != lost)
        #expect(await !stage.gateway.takesJobs)
    }

    @Test("a restart forgets none", arguments: ["yes", DeepSquareGateway.registrationPrefix + "1"])
    func restarted(_ word: String) async throws {
        let stage = try await stage()
        await stage.gateway.edit { $0.isCaughtUp = false }
        try await stage.store.set("registering", word)
        try await stage.gateway.loadPriceChange()
        #expect(await !stage.gateway.takesJobs)
        #expect(await stage.gateway.status.isRegistering)
    }

    @Test("the configuration is what the chain has again: nothing is sent")
    func takenBack() async throws {
        let stage = try await stage()
        stage.chain.state.withLockedValue { $0.approved = Self.new }
        try await stage.store.set("registering", "yes")
        try await stage.gateway.loadPriceChange()
        await stage.gateway.followPricesOnce()
        #expect(await stage.gateway.takesJobs)
        #expect(await stage.manager.openKeys(prefix: DeepSquareGateway.registrationPrefix).isEmpty)
    }

    @Test("one that another program sent stops the claims too, until it is decided on", arguments: [true, false])
    func others(_ hasOtherPrices: Bool) async throws {
        let stage = try await stage()
        stage.chain.state.withLockedValue { $0.waiting = hasOtherPrices ? Self.new : Self.old }
        await stage.gateway.refreshProvider()
        #expect(await stage.gateway.takesJobs == !hasOtherPrices)
        stage.chain.state.withLockedValue { $0.waiting = nil }
        await stage.gateway.refreshProvider()
        #expect(await stage.gateway.takesJobs)
    }

    @Test("other hardware at the same prices stops nothing")
    func samePrices() async throws {
        let stage = try await GatewayStage { $0.labels = [Label(key: "os", value: "linux")] }
        stage.chain.state.withLockedValue { $0.approved = Self.new }
        guard case .sent = try await stage.gateway.register() else {
            Issue.record("nothing was sent")
            return
        }
        #expect(await stage.gateway.takesJobs)
    }

    // MARK: credits

    @Test("credits carry their time and block, and an older block's are not taken")
    func credits() async throws {
        let stage = try await stage()
        await stage.gateway.refreshProvider()
        var status = await stage.gateway.status
        #expect(status.credits == "5" && status.creditsBlock == 1000 && status.creditsAt == ClaimStage.epoch)
        stage.chain.state.withLockedValue {
            $0.credits = 9
            $0.block = 1001
        }
        stage.after(30)
        await stage.gateway.refreshCredits()
        status = await stage.gateway.status
        #expect(status.credits == "9" && status.creditsBlock == 1001 && status.creditsAt == ClaimStage.epoch + 30)
        stage.chain.state.withLockedValue {
            $0.credits = 5
            $0.block = 1000
        }
        await stage.gateway.refreshProvider()
        #expect(await stage.gateway.status.credits == "9")
    }
}
