// SPDX-License-Identifier: GPL-3.0-or-later

import DeepSquare
import Ethereum
import Foundation
import JobLifecycle
import Logging
import NIOConcurrencyHelpers
import NIOPosix
import ServiceLifecycle
import Support

/// The gateway on the lab's chain, with a Slurm and a clock that a test moves: for what takes hours.
///
///     GridDriver STATE-FOLDER KEY-FILE CONTRACT NODE SBATCH-ENDPOINT MAX-HOLD
///
/// Reads commands from standard input, a line each, and answers each with `ok` once it is in the ledger:
///
///     clock SECONDS              the clock is that far ahead of the real one
///     submitted JOB              prints yes or no
///     start JOB                  Slurm starts the job
///     end JOB SECONDS STATE      it has ended, after running for so long
///     holds                      prints how many jobs are held, and the minutes that they would lose
///     earnings                   prints each day with its jobs and wei
@main
enum GridDriver {
    static func main() async throws {
        let words = CommandLine.arguments
        guard words.count == 7, let contract = Address(hex: words[3]), let sbatch = ServiceEndpoint(words[5]),
            let hold = Int64(words[6])
        else {
            say("usage: GridDriver STATE KEY CONTRACT NODE SBATCH-ENDPOINT MAX-HOLD")
            exit(64)
        }
        LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
        let logger = Logger(label: "driver")
        let clock = MovedClock()
        let signer = LocalSigner(try KeySource.file(words[2]).load())
        let transport = try HTTPTransport(certificateAuthority: nil)
        let client = RPCClient(
            endpoints: [try RPCEndpoint(http: words[4])], chainID: 1337, transport: transport, logger: logger)
        let chain = try ChainStore(path: words[1] + "/chain.sqlite")
        let file = try await GridFile.open(
            path: words[1] + "/deepsquare.sqlite", contract: contract, account: signer.address, chainID: 1337,
            window: .seconds(86_400), client: client)
        let wake = WakeUp()
        var reading = LogFeed.Settings()
        reading.interval = .milliseconds(200)
        reading.firstBlock = file.firstBlock
        let feed = LogFeed(
            name: "1337", filter: file.contracts.filter, client: client, store: chain, settings: reading,
            logger: logger,
            onNews: { wake.raise() })
        let classes = [
            TransactionClass("status", priority: 0, isEssential: true),
            TransactionClass("claim", priority: 1, isEssential: false),
            TransactionClass("other", priority: 2, isEssential: false),
        ]
        let manager = TransactionManager(
            client: client, chainID: 1337, signer: signer, store: chain, classes: classes, logger: logger,
            onReceipt: { await feed.offer($0) })
        var settings = GridSettings()
        settings.sbatch = sbatch
        settings.security = .plaintext
        settings.claimInterval = .seconds(1)
        settings.longestHold = .seconds(hold)
        let ledger = try Ledger(
            path: words[1] + "/ledger.sqlite", cluster: "driver",
            interests: [Ledger.Interest(gateway: GridFile.gatewayName, scope: .ownJobs)], now: clock.now)
        let slurm = ScriptedSlurm(now: clock.now)
        let gateway = try DeepSquareGateway(
            settings: settings, file: file, client: client, manager: manager, feed: feed, signer: signer,
            ledger: ledger,
            cluster: slurm, wake: wake, logger: logger, now: clock.now)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await manager.run() }
            group.addTask { try await feed.run() }
            group.addTask { try await gateway.run() }
            group.addTask { try await Submitter(ledger: ledger, scheduler: slurm, logger: logger).run() }
            group.addTask { try await JobCommander(ledger: ledger, scheduler: slurm, logger: logger).run() }
            group.addTask { try await OutboxRunner(ledger: ledger, gateway: gateway, logger: logger).run() }
            group.addTask {
                // Waiting for a line blocks its thread.
                while let line = try await NIOThreadPool.singleton.runIfActive({ readLine() }) {
                    try await obey(line.split(separator: " ").map(String.init), clock, slurm, ledger, gateway)
                }
                exit(0)
            }
            try await group.waitForAll()
        }
    }

    private static func obey(
        _ words: [String], _ clock: MovedClock, _ slurm: ScriptedSlurm, _ ledger: Ledger, _ gateway: DeepSquareGateway
    ) async throws {
        switch words.first {
        case "clock":
            clock.offset = Double(words[1]) ?? 0
        case "start":
            try await ledger.fold(Ledger.Intake(observations: [slurm.started(words[1])]))
        case "end":
            let seconds = Int64(words[2]) ?? 0
            let state = SchedulerState.Base(rawValue: words[3]) ?? .completed
            try await ledger.fold(Ledger.Intake(observations: [slurm.ended(words[1], after: seconds, state)]))
        case "submitted":
            say(slurm.has(words[1]) ? "yes" : "no")
            return
        case "holds":
            let holds = await gateway.status.jobs.compactMap(\.hold)
            say("\(holds.count) \(holds.reduce(0) { $0 + $1.minutes })")
            return
        case "earnings":
            let days = try await gateway.earnings(days: 30).map { "\($0.day) \($0.jobs) \($0.credits)" }
            say(days.joined(separator: ";"))
            return
        default:
            say("no such command")
            return
        }
        say("ok")
    }

    private static func say(_ words: String) {
        FileHandle.standardOutput.write(Data((words + "\n").utf8))
    }
}

/// The real time, and so much more.
final class MovedClock: Sendable {
    private let box = NIOLockedValueBox(0.0)

    var offset: Double {
        get { box.withLockedValue { $0 } }
        set { box.withLockedValue { $0 = newValue } }
    }

    var now: @Sendable () -> Date {
        { [box] in Date() + box.withLockedValue { $0 } }
    }
}

/// A Slurm that takes every job and does with it what the test says.
final class ScriptedSlurm: Scheduler, GridCluster {
    private struct Entry {
        var id: UInt32
        var submitted: Int64
        var tag: String
        var started: Int64?
    }

    private let jobs = NIOLockedValueBox<[String: Entry]>([:])
    private let now: @Sendable () -> Date

    init(now: @escaping @Sendable () -> Date) {
        self.now = now
    }

    private var seconds: Int64 { Int64(now().timeIntervalSince1970) }

    private func seen(_ name: String, _ base: SchedulerState.Base) -> JobObservation {
        let entry = jobs.withLockedValue { $0[name] } ?? Entry(id: 0, submitted: 0, tag: "")
        var details = JobDetails()
        details.name = name
        details.userID = 1000
        details.nodes = "n1"
        details.adminComment = entry.tag
        var seen = JobObservation(
            source: .controller, time: seconds * 1_000_000, key: JobKey(entry.id), jobID: entry.id,
            submitTime: entry.submitted, restarts: 0, state: SchedulerState(base), details: details)
        seen.startTime = entry.started
        return seen
    }

    func started(_ name: String) -> JobObservation {
        let seconds = seconds
        jobs.withLockedValue { $0[name]?.started = seconds }
        return seen(name, .running)
    }

    func ended(_ name: String, after elapsed: Int64, _ state: SchedulerState.Base) -> JobObservation {
        let end = seconds
        jobs.withLockedValue { jobs in
            if jobs[name]?.started == nil { jobs[name]?.started = end - elapsed }
        }
        var ended = seen(name, state)
        ended.endTime = end
        ended.elapsed = elapsed
        ended.exitStatus = 0
        return ended
    }

    func has(_ name: String) -> Bool { jobs.withLockedValue { $0[name] != nil } }

    // MARK: GridCluster

    func account(login: String) async throws(GridError) -> GridAccount? { GridAccount(login: login, userID: 1000) }
    func systemUsers() async throws(GridError) -> Set<UInt32> { [0] }
    func longestTime(of jobID: UInt32) async throws(GridError) -> UInt64? { nil }
    func request(_ job: GridJobRequest) throws(GridError) -> [UInt8] { Array(job.name.utf8) }
    func rehearse(_ job: GridJobRequest) async throws(GridError) -> GridRehearsal { .runs(start: nil, nodes: nil) }
    func isUp() async -> Bool { true }
    // Of both protocols.
    func cancel(_ jobID: UInt32) async {}
    func setTimeLimit(_ jobID: UInt32, minutes: UInt64) async {}
    func whyImpossible(_ job: GridJobRequest) async throws(GridError) -> String? { nil }
    func whyStuck(_ jobID: UInt32) async throws(GridError) -> String? { nil }
    func jobs(named name: String) async throws(GridError) -> [JobObservation] { [] }
    func accounting(named name: String, since time: Int64) async throws(GridError) -> [JobObservation]? { [] }
    func endedJobMemory() async throws(GridError) -> Int64 { 300 }
    func hardware(partition: String) async throws(GridError) -> Hardware {
        Hardware(gpusPerNode: [0], cpusPerNode: [64], memoryPerNode: [64_000])
    }

    // MARK: Scheduler

    func submitHeld(_ request: [UInt8], tag: String) async throws(SchedulerError) -> UInt32 {
        let submitted = seconds
        return jobs.withLockedValue { jobs in
            let id = UInt32(jobs.count + 1)
            jobs[String(decoding: request, as: UTF8.self)] = Entry(id: id, submitted: submitted, tag: tag)
            return id
        }
    }

    func jobs(changedSince memory: JobListMemory) async throws(SchedulerError) -> JobList? { nil }
    func look(at jobID: UInt32) async throws(SchedulerError) -> [JobObservation] {
        jobs.withLockedValue { $0.first { $0.value.id == jobID }?.key }.map { [seen($0, .pending)] } ?? []
    }
    func accounting(of jobIDs: [UInt32]) async throws(SchedulerError) -> [JobObservation] { [] }
    func accounting(endedIn window: ClosedRange<Int64>) async throws(SchedulerError) -> [JobObservation] { [] }
    func accounting(tagged tag: String, since time: Int64) async throws(SchedulerError) -> [JobObservation] { [] }
    func release(_ jobID: UInt32, adminComment: String?) async throws(SchedulerError) {}
    func setTag(_ tag: String, of jobID: UInt32, beside adminComment: String?) async throws(SchedulerError) {}
    func settle() async throws(SchedulerError) {}
    func jobs(of request: [UInt8], tag: String) async throws(SchedulerError) -> [JobObservation] { [] }
    func timing() async throws(SchedulerError) -> SchedulerTiming { SchedulerTiming() }
}
