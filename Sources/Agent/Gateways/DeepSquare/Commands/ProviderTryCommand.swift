// SPDX-License-Identifier: GPL-3.0-or-later

internal import ArgumentParser
internal import CommandOutput
internal import DeepSquare
internal import Ethereum
internal import FoundationEssentials
internal import Support

/// Would a job of this customer run here?
struct ProviderTryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "try",
        abstract: "Try whether a job of a customer would run here, as whom and where, and if not why.",
        discussion: """
            The running agent decides on it as on a job of the grid, and asks slurmctld whether it would run. Nothing is \
            claimed, submitted or written. Memory is that of the whole job.

            EXIT STATUS
              0   it would run
              1   it would not, or that could not be found out
            """)

    @OptionGroup var options: ControlOptions

    @Option(help: ArgumentHelp("Tasks.", valueName: "number"))
    var tasks: UInt64 = 1
    @Option(help: ArgumentHelp("CPUs of each task.", valueName: "number"))
    var cores: UInt64 = 1
    @Option(
        help: ArgumentHelp(
            "MB of memory (default: 1 for each CPU, the least that a job of the grid asks for).", valueName: "MB"))
    var memory: UInt64?
    @Option(help: ArgumentHelp("GPUs.", valueName: "number"))
    var gpus: UInt64 = 0
    @Option(help: ArgumentHelp("The time that the customer pays for.", valueName: "minutes"))
    var minutes: UInt64 = 10

    @Argument(help: ArgumentHelp("The customer's address.", valueName: "address"))
    var customer: String

    func validate() throws {
        guard Address(hex: customer) != nil else {
            throw ValidationError("\"\(PrintableText.of(customer))\" is not an address: 0x and 40 hexadecimal digits")
        }
    }

    var trial: ControlRequest.Trial {
        let (cpus, overflow) = max(1, tasks).multipliedReportingOverflow(by: max(1, cores))
        return .init(
            customer: customer, tasks: tasks, cores: cores, memory: memory ?? (overflow ? .max : cpus), gpus: gpus,
            minutes: minutes)
    }

    func run() async throws {
        try await reportingControl {
            var request = ControlRequest("provider-try")
            request.trial = trial
            let answer = try options.client.answer(to: request)
            let trial = try ControlAnswer.decode(GridTrial.self, answer)
            print(options.json ? answer : Self.text(trial))
            if !trial.wouldRun { throw ExitCode(1) }
        }
    }

    static func text(_ trial: GridTrial) -> String {
        let placement = trial.placement
        let size =
            "\(trial.cpus) CPUs, \(trial.memory) MB, \(trial.gpus) GPUs, \(trial.minutes) minutes"
        var lines = [
            "customer   \(trial.customer)",
            "job        \(size)",
            "user       \(placement.login)\(trial.userID.map { " (uid \($0))" } ?? ", who is not there")",
            "partition  \(placement.partition)",
            "account    \(placement.account ?? "the user's default")",
            "QOS        \(placement.qos ?? "the default")",
        ]
        if let start = trial.start {
            let nodes = trial.nodes.map { " on \($0)" } ?? ""
            lines.append("start      \(LocalTime.short(start))\(nodes)")
        }
        lines += trial.reasons.map { "NO         \($0)" } + trial.untried.map { "UNKNOWN    \($0)" }
        lines.append(
            trial.wouldRun
                ? "It would run." : trial.reasons.isEmpty ? "Whether it would run is not known." : "It would not run.")
        return lines.map(PrintableText.of).joined(separator: "\n")
    }
}

extension ControlRequest.Trial {
    var definition: JobDefinition {
        let (cpus, overflow) = max(1, tasks).multipliedReportingOverflow(by: max(1, cores))
        // Slurm counts memory by CPU.
        let memoryPerCPU = overflow ? memory : memory / cpus + (memory % cpus == 0 ? 0 : 1)
        return JobDefinition(
            gpus: gpus, memoryPerCPU: memoryPerCPU, cpusPerTask: cores, tasks: tasks, batchLocationHash: "")
    }
}
