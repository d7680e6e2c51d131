// SPDX-License-Identifier: GPL-3.0-or-later

internal import ArgumentParser
internal import FoundationEssentials
internal import Glibc
internal import Logging

struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Tries everything that `run` needs, and changes nothing.",
        usage: "slurm-grid-agent check [--config FILE] [--KEY VALUE | --KEY=VALUE] ... [--json]",
        discussion: """
            Takes the configuration as `run` does: --config, environment, flags. Run it as SlurmUser: what only that user may \
            see cannot be tried as another one. --json prints an array of objects.

            EXIT STATUS
              0   all is well, or there are warnings only
              1   something does not work
              64  wrong use of the command line
              78  the configuration cannot be used
            """)

    @OptionGroup var passed: PrintingConfigurationWords

    private var words: [String] { passed.words }

    func run() async throws {
        let asJSON = words.contains("--json")
        let line: FlagParser
        do throws(AgentConfiguration.Problem) {
            line = try FlagParser(words.filter { $0 != "--json" })
        } catch {
            complain("slurm-grid-agent: \(error)")
            throw ExitCode(64)
        }
        guard !line.asksForHelp else { throw CleanExit.helpRequest(self) }
        AgentLogHandler.bootstrap()
        AgentLogHandler.setLevel("critical")
        let file = ConfigurationFile.path(named: line.file)
        let configuration: AgentConfiguration
        do throws(AgentConfiguration.Problem) {
            configuration = try AgentConfiguration.load(
                file: file, environment: ProcessInfo.processInfo.environment, flags: line.flags)
        } catch {
            error.complain()
            throw ExitCode(78)
        }
        let findings = await Checks(configuration: configuration, file: file).all()
        if asJSON {
            try printJSON(findings)
        } else {
            for finding in findings { print(finding.line) }
        }
        if findings.contains(where: { $0.level == .failure }) { throw ExitCode(1) }
    }
}
