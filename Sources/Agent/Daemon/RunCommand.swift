// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import ArgumentParser
internal import CommandOutput
internal import FoundationEssentials
internal import Glibc
internal import Observability
internal import Slurm
internal import Sockets

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run the agent: follow every job of the cluster and tell whoever must know.",
        usage: "slurm-grid-agent run [--config FILE] [--KEY VALUE | --KEY=VALUE] ...",
        discussion: """
            Runs as SlurmUser (never as root) on the slurmctld host, usually under systemd. SIGTERM ends it after what \
            is under way; SIGHUP reads the configuration again and takes over what can change while it runs \
            (\(Gateways.schema.reloadable.sorted().joined(separator: ", "))).

            CONFIGURATION
            A YAML file (--config; default \(RunCommand.defaultFile) if it is there). Each key is also an environment \
            variable (SLURM_GRID_AGENT_BRIDGE_SOCKET for bridge.socket; in parentheses today's supervisor's name for it) and \
            a flag, with one hyphen or two. The command line wins over the environment, the environment over the file. An \
            unknown key is an error.
            --KEY alone is true for a BOOLEAN, --KEY=false is false. A flag of several values may be repeated.

            KEYS
            \(RunCommand.keyLines.joined(separator: "\n"))

            EXIT STATUS
              0   ended by a signal, all in order
              64  wrong use of the command line
              70  all threads that talk to Slurm were stuck for a minute; to be started again
              73  a socket or a folder cannot be used
              75  another agent uses the state folder
              77  started as root
              78  the configuration, the ledger's format, the chain's ledger or the limit of open files is not usable; \
            starting again does not help

            A slurm.conf, slurmctld, key, node or contract that is not there is no reason to end: the agent waits for it, \
            does what it can without, and says so (`slurm-grid-agent status`).
            """
    )

    static let defaultFile = "/etc/slurm-grid-agent/config.yaml"

    /// Every key that does something.
    private static let keyLines = Gateways.schema.keys.filter(\.isSettable).map { key in
        "  \(key.name) \(key.placeholder)" + (key.supervisorVariable.map { " (\($0))" } ?? "")
    }

    @OptionGroup var passed: ConfigurationWords

    var words: [String] { passed.words }

    func run() async throws {
        let line: FlagParser
        do throws(AgentConfiguration.Problem) {
            line = try FlagParser(words, Gateways.schema)
        } catch {
            complain("slurm-grid-agent: \(error)")
            throw ExitCode(64)
        }
        guard !line.asksForHelp else { throw CleanExit.helpRequest(self) }
        AgentLogHandler.bootstrap()
        guard geteuid() != 0 else {
            complain("slurm-grid-agent: run as SlurmUser, not as root: sudo -u slurm slurm-grid-agent run")
            throw ExitCode(77)
        }
        let descriptors = DescriptorLimit.raise()
        guard descriptors.limit >= DescriptorLimit.least else {
            complain(
                """
                slurm-grid-agent: it may open \(descriptors.limit) files only, and needs \(DescriptorLimit.least): \
                raise LimitNOFILE= of its unit, or the limit of its shell (ulimit -n)
                """)
            throw ExitCode(78)
        }
        let file = ConfigurationFile.path(named: line.file)
        do {
            let settings = try AgentConfiguration.load(
                file: file, environment: ProcessInfo.processInfo.environment, flags: line.flags)
            try await Daemon(configurationFile: file, configuration: settings).run()
        } catch let error as AgentConfiguration.Problem {
            error.complain()
            throw ExitCode(78)
        } catch let error as Daemon.StartFailure {
            complain("slurm-grid-agent: \(error)")
            leave(error.exitStatus)
        } catch {
            complain("slurm-grid-agent: \(error)")
            leave(1)
        }
        leave(0)
    }
}
