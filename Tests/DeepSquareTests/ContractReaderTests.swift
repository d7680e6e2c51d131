// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import NIOConcurrencyHelpers
import Testing

@testable import DeepSquare
@testable import Ethereum

@Suite("Reading the contracts' state")
struct ContractReaderTests {
    private static func number(_ value: UInt64) -> JSONValue { .string("\(hash(value))") }

    private static func word(_ address: Address) -> JSONValue {
        .string("0x" + String(repeating: "0", count: 24) + address.hex.dropFirst(2))
    }

    /// The contract that a call asks, and the function's selector.
    private static func call(_ parameters: [JSONValue]) -> (to: String, selector: String) {
        let call = parameters.first
        return (call?["to"]?.text ?? "", String((call?["data"]?.text ?? "").dropFirst(2).prefix(8)))
    }

    /// A MetaScheduler at the tests' address.
    private static let metaScheduler: FakeNode.Answer = { method, parameters in
        let (to, selector) = call(parameters)
        guard method == "eth_call", to == contracts.metaScheduler.hex else { return .string("0x") }
        switch selector {
        case "7c8fce23": return word(contracts.jobs)
        case "13151ec9": return word(contracts.providers)
        case "e2eaf3e7": return word(contracts.queues)
        case "a06d083c": return word(contracts.credit)
        case "72de5b2f": return word(contracts.constants)
        default: return FakeNode.revert("0x")
        }
    }

    @Test("one address is configured, the others are read")
    func addresses() async throws {
        let client = try FakeNode(Self.metaScheduler).client()
        #expect(try await GridContracts.read(contracts.metaScheduler, client: client) == contracts)
    }

    @Test("an address without a contract, and one of another contract")
    func wrongContract() async throws {
        let nothing = try FakeNode { _, _ in .string("0x") }.client()
        let other = try FakeNode { _, _ in FakeNode.revert("0x") }.client()
        let zero = try FakeNode { _, _ in Self.number(0) }.client()
        for client in [nothing, other, zero] {
            let error = await #expect(throws: GridError.self) {
                try await GridContracts.read(contracts.metaScheduler, client: client)
            }
            #expect(error?.code == .wrongContract)
        }
        let away = try FakeNode { _, _ in nil }.client()
        let error = await #expect(throws: GridError.self) {
            try await GridContracts.read(contracts.metaScheduler, client: away)
        }
        #expect(error?.code == .unavailable)
    }

    @Test("each question has its own answer: one that reverts spoils no other")
    func answers() async throws {
        let node = FakeNode { _, parameters in
            switch Self.call(parameters).selector {
            case "79490261": Self.number(19)
            case "4c2a0b7b": FakeNode.revert("0x3a43ca41")
            case "c3345ca3": .string("0x")
            default: .object(["error": .object(["code": .integer(-32000), "message": .string("header not found")])])
            }
        }
        let own: [ABIValue] = [.address(provider)]
        let answers = try await ContractReader(client: node.client()).ask([
            .init(ContractABI.claimableJobs, own, at: contracts.queues),
            .init(ContractABI.cancellingJobs, own, at: contracts.queues),
            .init(ContractABI.topUpJobs, own, at: contracts.queues),
            .init(ContractABI.isValidForScheduling, own, at: contracts.providers),
        ])
        #expect(try answers[0].get() == [.uint64(19)])
        #expect(answers[1] == .failure(GridError(.reverted, "NoProvider()")))
        #expect(throws: GridError.self) { try answers[2].get() }
        if case .failure(let error) = answers[2] { #expect(error.code == .malformed) }
        if case .failure(let error) = answers[3] { #expect(error.code == .unavailable) }
        #expect(throws: GridError.self) { try answers[3].get() }
    }

    @Test("what is no argument of a function never leaves")
    func badArguments() async throws {
        let node = FakeNode { _, _ in .string("0x") }
        let reader = ContractReader(client: try node.client())
        let error = await #expect(throws: GridError.self) {
            try await reader.ask([.init(ContractABI.isBanned, [], at: contracts.providers)])
        }
        #expect(error?.code == .malformed)
        #expect(node.asked.withLockedValue { $0.isEmpty })
    }

    @Test("a job that the repository does not know, and one that is garbage")
    func badJobs() async throws {
        let unknown = ContractReader(client: try FakeNode { _, _ in FakeNode.revert("0x71c8f460") }.client())
        let error = await #expect(throws: GridError.self) { try await unknown.job(hash(1), of: contracts) }
        #expect(error == GridError(.reverted, "InvalidJob()"))
        let garbage = ContractReader(client: try FakeNode { _, _ in Self.number(7) }.client())
        let answer = await #expect(throws: GridError.self) { try await garbage.job(hash(1), of: contracts) }
        #expect(answer?.code == .malformed)
    }

    // MARK: the first block

    /// A block every ten seconds from time 1000 on.
    private static func chain(newest: UInt64) -> FakeNode {
        FakeNode { method, parameters in
            guard method == "eth_getBlockByNumber" else { return Self.metaScheduler(method, parameters) }
            return FakeNode.block(parameters.first, newest: newest, genesis: 1000, seconds: 10)
        }
    }

    @Test(
        "the first block at or after a time",
        arguments: [(0, 0), (1000, 0), (1001, 1), (1010, 1), (5000, 400), (5001, 401), (10_999, 1000), (99_999, 1000)]
            as [(UInt64, UInt64)])
    func firstBlock(_ time: UInt64, _ block: UInt64) async throws {
        let node = Self.chain(newest: 1000)
        let client = try node.client()
        let head = try await StartBlock.head(client)
        #expect(head.number == 1000 && head.timestamp == 11_000)
        #expect(try await StartBlock.first(since: time, head: head, client: client) == block)
        #expect(node.asked.withLockedValue { $0.count } <= 12)
        #expect(try await StartBlock.time(of: 7, client) == 1070)
    }

    @Test("a node that is away when the first block is looked for")
    func noNode() async throws {
        let client = try FakeNode { _, _ in nil }.client()
        let error = await #expect(throws: GridError.self) { try await StartBlock.head(client) }
        #expect(error?.code == .unavailable)
        let pruned = try FakeNode { _, _ in .null }.client()
        let missing = await #expect(throws: GridError.self) { try await StartBlock.time(of: 3, pruned) }
        #expect(missing?.code == .unavailable)
    }

    @Test("times of several blocks, in one request; one that the node lacks is left out")
    func blockTimes() async throws {
        let node = Self.chain(newest: 1000)
        #expect(try await StartBlock.times(of: [0, 7, 1001], node.client()) == [0: 1000, 7: 1070])
        #expect(node.asked.withLockedValue { $0 } == Array(repeating: "eth_getBlockByNumber", count: 3))
        #expect(try await StartBlock.times(of: [], FakeNode { _, _ in nil }.client()).isEmpty)
        let error = await #expect(throws: GridError.self) {
            try await StartBlock.times(of: [1], FakeNode { _, _ in nil }.client())
        }
        #expect(error?.code == .unavailable)
    }

    // MARK: the file

    private static func open(
        _ folder: TemporaryFolder, _ node: FakeNode, contract: Address = contracts.metaScheduler,
        account: Address = provider, now: Double = 11_000, onNew: () async throws(GridError) -> Void = {}
    ) async throws -> GridFile {
        try await GridFile.open(
            path: folder.file, contract: contract, account: account, chainID: 1337, window: .seconds(6000),
            client: node.client(), now: Date(timeIntervalSince1970: now), onNew: onNew)
    }

    @Test("what was read of the logs is forgotten with the file that had it, before the new one is bound")
    func forgetsLogs() async throws {
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        var calls = 0
        let refused = await #expect(throws: GridError.self) {
            try await Self.open(folder, Self.chain(newest: 1000)) { () async throws(GridError) in
                calls += 1
                throw GridError(.storage, "a full disk")
            }
        }
        #expect(refused?.code == .storage)
        let first = try await Self.open(folder, Self.chain(newest: 1000)) { () async throws(GridError) in calls += 1 }
        #expect(calls == 2, "the first one did not count")
        first.store.close()
        _ = try await Self.open(folder, Self.chain(newest: 1000)) { () async throws(GridError) in calls += 1 }
        #expect(calls == 2)
    }

    @Test("the first start asks a node, later ones ask nobody")
    func starts() async throws {
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        let first = try await Self.open(folder, Self.chain(newest: 1000))
        #expect(first.contracts == contracts)
        #expect(first.firstBlock == 400)
        #expect(first.examinedBlocks == 1000)
        first.store.close()
        let away = FakeNode { _, _ in nil }
        let second = try await Self.open(folder, away)
        #expect(second.contracts == contracts)
        #expect(second.firstBlock == 400 && second.examinedBlocks == 1000)
        #expect(away.asked.withLockedValue { $0.isEmpty })
    }

    @Test("a first start that a node broke off is a first start again")
    func brokenStart() async throws {
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        await #expect(throws: GridError.self) { try await Self.open(folder, FakeNode { _, _ in nil }) }
        let file = try await Self.open(folder, Self.chain(newest: 1000))
        #expect(file.firstBlock == 400)
    }

    @Test("another contract or account: not while jobs are open")
    func otherContract() async throws {
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        let first = try await Self.open(folder, Self.chain(newest: 1000))
        var claim = ClaimStage(GridClaimTests.queued).claim
        try await first.store.save([claim])
        first.store.close()
        let error = await #expect(throws: GridError.self) {
            try await Self.open(folder, Self.chain(newest: 1200), account: address(0x33))
        }
        #expect(error?.code == .configuration)

        let again = try await Self.open(folder, Self.chain(newest: 1200))
        claim.closedAt = 1
        claim.revision += 1
        try await again.store.save([claim])
        again.store.close()
        let moved = try await Self.open(folder, Self.chain(newest: 1200), account: address(0x33), now: 13_000)
        #expect(moved.firstBlock == 600 && moved.examinedBlocks == 1200)
    }
}
