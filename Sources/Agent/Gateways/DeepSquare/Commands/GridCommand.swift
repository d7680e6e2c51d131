// SPDX-License-Identifier: GPL-3.0-or-later

internal import ArgumentParser
internal import CommandOutput
internal import DeepSquare
internal import FoundationEssentials
internal import StatusViews
internal import Support

struct GridCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "grid", abstract: "Show what the agent does for the grid: its jobs, claims and reports.",
        discussion: "Asks the running agent; run it as root or SlurmUser.",
        subcommands: [Status.self, Jobs.self, GridEarningsCommand.self], defaultSubcommand: Status.self)

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show what the chain says of this provider, the queues, and the open jobs.")

        @OptionGroup var options: ControlOptions

        func run() async throws {
            try await reportingControl {
                let answer = try options.client.answer(to: ControlRequest("grid"))
                if options.json { return print(answer) }
                print(try GridCommand.text(ControlAnswer.decode(GridStatus.self, answer)))
            }
        }
    }

    struct Jobs: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the grid's jobs, the newest first, also those that are over.",
            discussion: """
                MINUTES is what the customer pays for at most, REPORTED what the contract was told of, as billing.rounding says \
                (down: a minute that was begun does not count), BILLED what it charged: at least one minute of a job that \
                ran. EARNED is this provider's share, in credits. A question mark: it is over, and that is not known.
                """)

        @OptionGroup var options: ControlOptions
        @Option(help: "At most so many.") var limit = 50

        func run() async throws {
            try await reportingControl {
                var request = ControlRequest("grid-jobs")
                request.limit = limit
                let answer = try options.client.answer(to: request)
                if options.json { return print(answer) }
                print(GridCommand.table(try ControlAnswer.decode([GridStatus.Job].self, answer)))
            }
        }
    }

    static func text(_ status: GridStatus) -> String {
        var lines = [
            "contract   \(status.contract)", "provider   \(status.provider)", "state      \(status.state)",
            "new jobs   \(status.isOpen ? "" : "the contract is closed to them; ")\(claiming(status))",
            "credits    \(credits(status))",
        ]
        if let outcomes = status.outcomes {
            let day = outcomes.lastDay
            lines.append(
                "in 24 h    \(day.submitted) became Slurm jobs; of the others \(day.refused) were refused (the grid "
                    + "gives them to somebody else) and \(day.failed) failed (nobody can run them); of the Slurm jobs "
                    + "\(day.finished) finished, \(day.endedFailed) failed in Slurm, \(day.endedOtherwise) ended otherwise"
            )
            if let newest = outcomes.newest {
                let time = LocalTime.short(newest.at)
                let job = "job \(short(newest.job)) of \(newest.customer)"
                lines.append(
                    PrintableText.of(
                        "\(newest.isFailure == true ? "failed     " : "refused    ")\(time), \(job): \(newest.reason)"))
            }
        }
        for (name, queue) in status.queues.sorted(by: { $0.key < $1.key }) {
            if queue.inFlight > 0 || queue.trouble != nil {
                lines.append(
                    "queue      \(name): \(queue.inFlight) claims on their way\(queue.trouble.map { "; \($0)" } ?? "")")
            }
        }
        if status.waitingReports > 0 {
            lines.append(
                "DELAYED    reports of \(status.waitingReports) jobs wait until the chain approves this provider")
        }
        if let problem = status.lastProblem {
            lines.append(
                "last error \(LocalTime.short(problem.at)): \(problem.what)")
        }
        lines.append(status.jobs.isEmpty ? "no job of the grid is open" : "\n" + table(status.jobs))
        return lines.joined(separator: "\n")
    }

    private static func claiming(_ status: GridStatus) -> String {
        if let obstacles = status.obstacles {
            return obstacles.isEmpty ? "are claimed" : "none is claimed: " + obstacles.joined(separator: "; ")
        }
        // An agent of an earlier release.
        if status.isDrained { return "none is claimed: drained" }
        if status.isRegistering { return "none is claimed: \(status.registration ?? "prices change")" }
        return status.isApproved ? "are claimed" : "none is claimed: the provider is \(status.state)"
    }

    private static func credits(_ status: GridStatus) -> String {
        guard let credits = status.credits else { return "?" }
        let time = status.creditsAt.map { ", read at \(LocalTime.short($0))" }
        return Amount.text(credits, "credits") + (time ?? "") + (status.creditsBlock.map { ", block \($0)" } ?? "")
    }

    static func table(_ jobs: [GridStatus.Job]) -> String {
        var table = Table(
            ["JOB", "CLAIM", "SLURM", "CHAIN", "MINUTES", "REPORTED", "BILLED", "EARNED", "STATE"],
            rightAligned: [1, 2, 4, 5, 6, 7])
        for job in jobs {
            var state = job.state
            if let hold = job.hold {
                state +=
                    "; delayed until \(LocalTime.short(hold.until)): the contract would "
                    + "not pay \(hold.minutes) minutes before"
            }
            if job.wasBilledTooMuch { state += "; BILLED TOO MUCH" }
            if let trouble = job.trouble { state += " (\(trouble))" }
            table.add([
                short(job.job), "\(job.claim)", job.slurmJob.map(String.init) ?? "-", job.chainStatus, "\(job.minutes)",
                job.reportedMinutes.map(String.init) ?? "-", billed(job), earned(job), state,
            ])
        }
        return table.render()
    }

    /// The contract bills at least a minute of a job that ran, and what it says of more than it believes is not known here.
    static func billed(_ job: GridStatus.Job) -> String {
        guard let earned = job.earned.flatMap(Amount.init(wei:)) else { return job.isOver ? "?" : "-" }
        if earned == Amount(wei: "0") { return "0" }
        guard let reported = job.reportedMinutes, !job.wasBilledTooMuch else { return "?" }
        return "\(max(1, reported))"
    }

    /// `-`: it may still be paid. `?`: it is over, and what it was paid is not known (yet).
    static func earned(_ job: GridStatus.Job) -> String {
        if let earned = job.earned.flatMap(Amount.init(wei:)) { return earned.rounded }
        return job.isOver ? "?" : "-"
    }

    /// Ids in practice are small numbers.
    static func short(_ job: String) -> String {
        let digits = job.dropFirst(2).drop { $0 == "0" }
        return digits.count <= 16 ? "0x" + (digits.isEmpty ? "0" : digits) : job
    }

    /// A Slurm job's name in a table: of a grid's job, whose name is its id of 66 letters, as `short` has it.
    static func shortName(_ name: String) -> String {
        guard name.count == 66, name.hasPrefix("0x"), name.dropFirst(2).allSatisfy(\.isHexDigit) else { return name }
        return short(name)
    }
}
