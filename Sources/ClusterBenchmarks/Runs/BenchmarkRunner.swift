// SPDX-License-Identifier: GPL-3.0-or-later

public import JobLifecycle
public import Logging
internal import NIOConcurrencyHelpers
public import ServiceLifecycle
internal import Support

/// Runs benchmarks: one job after the other, each a submission in the ledger. What is under way is in its file: after a crash it
/// goes on where it was.
public actor BenchmarkRunner: Service {
    /// In the ledger; never changes.
    public static let gatewayName = "benchmark"

    public struct Settings: Sendable, Hashable {
        public var options = BenchmarkOptions()
        /// Login name: `benchmark.run-as`
        public var user = ""
        public var partition: String?
        public var account: String?
        public var qos: String?
        public var includesUnresponsive = false
        public var units = BenchmarkLabels.Units.documented

        public init() {}
    }

    /// How long the output of a job that is over may take to be seen here: shared folders keep what they know for a while.
    static let outputPatience: Duration = .seconds(60)

    let settings: Settings
    let file: BenchmarkFile
    let ledger: Ledger
    let cluster: any BenchmarkCluster
    let logger: Logger
    let clock: any Clock<Duration>
    private let read: @Sendable (String, UInt32) throws -> OutputFile
    let readTail: @Sendable (String, UInt32, Int) throws -> String
    private let helper: (@Sendable (String, UInt32) async throws -> OutputFile?)?
    private let disk = BlockingThread(name: "benchmark")
    /// What jobs told of themselves, and what they posted.
    let board = ProgressBoard()
    nonisolated let posts = NIOLockedValueBox(PostCounts())
    let wake = WakeUp()
    /// By part, since when its output is awaited.
    private var awaited: [Int64: Int] = [:]
    /// Something has come by a comment just now.
    private var isReceiving = false
    /// By part, the ledger's number of the job that is being cancelled. Each `cancel` asks for it again, and so does each start.
    private var cancelled: [Int64: Int64] = [:]
    /// The last thing that went wrong with going on; shown until it goes on.
    public private(set) var trouble: String?

    /// - Parameters:
    ///   - read: reads a job's output, as the user of this process. Blocks.
    ///   - helper: reads it as the job's user, where this process may not; nil from it: there is nothing to be read.
    public init(
        settings: Settings, file: BenchmarkFile, ledger: Ledger, cluster: any BenchmarkCluster, logger: Logger,
        clock: any Clock<Duration> = ContinuousClock(),
        read: (@Sendable (String, UInt32) throws -> OutputFile)? = nil,
        helper: (@Sendable (String, UInt32) async throws -> OutputFile?)? = nil
    ) {
        self.settings = settings
        self.file = file
        self.ledger = ledger
        self.cluster = cluster
        self.logger = logger
        self.clock = clock
        self.read = read ?? { try OutputFile.read($0, owner: $1) }
        readTail = { path, owner, bytes in
            guard let read else { return try OutputFile.tail(path, owner: owner, bytes: bytes) }
            return String(decoding: try read(path, owner).text.utf8.suffix(bytes), as: UTF8.self)
        }
        self.helper = helper
    }

    public nonisolated func close() { file.close() }

    // MARK: as a service

    private static let pause: Duration = .seconds(1)
    /// A job that leaves its results in its comment looks each half second whether it may go on.
    private static let shortPause: Duration = .milliseconds(200)

    public func run() async throws {
        await withTaskCancellationOrGracefulShutdownHandler {
            while !Task.isCancelled, !Task.isShuttingDownGracefully {
                let isBusy = await step()
                // The ledger's news raise it; what is awaited of a disk or of Slurm is looked at again.
                let pause: Duration = isBusy ? isReceiving ? Self.shortPause : Self.pause : .seconds(60)
                await wake.wait(atMost: pause, clock: clock)
            }
        } onCancelOrGracefulShutdown: { [wake] in
            wake.raise()
        }
    }

    /// Goes on by as much as can be done now.
    /// - Returns: whether there is a run that is not over.
    @discardableResult
    func step() async -> Bool {
        do throws(BenchmarkError) {
            while let (run, parts) = try await file.open() {
                guard let part = parts.first else {
                    try await file.end(run: run)
                    logger.notice("benchmark: the run is over", metadata: ["run": "\(run)"])
                    continue
                }
                guard try await advance(part) else {
                    trouble = nil
                    return true
                }
            }
            trouble = nil
            return false
        } catch {
            if trouble != error.description {
                logger.warning("benchmark: it does not go on, and is tried again: \(error)")
            }
            trouble = error.description
            isReceiving = false
            return true
        }
    }

    /// - Returns: false: it has to wait.
    private func advance(_ part: BenchmarkFile.OpenPart) async throws(BenchmarkError) -> Bool {
        switch part.state {
        case .planned where part.isCancelled:
            try await file.finish(part.id, .cancelled, message: nil)
            return true
        case .planned:
            // The same again is the same submission: it does not matter where the agent dies.
            _ = try await inLedger { () async throws(LedgerError) in
                try await ledger.accept(
                    JobOrder(gateway: Self.gatewayName, externalID: part.externalID, request: part.request))
            }
            try await file.noteSubmitted(part.id)
            return true
        case .submitted:
            if part.isCancelled, try await cancel(part) { return true }
            isReceiving = part.usesComments && part.isStarted ? try await receive(part) : false
            return false
        case .ended: return try await finish(part)
        case .done, .failed, .skipped, .cancelled: return true
        }
    }

    /// The ledger has its job ended, as soon as there is one and slurmctld answers.
    /// - Returns: false: its end is awaited.
    private func cancel(_ part: BenchmarkFile.OpenPart) async throws(BenchmarkError) -> Bool {
        guard let job = cancelled[part.id] else {
            let order = try await inLedger { () async throws(LedgerError) in
                try await ledger.order(Self.gatewayName, part.externalID, claim: 1)
            }
            guard let order else {
                // Of a ledger that was lost nothing will come.
                let job = part.jobID.map { "Slurm job \($0)" } ?? "its job"
                try await file.finish(
                    part.id, .cancelled, message: "the ledger has lost it: if \(job) is still there, end it by hand")
                return true
            }
            let command = JobCommand.cancel(why: "the benchmark was cancelled")
            try await inLedger { () async throws(LedgerError) in
                _ = try await ledger.ask(command, of: Self.gatewayName, part.externalID, claim: 1, isUrgent: true)
            }
            cancelled[part.id] = order.ledgerJob
            return false
        }
        let commands = try await inLedger { () async throws(LedgerError) in
            try await ledger.commands(ofLedgerJob: job)
        }
        for case .impossible(let why) in commands.map(\.state) {
            throw BenchmarkError(.unavailable, "the job of a cancelled run cannot be ended: \(why)")
        }
        if let why = commands.first(where: { $0.state == .open })?.trouble {
            throw BenchmarkError(.unavailable, "the job of a cancelled run is not ended yet: \(why)")
        }
        return false
    }

    func askToCancelAgain() { cancelled = [:] }

    /// The job is over.
    /// - Returns: false: its output is not here yet.
    private func finish(_ part: BenchmarkFile.OpenPart) async throws(BenchmarkError) -> Bool {
        var result = PartResult()
        var missing: String?
        var isCut = false
        if part.isPosted {
            if part.usesComments {
                // What the job has left there when it was ended, while Slurm knows it.
                _ = try await receive(part)
                if try await file.isCut(part.id) { missing = "the last result came in part" }
            }
            // It posts before it ends.
            let blocks = ResultBlocks(whole: try await file.posted(part.id))
            result = PartResult(part.part, blocks, units: settings.units)
        } else if part.jobID != nil {
            do {
                let output = try await output(of: part)
                result = PartResult(part.part, output: output.text, token: part.token, units: settings.units)
                isCut = output.isCut
            } catch {
                missing = "\(error)"
            }
        }
        // A job that came to its end has printed something.
        let isExpected = part.jobState == "COMPLETED" && !part.isCancelled && !isCut && !part.isPosted
        if isExpected, missing != nil || !result.isWhole {
            let looks = awaited[part.id, default: 0] + 1
            awaited[part.id] = looks
            if Self.pause * looks < Self.outputPatience { return false }
        }
        awaited[part.id] = nil
        board.forget(part.id)
        if isCut {
            missing =
                "\(part.output) is longer than \(OutputFile.limit >> 20) MiB, or than the helper reads: its middle, or its beginning, is not read"
        }
        // What did come counts, however the job ended.
        var words =
            [part.message, part.jobState.flatMap { $0 == "COMPLETED" ? nil : "the job ended as \($0)" }, missing]
            .compactMap { $0 } + result.problems
        let before = try await file.labels(before: part.id, part.part, hardware: part.hardware)
        let drops = BenchmarkLabels.drops(from: before, to: result.labels)
        words += drops.map { "worse than last time: \($0)" }
        let state: BenchmarkRun.Part.State =
            !result.labels.isEmpty ? .done : part.isCancelled ? .cancelled : .failed
        try await file.finish(
            part.id, state, labels: result.labels, raw: result.raw,
            message: words.isEmpty ? nil : words.joined(separator: "; "))
        let metadata: Logger.Metadata = [
            "run": "\(part.run)", "part": "\(part.part.rawValue)", "hardware": "\(part.hardware)",
            "slurm": "\(part.jobID.map(String.init) ?? "none")",
        ]
        if !drops.isEmpty {
            logger.warning(
                "benchmark: worse than the last time on the same hardware, a node or link may be broken: \(drops.joined(separator: "; "))",
                metadata: metadata)
        } else if state == .failed {
            logger.warning("benchmark: a part failed: \(words.joined(separator: "; "))", metadata: metadata)
        } else {
            logger.info("benchmark: a part is over: \(state.rawValue)", metadata: metadata)
        }
        return true
    }

    /// By this process, else by the helper.
    private func output(of part: BenchmarkFile.OpenPart) async throws -> OutputFile {
        do {
            return try await disk.run(within: .seconds(30)) { [read] in try read(part.output, part.userID) }
        } catch {
            guard let helper, let found = try await helper(part.output, part.userID) else { throw error }
            return found
        }
    }

    private func inLedger<Answer: Sendable>(
        _ body: () async throws(LedgerError) -> Answer
    ) async throws(BenchmarkError) -> Answer {
        do throws(LedgerError) {
            return try await body()
        } catch {
            throw BenchmarkError(.storage, "\(error)")
        }
    }
}
