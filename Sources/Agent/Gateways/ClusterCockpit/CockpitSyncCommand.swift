// SPDX-License-Identifier: GPL-3.0-or-later

internal import ArgumentParser
internal import ClusterCockpit
internal import CommandOutput

extension CockpitCommand {
    struct Sync: AsyncParsableCommand {
        /// As `SyncDirection`.
        enum Direction: String, ExpressibleByArgument, CaseIterable {
            case start, stop, both
        }

        static let configuration = CommandConfiguration(
            abstract:
                "Check each backend's running rows against Slurm, repair what differs, and try again what was refused.",
            discussion:
                """
                The agent does it by itself at its start, after errors and every clustercockpit.compare-interval. Waits until what \
                differed has been told, and shows how far that is: a bar on a terminal, else a line every 10 s on stderr. \
                Ctrl-C ends only the waiting.
                """)

        @OptionGroup var options: ControlOptions
        @Option(help: "Only this job.") var job: UInt32?
        @Option(help: "At most so many rows of each backend are changed.") var limit: Int?
        @Option(help: "Only starts that are missing, only stops, or both.") var direction = Direction.both
        @Flag(help: "Show what would change, and change nothing.") var dryRun = false
        @Flag(help: "Do not wait until it has been told. --json does not wait either.") var noWait = false

        func run() async throws {
            try await reportingControl {
                if options.json { return print(try options.client.answer(to: request(backend: nil))) }
                var bar = ProgressBar()
                let names = try status().backends.map(\.name)
                var reports: [CockpitComparison] = []
                for (index, name) in names.enumerated() {
                    bar.show("compares \(name)", done: index, of: names.count)
                    let answer = try options.client.answer(to: request(backend: name))
                    let some = try ControlAnswer.decode([CockpitComparison].self, answer)
                    bar.clear()
                    print(CockpitCommand.text(some))
                    reports += some
                }
                if !dryRun, !noWait { try await follow(&bar) }
                if reports.contains(where: { $0.problem != nil }) { throw ExitCode(1) }
            }
        }

        private func request(backend: String?) -> ControlRequest {
            var request = ControlRequest("clustercockpit-sync")
            request.limit = limit
            request.arguments = CockpitControl.arguments(
                job: job, direction: direction.rawValue, isDryRun: dryRun, backend: backend)
            return request
        }

        private func status() throws -> CockpitStatus {
            try ControlAnswer.decode(
                CockpitStatus.self, try options.client.answer(to: ControlRequest("clustercockpit")))
        }

        private func follow(_ bar: inout ProgressBar) async throws {
            var progress = SyncProgress(try status())
            while progress.isUnderWay {
                bar.show("told", done: progress.done, of: progress.total)
                try await Task.sleep(for: SyncProgress.pause)
                progress.take(try status())
            }
            bar.clear()
            if progress.left > 0 {
                print("\(progress.left) rows are still to be told: slurm-grid-agent clustercockpit status says why")
            }
        }
    }
}

/// How much of what a `sync` found has been told, from one status to the next. More may come meanwhile: it does not count.
struct SyncProgress {
    static let pause = Duration.milliseconds(500)
    /// So many looks without any change, and nothing is waited for any more: half a minute.
    static let patience = 60

    let total: Int
    private(set) var done = 0
    /// As the last status says.
    private(set) var left: Int
    private let before: UInt64
    private var idleLooks = 0

    init(_ status: CockpitStatus) {
        total = Self.waiting(status)
        left = total
        before = Self.told(status)
    }

    var isUnderWay: Bool { left > 0 && done < total && idleLooks < Self.patience }

    mutating func take(_ status: CockpitStatus) {
        left = Self.waiting(status)
        // The agent counts from its own start: it may have been another one.
        let told = Self.told(status)
        let now = min(total, Int(clamping: told >= before ? told - before : told))
        idleLooks = now > done ? 0 : idleLooks + 1
        done = max(done, now)
        if done == total { left = 0 }
    }

    /// A backend that is away is not waited for.
    private static func waiting(_ status: CockpitStatus) -> Int {
        status.backends.reduce(0) { $0 + ($1.problem == nil ? max(0, $1.waiting) : 0) }
    }

    private static func told(_ status: CockpitStatus) -> UInt64 {
        status.backends.reduce(0) { sum, backend in
            backend.problem == nil ? sum &+ backend.starts &+ backend.stops &+ backend.refused : sum
        }
    }
}
