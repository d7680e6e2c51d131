// SPDX-License-Identifier: GPL-3.0-or-later

import BigInt
import Testing

@testable import DeepSquare
@testable import Ethereum

@Suite("The grid's contracts")
struct ContractTests {
    static let selectors: [(function: ABIFunction, selector: String)] = [
        (ContractABI.jobs, "7c8fce23"), (ContractABI.providerManager, "13151ec9"),
        (ContractABI.providerJobQueues, "e2eaf3e7"), (ContractABI.credit, "a06d083c"),
        (ContractABI.constants, "72de5b2f"), (ContractABI.enableRequestNewJob, "4c6dad12"),
        (ContractABI.claimNextJob, "5d3a7180"), (ContractABI.claimNextCancellingJob, "5e1b2d65"),
        (ContractABI.claimNextTopUpJob, "ebd4bf00"), (ContractABI.refuseJob, "1f92a63f"),
        (ContractABI.providerSetJobStatus, "e1c0fdd4"), (ContractABI.getJob, "8eaa6ac0"),
        (ContractABI.claimableJobs, "79490261"), (ContractABI.cancellingJobs, "4c2a0b7b"),
        (ContractABI.topUpJobs, "c3345ca3"), (ContractABI.isValidForScheduling, "21457c7e"),
        (ContractABI.isWaitingForApproval, "220f0e4c"), (ContractABI.isBanned, "97f735d5"),
        (ContractABI.getProvider, "55f21eb7"), (ContractABI.getWaitingProvider, "f77dd4c0"),
        (ContractABI.getJobCount, "6830cdc4"), (ContractABI.register, "94f9b055"),
        (ContractABI.billDurationDelta, "b9590171"), (ContractABI.balanceOf, "70a08231"),
    ]

    @Test("selectors are those of the deployed contracts", arguments: selectors.indices)
    func selector(_ index: Int) {
        let (function, selector) = Self.selectors[index]
        #expect(Hex.encode(function.selector) == selector, "\(function.signature)")
    }

    static let topics: [(event: ABIEvent, topic: String)] = [
        (ContractABI.claimJobEvent, "c8d7c7c2914e1aa1462fe7999f8a18a0f1043d7d94ab692c3ac9af846f1be8c7"),
        (ContractABI.claimCancellingEvent, "290fa751f58fe2a1f5758b401eb3110dbbb71b68540282856c0dcdcc7011e07d"),
        (ContractABI.claimTopUpEvent, "a42f2b4a7ee7f91857a4c98fc71fc48546a284d5db48dd77b7ab81030a494470"),
        (ContractABI.billedTooMuchEvent, "17e65314b087df225f56701d0a66a3f7d9ce0f26077307b4b765a19c60a36d44"),
        (ContractABI.jobTransitionEvent, "0bba917f0a1e0fc0d51a75273e7088a4dfecb010699e60ac9c58526429f6c37f"),
        (ContractABI.providerApproved, "ee9f2f9f53f8a2451cc2e764d1e1f4690a053a9030f64411d67993d66b5231e7"),
        (ContractABI.providerBanChanged, "fb129c89f1efff73dd65abfbf405fb7406da44fe14952903f6a45f85a576fc7d"),
        (ContractABI.providerRemoved, "1589f8555933761a3cff8aa925061be3b46e2dd43f621322ab611d300f62b1d9"),
        (ContractABI.providerWaiting, "499ee8b60c37d33e7ef4118e0b351258ec86a6d6cb2e3b71755ee89af0d8e343"),
    ]

    @Test("topics are those of the deployed contracts, and the feed asks for each of them")
    func topics() {
        for (event, topic) in Self.topics { #expect("\(event.topic)" == "0x" + topic, "\(event.signature)") }
        #expect(Set(contracts.filter.events) == Set(Self.topics.map(\.event.topic)))
        #expect(contracts.filter.contracts == [contracts.metaScheduler, contracts.jobs, contracts.providers])
    }

    // MARK: calls

    @Test("providerSetJobStatus, byte by byte")
    func statusCall() throws {
        let data = try ContractABI.providerSetJobStatus.call([
            .hash(hash(1)), .uint64(5), .uint64(10), .string("boom"), .int64(-7),
        ])
        #expect(Hex.data(data) == Vectors.statusCalldata)
    }

    @Test("claims and refusals, byte by byte")
    func claimCalls() throws {
        #expect(Hex.data(try ContractABI.claimNextJob.call()) == "0x5d3a7180")
        #expect(Hex.data(try ContractABI.refuseJob.call([.hash(hash(1))])) == "0x1f92a63f\(Hex.encode(hash(1).bytes))")
    }

    @Test("register, by its hash")
    func registerCall() throws {
        let registration = Registration(
            hardware: Hardware(gpusPerNode: [0, 1], cpusPerNode: [16, 16], memoryPerNode: [128_000, 64_000]),
            prices: GridSettings().prices, labels: [])
        // The vector has its labels in another order than ours.
        var call = registration.call
        call[2] = Label.abi([Label(key: "os", value: "linux"), Label(key: "compute.gflops", value: "123.45")])
        let data = try ContractABI.register.call(call)
        #expect(data.count == 1060)
        #expect("\(Keccak256.hash(data))" == Vectors.registerHash)
    }

    // MARK: events

    private static func log(
        _ event: ABIEvent, bytes data: [UInt8], at contract: Address = contracts.metaScheduler
    ) -> ChainLog {
        ChainLog(
            address: contract, topics: [event.topic], data: data, block: BlockReference(number: 9, hash: hash(9)),
            transaction: hash(8), index: 0)
    }

    private static func log(
        _ event: ABIEvent, _ values: [ABIValue], at contract: Address = contracts.metaScheduler
    ) throws -> ChainLog {
        log(event, bytes: Array(try ABIFunction(event.signature).call(values).dropFirst(4)), at: contract)
    }

    @Test("ClaimJobEvent, byte by byte")
    func claimed() throws {
        let data = try #require(Hex.decode(Vectors.claimEventData))
        let event = try GridEvent.read(Self.log(ContractABI.claimJobEvent, bytes: data), of: contracts)
        #expect(
            event == .claimed(job: hash(1), customer: customer, provider: provider, minutes: 59, definition))
        #expect(event?.job == hash(1))
    }

    @Test("each event by its arguments, whose order differs")
    func events() throws {
        let (job, own, other) = (hash(7), ABIValue.address(provider), ABIValue.address(customer))
        let (scheduler, jobs, providers) = (contracts.metaScheduler, contracts.jobs, contracts.providers)
        let rows: [(ABIEvent, [ABIValue], Address, GridEvent)] = [
            (
                ContractABI.claimCancellingEvent, [other, own, .hash(job)], scheduler,
                .cancelClaimed(job: job, provider: provider)
            ),
            (
                ContractABI.claimTopUpEvent, [.hash(job), own, .uint64(30)], scheduler,
                .topUpClaimed(job: job, provider: provider, minutes: 30)
            ),
            (
                ContractABI.billedTooMuchEvent, [.hash(job), own, .uint64(180)], scheduler,
                .billedTooMuch(job: job, provider: provider)
            ),
            (
                ContractABI.jobTransitionEvent, [.hash(job), .uint64(2), .uint64(4)], jobs,
                .transition(job: job, from: .scheduled, to: .cancelled)
            ),
            (ContractABI.providerApproved, [own], providers, .providerChanged(provider)),
            (ContractABI.providerBanChanged, [own, .bool(true)], providers, .providerChanged(provider)),
            (ContractABI.providerRemoved, [own], providers, .providerChanged(provider)),
            (ContractABI.providerWaiting, [other], providers, .providerChanged(customer)),
        ]
        for (event, values, contract, expected) in rows {
            #expect(try GridEvent.read(Self.log(event, values, at: contract), of: contracts) == expected)
            // The same bytes of another contract are nothing to us.
            for elsewhere in [contracts.queues, contracts.credit, address(0x77)] {
                #expect(try GridEvent.read(Self.log(event, values, at: elsewhere), of: contracts) == nil)
            }
            // Half of it is an error, not an event.
            #expect(throws: (any Error).self, "\(event.signature)") {
                let whole = try Self.log(event, values, at: contract)
                var half = whole
                half.data = Array(whole.data.dropLast(32))
                return try GridEvent.read(half, of: contracts)
            }
        }
    }

    @Test("\"every provider's events arrive\": another one's is told with its address")
    func foreign() throws {
        let values: [ABIValue] = [.hash(hash(7)), .address(address(0x33)), .uint64(30)]
        let event = try GridEvent.read(Self.log(ContractABI.claimTopUpEvent, values), of: contracts)
        #expect(event == .topUpClaimed(job: hash(7), provider: address(0x33), minutes: 30))
    }

    @Test("every status, and none that there is not")
    func statuses() throws {
        for status in ChainJobStatus.allCases {
            let log = try Self.log(
                ContractABI.jobTransitionEvent, [.hash(hash(7)), .uint64(0), .uint64(UInt64(status.rawValue))],
                at: contracts.jobs)
            #expect(try GridEvent.read(log, of: contracts) == .transition(job: hash(7), from: .pending, to: status))
            #expect(status.isCold == (status.rawValue >= 4))
        }
        let ninth = try Self.log(
            ContractABI.jobTransitionEvent, [.hash(hash(7)), .uint64(2), .uint64(9)], at: contracts.jobs)
        #expect(try GridEvent.read(ninth, of: contracts) == nil)
    }

    @Test("a log of another event, of none, and of garbage")
    func garbage() throws {
        var log = Self.log(ContractABI.claimJobEvent, bytes: [])
        #expect(throws: (any Error).self) { try GridEvent.read(log, of: contracts) }
        log.data = [UInt8](repeating: 0xff, count: 640)
        #expect(throws: (any Error).self) { try GridEvent.read(log, of: contracts) }
        log.topics.append(hash(1))
        #expect(throws: (any Error).self) { try GridEvent.read(log, of: contracts) }
        log.topics = [hash(5)]
        #expect(try GridEvent.read(log, of: contracts) == nil)
        log.topics = []
        #expect(try GridEvent.read(log, of: contracts) == nil)
        // Of this contract's queue, and not of this contract.
        let misplaced = try Self.log(
            ContractABI.jobTransitionEvent, [.hash(hash(7)), .uint64(2), .uint64(4)], at: contracts.metaScheduler)
        #expect(try GridEvent.read(misplaced, of: contracts) == nil)
    }

    @Test("a hash that is no UTF-8 is the customer's: a claim all the same")
    func badUTF8() throws {
        var data = try #require(Hex.decode(Vectors.claimEventData))
        let text = Array("hash123".utf8)
        let place = try #require(data.indices.first { data[$0...].starts(with: text) })
        data[place] = 0xff
        let event = try GridEvent.read(Self.log(ContractABI.claimJobEvent, bytes: data), of: contracts)
        guard case .claimed(_, _, _, _, let definition) = event else {
            Issue.record("no claim: \(String(describing: event))")
            return
        }
        #expect(definition.batchLocationHash == "\u{fffd}ash123")
    }

    // MARK: errors

    private static func word(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 64 - digits.count) + digits
    }

    private static let twoAddresses =
        word(0).prefix(24) + String(repeating: "11", count: 20) + word(0).prefix(24)
        + String(repeating: "22", count: 20)
    private static let twoAddressWords =
        "(0x1111111111111111111111111111111111111111, 0x2222222222222222222222222222222222222222)"

    static let errors: [(data: String, words: String)] = [
        ("bdb90210", "AlreadyDone()"), ("a24a13a6", "ArrayLengthMismatch()"), ("7064572b", "Banned()"),
        ("7897ef6d", "CustomerMetaSchedulerProviderOnly()"),
        ("89423319" + twoAddresses, "CustomerOnly" + twoAddressWords), ("3db2a12a", "Empty()"),
        ("03eb8b54" + word(5) + word(100), "InsufficientFunds(5, 100)"), ("71c8f460", "InvalidJob()"),
        ("d208e590", "InvalidJobDefinition()"), ("e01ba5fa", "InvalidNodesCount()"),
        ("5b23e576", "InvalidTotalCpus()"), ("785f1be0", "InvalidTotalMem()"),
        ("2fef82f8" + word(2) + word(5), "InvalidTransition(2, 5)"), ("8c6824c2" + word(4), "JobHotStatusOnly(4)"),
        ("32e3065c" + twoAddresses, "JobProviderOnly" + twoAddressWords),
        ("090713fe" + word(3), "MetaScheduledScheduledStatusOnly(3)"), ("3abe75b3", "NewJobRequestDisabled()"),
        ("97736927", "NoJob()"), ("3a43ca41", "NoProvider()"), ("42f99019", "NoSpendingAuthority()"),
        ("b4120f14", "OutOfBounds()"), ("ef341f6d", "ProviderNotJoined()"),
        ("9003b68a" + word(40) + word(30), "RemainingTimeAboveLimit(40, 30)"),
        ("14475eb7" + word(2), "RunningColdStatusOnly(2)"), ("ed3e2aad" + word(0), "RunningScheduledStatusOnly(0)"),
        ("2a856fc9", "SameStatusError()"), ("2a9126eb", "WaitingApprovalOnly()"),
        ("4e487b71" + word(0x11), "Panic(0x11)"),
        (
            "08c379a0" + word(32) + word(5) + "68656c6c6f" + String(repeating: "0", count: 54), "Error(\"hello\")"
        ),
    ]

    @Test("why a call was reverted, in words", arguments: errors.indices)
    func revert(_ index: Int) throws {
        let (data, words) = Self.errors[index]
        #expect(ContractABI.describe(revert: try #require(Hex.decode(data))) == words)
    }

    @Test("each error of the contract has a row")
    func allErrors() {
        #expect(ContractABI.errors.count == 27)
        #expect(Self.errors.count == 29)
    }

    @Test("\"W30: empty revert data → index panic\"", arguments: ["", "00", "2fef82", "2fef82f8", "deadbeef00"])
    func oddReverts(_ data: String) throws {
        let bytes = try #require(Hex.decode(data))
        #expect(ContractABI.describe(revert: bytes) == (data.isEmpty ? "reverted without a reason" : "0x" + data))
    }

    @Test("the contract's reason, or the node's own words")
    func nodes() {
        let reverted = RPCError(.refused(.reverted), "execution reverted", revertData: [0xef, 0x34, 0x1f, 0x6d])
        #expect(ContractABI.describe(reverted) == "ProviderNotJoined()")
        #expect(ContractABI.describe(RPCError(.refused(.reverted), "x")) == "reverted without a reason")
        #expect(ContractABI.describe(RPCError(.timedOut, "no answer in 10 s")) == "no answer in 10 s")
    }

    // MARK: tuples

    private static let definitionValue = ABIValue.tuple([
        .uint64(1), .uint64(1000), .uint64(4), .uint64(2), .string("hash123"), .uint64(2), .array([]), .array([]),
    ])

    private static func job(status: UInt64 = 3, exitCode: Int64 = -7, start: BigUInt = 1000) -> ABIValue {
        .tuple([
            .hash(hash(1)), .uint64(status), .address(customer), .address(provider), definitionValue,
            .tuple([.uint(BigUInt(10).power(20)), .uint64(3), .uint64(0), .bool(false)]),
            .tuple([.uint64(900), .uint(start), .uint64(2000), .uint64(1500), .uint64(9), .uint64(0)]),
            .fixedBytes([UInt8](repeating: 0x61, count: 32)), .bool(true), .string("boom"), .int64(exitCode),
        ])
    }

    /// Through the contract's encoding.
    private static func answer(_ value: ABIValue, of function: ABIFunction) throws -> ABIValue {
        try function.decode(try ABI.encode([value], as: function.outputs))[0]
    }

    @Test("a job as JobRepository gives it")
    func chainJob() throws {
        let job = try ChainJob(Self.answer(Self.job(), of: ContractABI.getJob))
        #expect(
            job
                == ChainJob(
                    id: hash(1), status: .running, customer: customer, provider: provider, definition: definition,
                    maximumCost: BigUInt(10).power(20), finalCost: 3, submitted: 900, start: 1000, end: 2000,
                    cancelRequested: 1500, hasCancelRequest: true, lastError: "boom", exitCode: -7))
    }

    @Test("jobs that are none")
    func badJobs() throws {
        for value in [
            Self.job(status: 9), Self.job(status: 255), Self.job(start: BigUInt(1) << 64), .tuple([]), .bool(true),
        ] {
            #expect(throws: ContractAnswer.self) { try ChainJob(value) }
        }
        #expect(throws: ContractAnswer.self) { try JobDefinition(.tuple([.uint64(1)])) }
        #expect(throws: ABIError.self) { try ContractABI.getJob.decode([]) }
        #expect(throws: ABIError.self) { try ContractABI.getJob.decode([UInt8](repeating: 0xff, count: 1024)) }
    }

    @Test("CPUs and memory of a whole job, as far as one can count")
    func resources() {
        #expect(definition.cpus == 8 && definition.memory == 8000)
        var large = definition
        large.tasks = .max
        #expect(large.cpus == nil && large.memory == nil)
        large.cpusPerTask = 1
        #expect(large.cpus == .max && large.memory == nil)
    }

    private static func providerValue(_ who: Address) -> ABIValue {
        let hardware = Hardware(gpusPerNode: [0, 1], cpusPerNode: [16, 16], memoryPerNode: [128_000, 64_000])
        return .tuple([
            .address(who), hardware.abi, GridSettings().prices.abi, Label.abi([Label(key: "os", value: "linux")]),
            .bool(true),
        ])
    }

    @Test("a provider as ProviderManager gives it")
    func providerRecord() throws {
        let value = try Self.answer(Self.providerValue(provider), of: ContractABI.getProvider)
        let record = try ProviderRecord.read(value)
        #expect(
            record
                == ProviderRecord(
                    address: provider,
                    hardware: Hardware(gpusPerNode: [0, 1], cpusPerNode: [16, 16], memoryPerNode: [128_000, 64_000]),
                    prices: GridSettings().prices, labels: [Label(key: "os", value: "linux")], isBanned: true))
        #expect(throws: ContractAnswer.self) { try ProviderRecord.read(.tuple([])) }
    }

    @Test("\"getProvider reverts with NoProvider or returns an empty struct\": the empty one is no provider")
    func noProvider() throws {
        let empty = ABIValue.tuple([
            .address(.zero), .tuple([.uint64(0), .array([]), .array([]), .array([])]),
            .tuple([.uint64(0), .uint64(0), .uint64(0)]), .array([]), .bool(false),
        ])
        #expect(try ProviderRecord.read(Self.answer(empty, of: ContractABI.getWaitingProvider)) == nil)
    }
}
