// SPDX-License-Identifier: GPL-3.0-or-later

internal import ArgumentParser
internal import FoundationEssentials
internal import Glibc
internal import Slurm

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Runs the agent: follows every job of the cluster and tells whoever must know.",
        discussion: """
            Runs as SlurmUser (never as root) on the slurmctld host, usually under systemd. SIGTERM ends it after what \
            is under way; SIGHUP reads the configuration again and takes over what can change while it runs \
            (\(AgentConfiguration.reloadable.sorted().joined(separator: ", "))).

            CONFIGURATION
              A YAML file; each key also as environment variable (SLURM_GRID_AGENT_BRIDGE_SOCKET for bridge.socket).
              An unknown key is an error. Keys: \(AgentConfiguration.keys.joined(separator: ", ")).

            EXIT STATUS
              0   ended by a signal, all in order
              69  slurmctld does not answer; or, at the very first start, no node of the chain does
              70  all threads that talk to Slurm were stuck for a minute; to be started again
              73  a socket or a folder cannot be used
              75  another agent uses the state folder
              77  started as root
              78  the configuration, slurm.conf, a key, the ledger's format or the chain's ledger is not usable; starting \
            again does not help
            """
    )

    static let defaultFile = "/etc/slurm-grid-agent/config.yaml"

    @Option(
        help: ArgumentHelp(
            "The configuration. Default: \(RunCommand.defaultFile) if it is there.", valueName: "file"))
    var config: String?

    func run() async throws {
        AgentLogHandler.bootstrap()
        guard geteuid() != 0 else {
            complain("slurm-grid-agent: run as SlurmUser, not as root: sudo -u slurm slurm-grid-agent run")
            throw ExitCode(77)
        }
        let file = config ?? (access(Self.defaultFile, F_OK) == 0 ? Self.defaultFile : nil)
        do {
            let settings = try AgentConfiguration.load(file: file, environment: ProcessInfo.processInfo.environment)
            try await Daemon(configurationFile: file, configuration: settings).run()
        } catch let error as AgentConfiguration.Problem {
            complain("slurm-grid-agent: \(error)")
            throw ExitCode(78)
        } catch let error as Daemon.StartFailure {
            complain("slurm-grid-agent: \(error)")
            throw ExitCode(error.exitStatus)
        }
    }
}
