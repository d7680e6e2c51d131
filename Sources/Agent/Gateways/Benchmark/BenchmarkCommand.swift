// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import ArgumentParser
internal import ClusterBenchmarks
internal import CommandOutput
internal import FoundationEssentials
internal import Support

struct BenchmarkCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "benchmark", abstract: "Run benchmarks: what this cluster is worth, by jobs of its own.",
        discussion: "Asks the running agent; run it as root or SlurmUser. benchmark.run-as must be set.",
        subcommands: [Run.self, Show.self, History.self, Results.self, Cancel.self], defaultSubcommand: Show.self)

    struct Run: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Submit a run: one job after the other, as the queue lets them.")

        @OptionGroup var parts: PartOptions

        @Flag(help: "Show the jobs and their scripts; submit nothing.")
        var dryRun = false

        @OptionGroup var following: FollowOptions

        @OptionGroup var options: ControlOptions

        func run() async throws {
            try await reportingControl {
                var request = ControlRequest(dryRun ? "benchmark-plan" : "benchmark-run")
                request.arguments = ["parts": parts.words]
                let answer = try options.client.answer(to: request)
                if options.json, dryRun || !following.follow { return print(answer) }
                guard dryRun else {
                    let begun = try ControlAnswer.decode(BenchmarkControl.Begun.self, answer)
                    if following.follow { return try await BenchmarkCommand.follow(options) }
                    return print("Run \(begun.run) has begun: `slurm-grid-agent benchmark show`")
                }
                let plan = try ControlAnswer.decode(BenchmarkRunner.Plan.self, answer)
                for job in plan.jobs {
                    let linpack = job.linpack.map {
                        ", N \($0.order), NB \($0.blockSize), P \($0.grid.rows), Q \($0.grid.columns)"
                    }
                    print(
                        "# \(job.part.rawValue) on \(job.hardware): \(job.nodes) nodes, \(job.tasks) tasks, \(job.gpus) GPUs\(linpack ?? "")"
                    )
                    print(job.script)
                }
                for one in plan.skipped { print("# \(one.part.rawValue) is skipped: \(one.reason)") }
            }
        }
    }

    struct PartOptions: ParsableArguments {
        @Option(
            help: ArgumentHelp(
                "Only this one of \(BenchmarkPart.allCases.map(\.rawValue).joined(separator: ", ")); may be given again.",
                valueName: "part"),
            completion: .list(BenchmarkPart.allCases.map(\.rawValue)), transform: read)
        var part: [BenchmarkPart] = []

        var words: String { part.map(\.rawValue).joined(separator: ",") }

        @Sendable private static func read(_ word: String) throws -> BenchmarkPart {
            guard let part = BenchmarkPart(rawValue: word) else {
                throw ValidationError("there is no part \(quoted(word))")
            }
            return part
        }
    }

    private static func shown(_ options: ControlOptions, limit: Int) throws -> (String, BenchmarkControl.Shown) {
        var request = ControlRequest("benchmark")
        request.limit = limit
        let answer = try options.client.answer(to: request)
        return (answer, try ControlAnswer.decode(BenchmarkControl.Shown.self, answer))
    }

    /// Until the newest run is over; then what `show` says.
    private static func follow(_ options: ControlOptions) async throws {
        try await BenchmarkFollow.follow { try Self.shown(options, limit: 1).1.runs.first }
        let (answer, found) = try Self.shown(options, limit: 1)
        print(options.json ? answer : page(found))
    }

    private static func table(_ runs: [BenchmarkRun]) -> String {
        var table = Table(
            ["RUN", "PART", "HARDWARE", "STATE", "JOB", "BEGAN", "SECONDS", "PROGRESS", "REMARK"],
            rightAligned: [0, 4, 6])
        let now = Int64(Date().timeIntervalSince1970)
        for run in runs {
            for part in run.parts {
                let seconds = part.startedAt.map { "\(max(0, (part.endedAt ?? now) - $0))" }
                table.add([
                    "\(run.id)", part.part.rawValue, part.hardware.isEmpty ? "-" : part.hardware, part.state.rawValue,
                    part.job.map { "\($0)" } ?? "-", LocalTime.short(part.startedAt ?? run.begunAt, now: now),
                    part.expected.map { "\(seconds ?? "0") of \($0)" } ?? seconds ?? "-",
                    progress(part, now: now), part.message ?? "",
                ])
            }
        }
        return table.render()
    }

    private static func progress(_ part: BenchmarkRun.Part, now: Int64) -> String {
        guard let bar = BenchmarkFollow.Bar(part, now: now), bar.total > 0 else { return "" }
        return ProgressBar.line("\(bar.done * 100 / bar.total) %", done: bar.done, of: bar.total, columns: 20)
    }

    private static func page(_ shown: BenchmarkControl.Shown) -> String {
        let now = Int64(Date().timeIntervalSince1970)
        var table = Table(["LABEL", "VALUE", "RUN", "MEASURED"], rightAligned: [1, 2])
        for (key, label) in shown.labels.sorted(by: { $0.key < $1.key }) {
            table.add([key, label.value, "\(label.run)", LocalTime.short(label.measuredAt, now: now)])
        }
        return BenchmarkCommand.table(shown.runs) + "\n\n" + table.render()
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the newest run, and the newest value of each label.")

        @OptionGroup var following: FollowOptions

        @OptionGroup var options: ControlOptions

        func run() async throws {
            try await reportingControl {
                if following.follow { return try await BenchmarkCommand.follow(options) }
                let (answer, shown) = try BenchmarkCommand.shown(options, limit: 1)
                if options.json { return print(answer) }
                guard !shown.runs.isEmpty else {
                    return print("Nothing measured yet: `slurm-grid-agent benchmark run`")
                }
                if let trouble = shown.trouble { print("does not go on: \(PrintableText.of(trouble))\n") }
                print(BenchmarkCommand.page(shown))
            }
        }
    }

    struct History: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show the runs, the newest first.")

        @Option(help: ArgumentHelp("How many at most.", valueName: "number"))
        var limit = 20

        @OptionGroup var options: ControlOptions

        func run() async throws {
            try await reportingControl {
                let (answer, shown) = try BenchmarkCommand.shown(options, limit: limit)
                print(options.json ? answer : BenchmarkCommand.table(shown.runs))
            }
        }
    }

    struct Results: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show what the programs of a run printed.",
            discussion: "The newest run, unless another one is named.")

        @Option(name: .customLong("run"), help: ArgumentHelp("Of this run.", valueName: "number"))
        var number: Int64?

        @OptionGroup var parts: PartOptions

        @OptionGroup var options: ControlOptions

        func run() async throws {
            try await reportingControl {
                var request = ControlRequest("benchmark-results")
                request.arguments = ["parts": parts.words]
                request.arguments?["run"] = number.map { "\($0)" }
                let answer = try options.client.answer(to: request)
                if options.json { return print(answer) }
                let results = try ControlAnswer.decode([RawResult].self, answer)
                if results.isEmpty { return print("Nothing is kept of that.") }
                for one in results {
                    print("# run \(one.run), \(one.part.rawValue) on \(one.hardware): \(one.name)")
                    for line in one.content.split(separator: "\n", omittingEmptySubsequences: false) {
                        print(PrintableText.of(String(line)))
                    }
                }
            }
        }
    }

    struct Cancel: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "End the run that is under way, and its job; what was measured stays.")

        @OptionGroup var options: ControlOptions

        func run() async throws {
            try await reportingControl {
                let answer = try options.client.answer(to: ControlRequest("benchmark-cancel"))
                if options.json { return print(answer) }
                let cancelled = try ControlAnswer.decode(BenchmarkControl.Cancelled.self, answer)
                print(cancelled.run.map { "Run \($0) is ended." } ?? "No benchmark is under way.")
            }
        }
    }
}
