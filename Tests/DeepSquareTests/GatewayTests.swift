// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import NIOConcurrencyHelpers
import Testing

@testable import DeepSquare
@testable import Ethereum
@testable import JobLifecycle

@Suite("What the gateway does with a claim")
struct GatewayTests {
    private static let running: [ClaimStage.Act] = GridClaimTests.onChain

    // MARK: users

    struct User: CustomTestStringConvertible {
        var testDescription: String
        var map: [Address: String] = [:]
        var users: [String: UInt32]
        var minimum: UInt32 = 1000
    }

    static let users = [
        User(testDescription: "users.map names SlurmUser", map: [customer: "slurm"], users: ["slurm": 64_030]),
        User(
            testDescription: "users.map names another name of its uid", map: [customer: "alias"],
            users: ["alias": 64_030]),
        User(testDescription: "the name service gives the address that uid", users: [customer.hex: 64_030]),
        User(testDescription: "root, and any uid is allowed", map: [customer: "r"], users: ["r": 0], minimum: 0),
        User(testDescription: "SlurmUser, and any uid is allowed", users: [customer.hex: 64_030], minimum: 0),
    ]

    @Test("no job runs as root, SlurmUser or the agent, whatever is configured", arguments: users)
    func systemUsers(_ row: User) async throws {
        let stage = try await GatewayStage {
            $0.users = row.map
            $0.minimumUserID = row.minimum
            $0.allowedCustomers = [customer]
        }
        stage.slurm.state.withLockedValue { $0.users = row.users }
        await stage.put([])
        try await stage.advance()
        let login = row.map[customer] ?? customer.hex
        #expect(await stage.claim?.verdict == .refused("the Unix user \(login) may not run jobs of the grid"))
        #expect(await stage.claim?.wasRefusedForGood == true)
    }

    @Test("a user who is not there is asked for again for five minutes")
    func missingUser() async throws {
        let stage = try await GatewayStage()
        await stage.put([])
        try await stage.advance()
        #expect(await stage.claim?.verdict == .undecided)
        stage.after(299)
        try await stage.advance()
        #expect(await stage.claim?.verdict == .undecided)
        stage.after(30)
        try await stage.advance()
        #expect(
            await stage.claim?.verdict
                == .refused("the customer has no Unix user \(customer.hex) on this cluster"))
        #expect(await stage.claim?.wasRefusedForGood == true)
    }

    @Test("a wall clock that is set forward shortens no wait for a user")
    func missingUserAndWrongClock() async throws {
        let stage = try await GatewayStage()
        await stage.put([])
        try await stage.advance()
        stage.setClock(by: 1e8)
        try await stage.advance()
        #expect(await stage.claim?.verdict == .undecided)
        stage.after(299)
        try await stage.advance()
        #expect(await stage.claim?.verdict == .undecided)
        stage.after(30)
        try await stage.advance()
        #expect(await stage.claim?.wasRefusedForGood == true)
    }

    @Test("a service that is away refuses for now, says nothing of where it is, and stops the claims")
    func serviceAway() async throws {
        let stage = try await GatewayStage()
        let service = await stage.gateway.sbatch
        let connection = Task { try await service.run() }
        defer {
            service.end()
            connection.cancel()
        }
        stage.slurm.state.withLockedValue { $0.users = [customer.hex: 1000] }
        await stage.put([])
        try await stage.advance()
        #expect(await stage.claim?.verdict == .undecided)
        #expect(await stage.gateway.scripts.answer(now: ClaimStage.epoch) == .probe)
        let isTried = await stage.gateway.runners[stage.key]?.trouble(of: .decide)?.contains("127.0.0.1:1") == true
        #expect(isTried)
        stage.after(1800)
        try await stage.advance()
        #expect(await stage.claim?.verdict == .refused("the provider could not start the job in time"))
        #expect(await stage.reports.count == 1)
        #expect(await stage.claim?.wasRefusedForGood == false)
    }

    // MARK: limits

    struct Limit: CustomTestStringConvertible {
        var testDescription: String
        var policy: UInt64?
        var partition: UInt64?
        var acts: [ClaimStage.Act]
        var set: UInt64
        var shown: UInt64?
    }

    /// The job was claimed for 60 minutes.
    static let limits = [
        Limit(testDescription: "none", acts: running, set: 127),
        Limit(testDescription: "policy", policy: 62, acts: running, set: 62, shown: 62),
        Limit(testDescription: "partition", partition: 63, acts: running, set: 63, shown: 63),
        Limit(testDescription: "both", policy: 64, partition: 63, acts: running, set: 63, shown: 63),
        Limit(testDescription: "of a pending job", policy: 62, acts: GridClaimTests.queued, set: 62, shown: 62),
        Limit(testDescription: "high enough", policy: 127, partition: 1000, acts: running, set: 127),
        Limit(testDescription: "now lower than what was taken", policy: 5, acts: running, set: 60, shown: 60),
    ]

    @Test("a top-up passes no limit", arguments: limits)
    func topUps(_ row: Limit) async throws {
        let stage = try await GatewayStage { $0.maximumMinutes = row.policy }
        stage.slurm.state.withLockedValue { $0.longest = row.partition }
        await stage.put(row.acts + [.topUp(67, log: 1)])
        try await stage.order()
        try await stage.advance()
        #expect(stage.slurm.state.withLockedValue { $0.limits } == [row.set])
        let shown = try #require(await stage.gateway.status.jobs.first)
        #expect(shown.minutes == 127 && shown.limitMinutes == row.shown)
        #expect(
            shown.steps.contains { $0.what.hasPrefix("the time limit stays at \(row.set) of 127 min") }
                == (row.shown != nil))
        // Nothing is left to do.
        try await stage.advance()
        #expect(stage.slurm.state.withLockedValue { $0.limits.count } == 1)
    }

    // MARK: others' claims

    static func claimEvent(_ transaction: Hash32, block: UInt64) throws -> TransactionReceipt {
        let place = BlockReference(number: block, hash: hash(block))
        let data = try #require(Hex.decode(Vectors.claimEventData))
        let log = ChainLog(
            address: contracts.metaScheduler, topics: [ContractABI.claimJobEvent.topic], data: data, block: place,
            transaction: transaction, index: 0)
        return TransactionReceipt(
            transaction: transaction, block: place, succeeded: true, gasUsed: 1, gasPrice: nil, logs: [log])
    }

    @Test("a claim that another program made is looked at first, whatever its block", arguments: [true, false])
    func foreignClaim(_ isOurs: Bool) async throws {
        let stage = try await GatewayStage(examinedBlocks: 100)
        let transaction = hash(77)
        if isOurs { try stage.made(transaction) }
        await stage.gateway.edit { $0.isCaughtUp = false }
        await stage.feed.offer(try Self.claimEvent(transaction, block: 5000))
        await stage.gateway.takeLogs()
        #expect(await stage.claim?.place.block == 5000)
        // By then the look at it may be over, but not the decision.
        #expect(await stage.claim?.needsExamination == !isOurs)
        #expect(await stage.claim?.verdict == .undecided)
    }

    @Test("who claims beside us may be about to submit: a minute passes before we do")
    func foreignScheduled() async throws {
        let stage = try await GatewayStage()
        stage.slurm.state.withLockedValue { $0.users = [customer.hex: 1000] }
        await stage.put([.unexamined])
        try await stage.advance()
        #expect(await stage.claim?.needsExamination == true)
        stage.after(59)
        try await stage.advance()
        #expect(await stage.claim?.needsExamination == true)
        stage.after(2)
        await stage.gateway.edit { $0.isCaughtUp = false }
        try await stage.advance()
        #expect(await stage.claim?.needsExamination == false)
        #expect(try await stage.ledger.order("deepsquare", stage.gateway.externalID(stage.key), claim: 1) == nil)
    }

    @Test("claims from before the first start are not waited for")
    func oldScheduled() async throws {
        let stage = try await GatewayStage(examinedBlocks: 100)
        stage.slurm.state.withLockedValue { $0.users = [customer.hex: 1000] }
        await stage.gateway.edit { $0.isCaughtUp = false }
        await stage.put([.unexamined])
        try await stage.advance()
        #expect(await stage.claim?.needsExamination == false)
    }

    @Test("nothing is decided before all that the chain said is known")
    func notBeforeCaughtUp() async throws {
        let stage = try await GatewayStage()
        await stage.gateway.edit { $0.isCaughtUp = false }
        await stage.put([])
        try await stage.advance()
        #expect(await stage.gateway.runners[stage.key]?.trouble == nil)
        #expect(await stage.claim?.verdict == .undecided)
    }

    // MARK: what is there already

    @Test(
        "a claim that was open and not decided before this start: what Slurm has of it is taken over, not submitted again"
    )
    func inherited() async throws {
        let stage = try await GatewayStage()
        await stage.put([])
        let name = try #require(await stage.claim?.name)
        var details = JobDetails()
        details.name = name
        details.userID = 1000
        let job = JobObservation(
            source: .controller, time: ClaimStage.epoch * 1_000_000, key: JobKey(9), jobID: 9,
            submitTime: ClaimStage.epoch, restarts: 0, state: SchedulerState(.pending), details: details)
        stage.slurm.state.withLockedValue {
            $0.users = [customer.hex: 1000]
            $0.jobs = [job]
        }
        await stage.gateway.edit { _ = $0.inherited.insert(stage.key) }
        try await stage.advance()
        #expect(await stage.claim?.verdict == .accepted)
        #expect(await stage.claim?.slurm.jobID == 9)
        #expect(await stage.gateway.scripts.answer(now: ClaimStage.epoch) == .claim)
    }

    // MARK: orders that nobody owns

    @Test("a claim is not closed while it is decided; what was ordered then is withdrawn")
    func orderedAtTheEnd() async throws {
        let stage = try await GatewayStage()
        await stage.put([.chain(.cancelled)])
        await stage.gateway.edit {
            #expect($0.runners[stage.key, default: .init()].begin(.decide, at: $0.now()) == .now)
            $0.advance(stage.key)
        }
        #expect(await stage.gateway.runners[stage.key]?.underWay == [.decide])
        let id = await stage.gateway.externalID(stage.key)
        try await stage.ledger.accept(JobOrder(gateway: "deepsquare", externalID: id, claim: 1, request: [1]))
        await stage.gateway.edit { $0.runners = [:] }
        try await stage.advance()
        #expect(await stage.claim?.isClosed == false)
        #expect(try await stage.ledger.order("deepsquare", id, claim: 1)?.phase == .refused)
        // The ledger tells it.
        let told = try await stage.ledger.transitions(of: "deepsquare", id, claim: 1)
        _ = try await stage.gateway.deliver(told)
        try await stage.idle()
        #expect(await stage.claim == nil)
        #expect(await stage.reports.isEmpty)
    }

    @Test(
        "a job of a claim that was over before it is cancelled; one that had it is left to itself",
        arguments: [true, false])
    func orphan(_ hadJob: Bool) async throws {
        let stage = try await GatewayStage()
        var claim = ClaimStage([.chain(.cancelled), .closed]).claim
        if hadJob { claim.slurm.jobID = 7 }
        claim.revision = 1
        try await stage.store.save([claim])
        try await stage.order(jobID: 9)
        let told = try await stage.ledger.transitions(of: "deepsquare", stage.gateway.externalID(stage.key), claim: 1)
        #expect(try await stage.gateway.deliver(told) == [.delivered])
        // It is in the ledger: who delivers may die.
        try await stage.idle()
        #expect(stage.slurm.state.withLockedValue { $0.cancelled } == (hadJob ? [] : [9]))
    }
}
