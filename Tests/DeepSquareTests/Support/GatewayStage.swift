// SPDX-License-Identifier: GPL-3.0-or-later

import BigInt
import Ethereum
import Foundation
import GRDB
import NIOConcurrencyHelpers
import Support
import Testing

@testable import DeepSquare
@testable import Ethereum
@testable import JobLifecycle

/// A gateway with files of its own, a node and a Slurm that say what a test wants, and a clock that it moves. None of its loops
/// runs.
final class GatewayStage: Sendable {
    let folder: TemporaryFolder
    let gateway: DeepSquareGateway
    let manager: TransactionManager
    let feed: LogFeed
    let ledger: Ledger
    let store: GridStore
    let slurm: ScriptedSlurm
    let commander: JobCommander
    let chain = ScriptedChain()
    let clock = NIOLockedValueBox(Date(timeIntervalSince1970: Double(ClaimStage.epoch)))
    /// Never set.
    let steady = NIOLockedValueBox(Date(timeIntervalSince1970: 0))

    /// The provider's account; no transaction is ever signed.
    private struct Signer: TransactionSigner {
        var address: Address { provider }

        func sign(_ transaction: UnsignedTransaction) async throws(KeyError) -> SignedTransaction {
            throw KeyError(.failed, "no signer")
        }
        func sign(message: [UInt8]) async throws(KeyError) -> Signature {
            Signature(r: [UInt8](repeating: 1, count: 32), s: [UInt8](repeating: 1, count: 32), parity: 0)
        }
    }

    /// - Parameter before: the files and the Slurm of a process that is gone.
    init(
        examinedBlocks: UInt64 = 0, after before: (folder: TemporaryFolder, slurm: ScriptedSlurm)? = nil,
        _ change: (inout GridSettings) -> Void = { _ in }
    ) async throws {
        let clock = clock
        let now: @Sendable () -> Date = { clock.withLockedValue { $0 } }
        let steady = steady
        folder = try before?.folder ?? TemporaryFolder()
        slurm = before?.slurm ?? ScriptedSlurm()
        var settings = GridSettings()
        // Nobody listens there.
        settings.sbatch = ServiceEndpoint(host: "127.0.0.1", port: 1)
        settings.security = .plaintext
        change(&settings)
        let client = try FakeNode(chain.answer).client()
        let disk = try ChainStore(path: folder.path + "/chain.sqlite")
        manager = TransactionManager(
            client: client, chainID: 1337, signer: Signer(), store: disk,
            classes: ["status", "claim", "other"].map { TransactionClass($0, priority: 0, isEssential: false) },
            logger: quiet)
        feed = LogFeed(name: "1337", filter: contracts.filter, client: client, store: disk, logger: quiet)
        ledger = try Ledger(
            path: folder.path + "/ledger.sqlite", cluster: "test",
            interests: [Ledger.Interest(gateway: GridFile.gatewayName, scope: .ownJobs)], now: now,
            steady: { steady.withLockedValue { $0 } })
        commander = JobCommander(
            ledger: ledger, scheduler: CommandedSlurm(slurm: slurm), logger: quiet, clock: InstantClock())
        store = try GridStore(path: folder.file)
        gateway = try DeepSquareGateway(
            settings: settings,
            file: GridFile(contracts: contracts, firstBlock: 0, store: store, examinedBlocks: examinedBlocks),
            client: client, manager: manager, feed: feed, signer: Signer(), ledger: ledger, cluster: slurm,
            wake: WakeUp(), logger: quiet, now: now)
        try await manager.start()
        await gateway.edit {
            $0.isCaughtUp = true
            // Above the node's block.
            $0.readTo = 1_000_000
            $0.provider.isApproved = true
            $0.provider.delta = 15
        }
    }

    func after(_ seconds: Double) {
        steady.withLockedValue { $0 += seconds }
        clock.withLockedValue { $0 += seconds }
    }

    func setClock(by seconds: Double) { clock.withLockedValue { $0 += seconds } }

    /// The one claim.
    var key: DeepSquareGateway.Key { DeepSquareGateway.Key(job: hash(1), number: 1) }

    func put(_ acts: [ClaimStage.Act]) async {
        let claim = ClaimStage(acts).claim
        await gateway.edit { $0.claims[.init(claim)] = claim }
    }

    var claim: GridClaim? {
        get async { await gateway.claims[key] }
    }

    /// Does what there is to do now, to its end.
    func advance() async throws {
        await gateway.edit { $0.advance(self.key) }
        try await idle()
    }

    func idle() async throws {
        for _ in 0..<20_000 {
            if try await isIdle() { return }
            try await Task.sleep(for: .milliseconds(1))
        }
        Issue.record("never idle")
    }

    /// Nothing is under way but commands that wait for their next try.
    func isIdle() async throws -> Bool {
        let busy = await gateway.runners.values.flatMap(\.underWay)
        guard Set(busy).isSubset(of: [.cancel, .setLimit]) else {
            try await commander.stepDue()
            return false
        }
        let open = try await ledger.read {
            try Int.fetchOne($0, sql: "SELECT count(*) FROM commands WHERE state = 'open'") ?? 0
        }
        // Last: what was asked for meanwhile is carried out now.
        if try await commander.stepDue() { return false }
        return busy.isEmpty || busy.count == open
    }

    /// The one claim's order, whose job Slurm has.
    func order(jobID: UInt32 = 7) async throws {
        let id = await gateway.externalID(key)
        let job = try await ledger.accept(JobOrder(gateway: "deepsquare", externalID: id, claim: 1, request: [1]))
        try await ledger.noteAttempt(job)
        try await ledger.noteSubmitted(job, jobID: jobID)
        try await ledger.noteReleased(job)
    }

    /// A transaction of this agent.
    func made(_ transaction: Hash32) throws {
        // Of which attempt it is one matters to nobody here.
        var configuration = Configuration()
        configuration.foreignKeysEnabled = false
        try DatabaseQueue(path: folder.path + "/chain.sqlite", configuration: configuration).write {
            try $0.execute(
                sql: """
                    INSERT INTO transactions (hash, attempt, raw, cancellation, made_at) VALUES (?, 1, x'00', 0, 0)
                    """, arguments: [Data(transaction.bytes)])
        }
    }

    /// What was handed to the transaction manager: reports' keys, in order.
    var reports: [String] {
        get async { await manager.openKeys(prefix: "deepsquare 0x").sorted() }
    }

    /// In the gateway's file, beside the gateway.
    func sql(_ statement: String) throws {
        var configuration = Configuration()
        configuration.busyMode = .timeout(5)
        try DatabaseQueue(path: folder.file, configuration: configuration).write { try $0.execute(sql: statement) }
    }
}

extension DeepSquareGateway {
    func edit<Answer: Sendable>(_ body: @Sendable (isolated DeepSquareGateway) throws -> Answer) rethrows -> Answer {
        try body(self)
    }
}

/// A node at block 1000, with one job.
final class ScriptedChain: Sendable {
    struct State: Sendable {
        var status = ChainJobStatus.scheduled
        /// Reports revert with NoJob().
        var reverts = false
        var calls = 0
        /// Questions about the job.
        var words = 0
        var block: UInt64 = 1000
        /// Of ProviderManager; nil: it knows no such registration.
        var approved: Prices?
        var waiting: Prices?
        var credits: UInt64 = 5
        /// Of any transaction.
        var receipt = JSONValue.null
    }

    let state = NIOLockedValueBox(State())

    static func selector(_ function: ABIFunction, _ arguments: [ABIValue]) -> String {
        (try? function.call(arguments)).map { String(Hex.data($0).prefix(10)) } ?? ""
    }

    private static let report = selector(
        ContractABI.providerSetJobStatus, [.hash(hash(1)), .uint64(0), .uint64(0), .string(""), .int64(0)])
    private static let job = selector(ContractABI.getJob, [.hash(hash(1))])
    private static let balance = selector(ContractABI.balanceOf, [.address(provider)])
    private static let isWaiting = selector(ContractABI.isWaitingForApproval, [.address(provider)])
    private static let registered = [ContractABI.getProvider, ContractABI.getWaitingProvider].map {
        selector($0, [.address(provider)])
    }

    var answer: FakeNode.Answer {
        { [state] method, parameters in
            if method == "eth_blockNumber" {
                return .string("0x" + String(state.withLockedValue { $0.block }, radix: 16))
            }
            if method == "eth_getTransactionReceipt" { return state.withLockedValue { $0.receipt } }
            guard method == "eth_call", let data = parameters.first?["data"]?.text else { return .string("0x") }
            let now = state.withLockedValue { $0 }
            switch String(data.prefix(10)) {
            case Self.report:
                state.withLockedValue { $0.calls += 1 }
                return now.reverts ? FakeNode.revert("0x3a43ca41") : .string("0x")
            case Self.job:
                state.withLockedValue { $0.words += 1 }
                return Self.job(now.status)
            case Self.balance: return .string("\(hash(now.credits))")
            case Self.isWaiting: return .string("\(hash(now.waiting == nil ? 0 : 1))")
            case Self.registered[0]: return Self.registration(now.approved)
            case Self.registered[1]: return Self.registration(now.waiting)
            default: return .string("\(hash(1))")
            }
        }
    }

    private static func registration(_ prices: Prices?) -> JSONValue {
        guard let prices else { return FakeNode.revert("0x") }
        let hardware = Hardware(gpusPerNode: [0], cpusPerNode: [64], memoryPerNode: [64_000])
        let value = ABIValue.tuple([
            .address(provider), hardware.abi, prices.abi, Label.abi([]), .bool(false),
        ])
        guard let bytes = try? ABI.encode([value], as: ContractABI.getProvider.outputs) else { return .null }
        return .string(Hex.data(bytes))
    }

    private static func job(_ status: ChainJobStatus) -> JSONValue {
        let value = ABIValue.tuple([
            .hash(hash(1)), .uint64(UInt64(status.rawValue)), .address(customer), .address(provider),
            .tuple([
                .uint64(1), .uint64(1000), .uint64(4), .uint64(2), .string("hash123"), .uint64(2), .array([]),
                .array([]),
            ]),
            .tuple([.uint64(100), .uint64(0), .uint64(0), .bool(false)]),
            .tuple([.uint64(900), .uint64(0), .uint64(0), .uint64(0), .uint64(0), .uint64(0)]),
            .fixedBytes([UInt8](repeating: 0x61, count: 32)), .bool(false), .string(""), .int64(0),
        ])
        guard let bytes = try? ABI.encode([value], as: ContractABI.getJob.outputs) else { return .null }
        return .string(Hex.data(bytes))
    }
}

/// A cluster that a test describes.
final class ScriptedSlurm: GridCluster {
    enum Lateness: Sendable, CaseIterable {
        /// No answer, once.
        case failsOnce
        /// What was asked for is done, and no answer comes, once.
        case lateEffect
        /// No answer a few times, then right.
        case slowThenRight
    }

    struct State: Sendable {
        /// By the name of the call.
        var late: [String: Lateness] = [:]
        var calls: [String: Int] = [:]
        var users: [String: UInt32] = [:]
        var longest: UInt64?
        var isUp = true
        var jobs: [JobObservation] = []
        var accounting: [JobObservation]? = []
        var limits: [UInt64] = []
        var cancelled: [UInt32] = []
        /// What was asked for, and what Slurm says to it.
        var requested: [GridJobRequest] = []
        var rehearsal = GridRehearsal.runs(start: nil, nodes: nil)
    }

    let state = NIOLockedValueBox(State())
    private var now: State { state.withLockedValue { $0 } }

    private func answer<Answer>(_ call: String, _ body: (inout State) -> Answer) throws(GridError) -> Answer {
        let answer: Answer? = state.withLockedValue { state in
            let number = state.calls[call, default: 0]
            state.calls[call] = number + 1
            switch state.late[call] {
            case .failsOnce where number == 0: return nil
            case .lateEffect where number == 0:
                _ = body(&state)
                return nil
            case .slowThenRight where number < 4: return nil
            default: return body(&state)
            }
        }
        guard let answer else { throw GridError(.unavailable, "slurmctld does not answer") }
        return answer
    }

    func account(login: String) async throws(GridError) -> GridAccount? {
        try answer("account") { $0.users[login].map { GridAccount(login: login, userID: $0) } }
    }
    func systemUsers() async throws(GridError) -> Set<UInt32> { try answer("systemUsers") { _ in [0, 64_030] } }
    func request(_ job: GridJobRequest) throws(GridError) -> [UInt8] {
        state.withLockedValue { $0.requested.append(job) }
        return Array(job.name.utf8)
    }
    func rehearse(_ job: GridJobRequest) async throws(GridError) -> GridRehearsal {
        try answer("rehearse") {
            $0.requested.append(job)
            return $0.rehearsal
        }
    }
    func isUp() async -> Bool { now.isUp }
    func cancel(_ jobID: UInt32) async throws(GridError) { try answer("cancel") { $0.cancelled.append(jobID) } }
    func setTimeLimit(_ jobID: UInt32, minutes: UInt64) async throws(GridError) {
        try answer("setTimeLimit") { $0.limits.append(minutes) }
    }
    func longestTime(of jobID: UInt32) async throws(GridError) -> UInt64? { try answer("longestTime") { $0.longest } }
    func whyImpossible(_ job: GridJobRequest) async throws(GridError) -> String? {
        try answer("whyImpossible") { _ -> String? in nil }
    }
    func whyStuck(_ jobID: UInt32) async throws(GridError) -> String? { nil }
    func jobs(named name: String) async throws(GridError) -> [JobObservation] { now.jobs }
    func accounting(named name: String, since time: Int64) async throws(GridError) -> [JobObservation]? {
        now.accounting
    }
    func endedJobMemory() async throws(GridError) -> Int64 { 300 }
    func hardware(partition: String) async throws(GridError) -> Hardware {
        if !now.isUp { throw GridError(.unavailable, "slurmctld is away") }
        return Hardware(gpusPerNode: [0], cpusPerNode: [64], memoryPerNode: [64_000])
    }
}

/// The same as who carries commands out sees it. Nothing else is asked of it.
struct CommandedSlurm: Scheduler {
    let slurm: ScriptedSlurm
    private static let absent = SchedulerError(.unavailable, "not for this test")

    private func change(_ body: () async throws(GridError) -> Void) async throws(SchedulerError) {
        do throws(GridError) {
            try await body()
        } catch {
            throw SchedulerError(.unavailable, error.description, mayHaveHappened: true)
        }
    }

    func cancel(_ jobID: UInt32) async throws(SchedulerError) {
        try await change { () async throws(GridError) in try await slurm.cancel(jobID) }
    }
    func setTimeLimit(_ jobID: UInt32, minutes: UInt64) async throws(SchedulerError) {
        try await change { () async throws(GridError) in try await slurm.setTimeLimit(jobID, minutes: minutes) }
    }
    func settle() async throws(SchedulerError) {}
    func jobs(changedSince memory: JobListMemory) async throws(SchedulerError) -> JobList? { throw Self.absent }
    func look(at jobID: UInt32) async throws(SchedulerError) -> [JobObservation] { throw Self.absent }
    func accounting(of jobIDs: [UInt32]) async throws(SchedulerError) -> [JobObservation] { throw Self.absent }
    func accounting(endedIn window: ClosedRange<Int64>) async throws(SchedulerError) -> [JobObservation] {
        throw Self.absent
    }
    func accounting(tagged tag: String, since time: Int64) async throws(SchedulerError) -> [JobObservation] {
        throw Self.absent
    }
    func submitHeld(_ request: [UInt8], tag: String) async throws(SchedulerError) -> UInt32 { throw Self.absent }
    func release(_ jobID: UInt32, adminComment: String?) async throws(SchedulerError) { throw Self.absent }
    func setTag(_ tag: String, of jobID: UInt32, beside adminComment: String?) async throws(SchedulerError) {
        throw Self.absent
    }
    func jobs(of request: [UInt8], tag: String) async throws(SchedulerError) -> [JobObservation] { throw Self.absent }
    func timing() async throws(SchedulerError) -> SchedulerTiming { throw Self.absent }
}

/// On which every sleep is over at once.
struct InstantClock: Clock {
    var now: ContinuousClock.Instant { .now }
    var minimumResolution: Duration { .zero }
    func sleep(until deadline: ContinuousClock.Instant, tolerance: Duration?) async throws { await Task.yield() }
}
