// SPDX-License-Identifier: GPL-3.0-or-later

internal import ArgumentParser
internal import ClusterCockpit
internal import CommandOutput
internal import FoundationEssentials
internal import Support

struct CockpitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clustercockpit",
        abstract: "Show what ClusterCockpit's backends are told of jobs, and compare them.",
        discussion: "Asks the running agent; run it as root or SlurmUser.",
        subcommands: [Status.self, Jobs.self, Sync.self], defaultSubcommand: Status.self)

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show each backend: its release, what it has still to be told, and why not.")

        @OptionGroup var options: ControlOptions

        func run() async throws {
            try await reportingControl {
                let answer = try options.client.answer(to: ControlRequest("clustercockpit"))
                if options.json { return print(answer) }
                print(CockpitCommand.text(try ControlAnswer.decode(CockpitStatus.self, answer)))
            }
        }
    }

    struct Jobs: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List runs, the newest first, with what each backend knows of them.")

        @OptionGroup var options: ControlOptions
        @Option(help: "Only this job.") var job: UInt32?
        @Option(help: "At most so many.") var limit = 50

        func run() async throws {
            try await reportingControl {
                var request = ControlRequest("clustercockpit-jobs")
                request.limit = limit
                request.arguments = CockpitControl.arguments(job: job)
                let answer = try options.client.answer(to: request)
                if options.json { return print(answer) }
                print(CockpitCommand.table(try ControlAnswer.decode([CockpitJob].self, answer)))
            }
        }
    }

    static func text(_ status: CockpitStatus) -> String {
        var table = Table(
            ["BACKEND", "RELEASE", "RUNNING", "TO TELL", "REFUSED", "COMPARED", "STATE"], rightAligned: [2, 3, 4])
        for backend in status.backends {
            table.add([
                backend.name, backend.release ?? "?", "\(backend.running)", "\(backend.waiting)", "\(backend.parked)",
                backend.comparedAt.map { LocalTime.short($0) } ?? "-",
                backend.problem ?? "ok",
            ])
        }
        return "cluster \(PrintableText.of(status.cluster))\n" + table.render()
    }

    static func table(_ jobs: [CockpitJob]) -> String {
        var table = Table(["JOB", "STARTED", "BACKEND", "ROW", "STATE", "CORES FROM", "NODES", "WHY"])
        for job in jobs {
            table.add([
                job.job, LocalTime.short(job.start), job.backend,
                job.phase + (job.isOpen ? ", to tell" : ""), job.state ?? "-", job.placementSource ?? "-",
                job.nodes.prefix(3).joined(separator: ",") + (job.nodes.count > 3 ? ",…" : ""), job.reason ?? "",
            ])
        }
        return table.render()
    }

    static func text(_ reports: [CockpitComparison]) -> String {
        reports.map { report -> String in
            if let problem = report.problem { return "\(report.backend): \(PrintableText.of(problem))" }
            let verb = report.isDryRun ? "would " : ""
            let lines = report.items.map { item -> String in
                let what = item.action == .unknown ? "unknown" : verb + item.action.rawValue
                return PrintableText.of("  \(what) \(item.slurmJob), started \(item.start): \(item.reason)")
            }
            let count = "\(report.backend): \(report.rows) rows run there, \(report.items.count) differ"
            return ([count] + lines).joined(separator: "\n")
        }.joined(separator: "\n")
    }
}
