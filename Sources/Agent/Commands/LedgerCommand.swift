// SPDX-License-Identifier: GPL-3.0-or-later

internal import ArgumentParser
internal import CommandOutput
internal import FoundationEssentials
internal import JobLifecycle
internal import Slurm

struct LedgerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ledger",
        abstract: "Show what the agent knows of every job, and whom it has told.",
        discussion: """
            list, show and verify read the file and need no running agent; run them as root or SlurmUser. retry goes \
            through the running agent.
            """,
        subcommands: [List.self, Show.self, Retry.self, Verify.self])

    struct FileOptions: ParsableArguments {
        @Option(name: .customLong("state-folder"), help: ArgumentHelp("The agent's state folder.", valueName: "path"))
        var stateFolder = "/var/lib/slurm-grid-agent"

        func open() throws(LedgerError) -> Ledger {
            try Ledger(reading: stateFolder + "/ledger.sqlite")
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List jobs, the newest first.")

        @OptionGroup var file: FileOptions
        @Flag(help: "Only jobs that are not over.") var open = false
        @Flag(help: "Only jobs with a delivery that waits.") var waiting = false
        @Flag(help: "Only jobs with a delivery that was refused for good.") var parked = false
        @Option(help: "At most so many.") var limit = 50
        @Flag(help: "Print JSON.") var json = false

        func validate() throws {
            guard [open, waiting, parked].count(where: { $0 }) <= 1 else {
                throw ValidationError("take one of --open, --waiting, --parked")
            }
            guard (1...1_000_000).contains(limit) else { throw ValidationError("--limit takes 1 to 1000000") }
        }

        func run() async throws {
            try await reportingLedger {
                let filter: Ledger.Filter = open ? .open : waiting ? .waiting : parked ? .parked : .all
                let jobs = try await file.open().list(filter, limit: limit)
                if json { return try printJSON(jobs) }
                var table = Table([
                    "LEDGER", "JOB", "PHASE", "STATE", "EXIT", "SECONDS", "USER", "NAME", "WAITING", "PARKED",
                ])
                var users = UserNames()
                for job in jobs {
                    let user = job.user.flatMap { UInt32($0) }.map { users.name(of: $0) } ?? job.user
                    table.add([
                        "\(job.ledgerJob)", job.job ?? "-", job.phase, job.state?.rawValue ?? "-",
                        job.exitStatus.map { ExitStatus(raw: $0).description } ?? "-",
                        job.elapsed.map(String.init) ?? "-", user ?? "-", job.name.map(GridCommand.shortName) ?? "-",
                        "\(job.waiting)",
                        "\(job.parked)",
                    ])
                }
                print(table.render())
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show everything that happened to a job.")

        @OptionGroup var file: FileOptions
        @Argument(help: "Slurm's number of the job; 7_3 for an array task.") var job: JobID?
        @Option(name: .customLong("ledger-job"), help: "The ledger's number instead (first column of list).")
        var ledgerJob: Int64?
        @Flag(help: "Print JSON.") var json = false

        func validate() throws {
            guard (job == nil) != (ledgerJob == nil) else { throw ValidationError("name a job, or --ledger-job") }
        }

        struct Document: Encodable {
            var summary: Ledger.Summary
            var transitions: [JobTransition]
            var commands: [CommandRecord]
        }

        func run() async throws {
            try await reportingLedger {
                let ledger = try file.open()
                var found: [Ledger.Summary] = []
                if let ledgerJob {
                    found = [try await ledger.summary(ledgerJob: ledgerJob)].compactMap { $0 }
                } else if let job {
                    found = try await ledger.summaries(ofJob: job.number)
                    if job.part != .whole { found.removeAll { $0.job != job.description } }
                }
                guard !found.isEmpty else { throw LedgerError(.notFound, "the ledger knows no such job") }
                var documents: [Document] = []
                for summary in found {
                    documents.append(
                        Document(
                            summary: summary, transitions: try await ledger.transitions(ofLedgerJob: summary.ledgerJob),
                            commands: try await ledger.commands(ofLedgerJob: summary.ledgerJob).filter {
                                $0.state != .done
                            }))
                }
                if json { return try printJSON(documents) }
                for document in documents { print(Self.text(document)) }
            }
        }

        static func text(_ document: Document) -> String {
            let summary = document.summary
            var lines = ["job \(summary.job ?? "-")  (ledger \(summary.ledgerJob))  \(summary.phase)"]
            if let gateway = summary.gateway {
                lines.append("  ordered by \(gateway): \(summary.externalID ?? "?"), claim \(summary.claim ?? 0)")
            }
            lines += document.transitions.map { "  " + EventLine($0).text }
            lines += document.commands.map { "  wanted: \($0.text)" }
            if summary.waiting > 0 || summary.parked > 0 {
                lines.append(
                    "  \(summary.waiting) deliveries wait, \(summary.parked) are parked\(summary.trouble.map { ": " + $0 } ?? "")"
                )
            }
            return lines.joined(separator: "\n")
        }
    }

    struct Retry: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Have the running agent try deliveries that wait or are parked at once.")

        @OptionGroup var options: ControlOptions
        @Option(name: .customLong("ledger-job"), help: "The ledger's number of a job (first column of list).")
        var ledgerJob: Int64?
        @Flag(help: "Those of all jobs.") var all = false

        func validate() throws {
            guard all == (ledgerJob == nil) else { throw ValidationError("name one job with --ledger-job, or --all") }
        }

        func run() async throws {
            try await reportingControl {
                var request = ControlRequest("retry")
                request.ledgerJob = ledgerJob
                let answer = try options.client.answer(to: request)
                if options.json { return print(answer) }
                let parsed = try JSONDecoder().decode(ControlHandlers.RetryAnswer.self, from: Data(answer.utf8))
                print("\(parsed.retried) deliveries are tried again")
            }
        }
    }

    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Check the file and what must always hold of it.",
            discussion: "Exit status 1 with a line for each fault.")

        @OptionGroup var file: FileOptions
        @Flag(help: "Print JSON.") var json = false

        struct Document: Encodable {
            var findings: [String]
            var counts: Ledger.Counts
        }

        func run() async throws {
            try await reportingLedger {
                let ledger = try file.open()
                let document = Document(findings: try await ledger.verify(), counts: try await ledger.counts())
                if json {
                    try printJSON(document)
                } else if document.findings.isEmpty {
                    print("ok: \(document.counts.jobs) jobs, \(document.counts.openRuns) open runs")
                } else {
                    document.findings.forEach { print($0) }
                }
                if !document.findings.isEmpty { throw ExitCode(1) }
            }
        }
    }
}

/// Runs a command's body; a ledger's error becomes one line on stderr and a status.
private func reportingLedger(_ body: () async throws -> Void) async throws {
    do {
        try await body()
    } catch let error as LedgerError {
        complain("slurm-grid-agent: \(error)")
        throw ExitCode(error.code == .notFound ? 4 : error.code == .newer ? 78 : 73)
    }
}
