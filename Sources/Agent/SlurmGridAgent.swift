// SPDX-License-Identifier: GPL-3.0-or-later

internal import ArgumentParser
internal import CommandOutput
internal import Slurm

@main
enum Program {
    static func main() async {
        let arguments = CommandLine.arguments.dropFirst()
        // The helper must not share a process with anything else: libslurm may end it.
        if arguments.first == SlurmHelper.argument {
            exitProcess(SlurmHelper.main(Array(arguments.dropFirst())))
        }
        let words = Array(arguments)
        if CompletionScript.isAskedFor(words) { return print(CompletionScript.bash) }
        if let unknown = UnknownCommand(words) {
            complain("slurm-grid-agent: \(unknown.message)")
            exitProcess(64)
        }
        // Once for each file, with somebody waiting: not before all other commands have been described to the parser.
        let isHelper = words.starts(with: ["jarvice", "files"])
        if isHelper, let files = try? JarviceFilesCommand.parse(Array(words.dropFirst(2))) {
            do {
                return try files.run()
            } catch {
                JarviceFilesCommand.exit(withError: error)
            }
        }
        await SlurmGridAgent.main(words)
    }
}

struct SlurmGridAgent: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "slurm-grid-agent",
        abstract: "Joins a Slurm cluster to the grids that send it jobs.",
        discussion: """
            Talks to slurmctld through libslurm, in its own process. To submit, cancel or change jobs for other users it \
            must run as SlurmUser or root; anybody may look.

            EXIT STATUS
              0   done
              1   Slurm refused or the answer was unexpected; the message says why
              3   wait: the job ended in another state than COMPLETED
              4   no such job
              64  wrong use of the command line
              65  the request is invalid: the message names the field and its limit
              69  slurmctld, slurmdbd or the authentication service does not answer
              75  no answer in time: for a submission, look whether the job exists before trying again
              77  permission denied
              78  slurm.conf is missing or cannot be used

            ENVIRONMENT
              SLURM_CONF   the cluster's slurm.conf (default: what libslurm finds)
            """,
        version: "slurm-grid-agent \(Version.number) (built with Slurm \(Cluster.libraryVersion))",
        subcommands: [
            ClusterCommand.self, JobsCommand.self, JobCommand.self, SubmitCommand.self, CancelCommand.self,
            WaitCommand.self, RunCommand.self, StatusCommand.self, CheckCommand.self, ConfigCommand.self,
            EventsCommand.self, LedgerCommand.self, PluginsCommand.self,
        ] + Gateways.all.flatMap(\.commands)
    )
}

enum Version {
    static let number = "0.1.0"
}
