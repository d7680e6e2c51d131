// SPDX-License-Identifier: GPL-3.0-or-later

public import JobLifecycle
internal import Support

extension BenchmarkRunner {
    /// What a run would do.
    public struct Plan: Sendable, Hashable, Codable {
        public struct Job: Sendable, Hashable, Codable {
            public var part: BenchmarkPart
            public var hardware: String
            public var nodes: Int
            public var tasks: Int
            public var gpus: Int
            /// N, NB, P, Q of Linpack.
            public var linpack: LinpackSize?
            public var script: String
        }

        public struct Skipped: Sendable, Hashable, Codable {
            public var part: BenchmarkPart
            public var reason: String
        }

        public var jobs: [Job]
        public var skipped: [Skipped]
    }

    private func planned(_ parts: [BenchmarkPart]) async throws(BenchmarkError) -> (
        jobs: [PlannedJob], skipped: [PlannedJob.Skipped]
    ) {
        let nodes = try await cluster.nodes()
        let classes = HardwareClass.find(nodes, includesUnresponsive: settings.includesUnresponsive)
        return PlannedJob.plan(parts.isEmpty ? BenchmarkPart.allCases : parts, on: classes, settings.options)
    }

    public func plan(_ parts: [BenchmarkPart]) async throws(BenchmarkError) -> Plan {
        let (jobs, skipped) = try await planned(parts)
        // There may be a password among them.
        var shown = settings.options
        shown.environment = shown.environment.map { ($0.name, "…") }
        return Plan(
            jobs: jobs.map { job in
                Plan.Job(
                    part: job.part, hardware: job.hardware.name, nodes: job.nodes, tasks: job.tasks,
                    gpus: job.nodes * job.gpusPerNode, linpack: job.linpack,
                    script: BenchmarkScript(job, shown, token: "TOKEN", path: "/benchmark/RUN/NUMBER").text)
            },
            skipped: skipped.map { .init(part: $0.part, reason: $0.reason) })
    }

    /// Writes down what is to be run; the jobs follow.
    /// - Returns: the run's number.
    public func begin(_ parts: [BenchmarkPart]) async throws(BenchmarkError) -> Int64 {
        guard settings.options.folder.hasPrefix("/") || !settings.options.sharesFolder else {
            throw BenchmarkError(
                .configuration,
                "benchmark.result-folder, a folder that nodes and agent share, is not set")
        }
        let userID = try await cluster.userID(login: settings.user)
        let (jobs, skipped) = try await planned(parts)
        guard !jobs.isEmpty else {
            throw BenchmarkError(
                .configuration,
                "nothing can be measured: "
                    + skipped.map { "\($0.part.rawValue): \($0.reason)" }.joined(separator: "; "))
        }
        let token = (0..<32).map { _ in String(UInt8.random(in: 0...15), radix: 16) }.joined()
        let settings = settings
        let run = try await file.begin(token: token) { run in
            try jobs.enumerated().map { index, job in
                let isPosted = !settings.options.sharesFolder
                let number = Int64(index + 1)
                let spec = Self.spec(
                    job, settings, token: token, userID: userID,
                    output: isPosted
                        ? "/dev/null"
                        : "\(settings.options.folder)/benchmark-\(run)-\(number)-\(job.part.rawValue).out",
                    path: ResultPost.Target.path(run: run, number: number))
                return BenchmarkFile.NewPart(
                    part: job.part, hardware: job.hardware.name,
                    job: (try spec.stored, userID, spec.output ?? ""), post: isPosted ? number : nil,
                    usesComments: settings.options.usesComments)
            } + skipped.map { BenchmarkFile.NewPart(part: $0.part, hardware: "", job: nil, reason: $0.reason) }
        }
        wake.raise()
        return run
    }

    /// - Returns: the run that is to end; nil: there is none.
    public func cancel() async throws(BenchmarkError) -> Int64? {
        let run = try await file.cancel()
        askToCancelAgain()
        wake.raise()
        return run
    }

    /// MB of a job that measures no memory.
    private static let smallMemory = 1024

    /// - Parameter path: where its job posts, if it does.
    static func spec(
        _ job: PlannedJob, _ settings: Settings, token: String, userID: UInt32, output: String, path: String
    ) -> JobSpec {
        var spec = JobSpec(
            userID: userID, script: BenchmarkScript(job, settings.options, token: token, path: path).text,
            name: "benchmark-\(job.part.rawValue)")
        spec.comment = "benchmark"
        spec.partition = settings.partition
        spec.account = settings.account
        spec.qos = settings.qos
        spec.tasks = UInt32(clamping: job.tasks)
        spec.cpusPerTask = UInt32(clamping: job.cpusPerTask)
        spec.memory = .perNode(job.wantsAllMemory ? 0 : UInt64(clamping: min(smallMemory, job.hardware.memory)))
        spec.timeLimit = settings.options.timeLimit
        spec.output = output
        spec.options.nodes = UInt32(clamping: job.nodes)
        spec.options.tasksPerNode = UInt32(clamping: job.tasksPerNode)
        spec.options.exclusive = job.isExclusive ? .nodes : nil
        spec.options.gpusPerNode = job.gpusPerNode > 0 ? [.init(count: UInt32(clamping: job.gpusPerNode))] : nil
        spec.options.excludedNodes = job.excluded.isEmpty ? nil : job.excluded.joined(separator: ",")
        spec.options.nice = settings.options.nice
        spec.options.reservation = settings.options.reservation
        spec.options.workDirectory = settings.options.sharesFolder ? settings.options.folder : "/tmp"
        return spec
    }
}

extension BenchmarkRunner: Gateway {
    public nonisolated var name: String { Self.gatewayName }
    public nonisolated var scope: Ledger.Interest.Scope { .ownJobs }
    public nonisolated var batchLimit: Int { 100 }

    /// On the disk before it is answered; the output is read later.
    public nonisolated func deliver(_ transitions: [JobTransition]) async throws(GatewayUnavailable) -> [Delivery] {
        do throws(BenchmarkError) {
            try await file.note(transitions)
        } catch {
            throw GatewayUnavailable(error.description)
        }
        wake.raise()
        return transitions.map { _ in .delivered }
    }
}

extension BenchmarkRunner {
    /// The newest runs first.
    public func history(limit: Int) async throws(BenchmarkError) -> [BenchmarkRun] {
        await withProgress(try await file.history(limit: limit))
    }

    /// What the programs of a run printed; nil: of the newest one.
    public nonisolated func results(run: Int64?, _ parts: [BenchmarkPart]) async throws(BenchmarkError) -> [RawResult] {
        try await file.results(run: run, parts)
    }

    /// The last values of each label that is a number, the oldest first; of those that have more than one.
    public nonisolated func trends(limit: Int = 20) async throws(BenchmarkError) -> [String: [Double]] {
        try await file.trends(limit: limit)
    }

    /// The newest value of each label.
    public nonisolated func measured() async throws(BenchmarkError) -> [String: MeasuredLabel] {
        try await file.measured()
    }
}
