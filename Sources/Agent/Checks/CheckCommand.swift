// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import ArgumentParser
internal import CommandOutput
internal import FoundationEssentials
internal import Glibc
internal import Logging
internal import Observability

struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Try everything that `run` needs, and change nothing.",
        usage: "slurm-grid-agent check [--config FILE] [--KEY VALUE | --KEY=VALUE] ... [--here] [--json]",
        discussion: """
            Takes the configuration as `run` does: --config, environment, flags. Run it as root: where systemd runs the agent, \
            it is tried as the service sees it, with the unit's user, environment and credentials. What cannot be tried is \
            unknown, with the reason. --here tries it as this user, with this environment. --json prints an array of objects.

            EXIT STATUS
              0   nothing fails; there may be warnings, and what is unknown
              1   something does not work
              64  wrong use of the command line
              78  the configuration cannot be used
            """)

    @OptionGroup var passed: PrintingConfigurationWords

    @Flag(help: "As root: try it as this user, with this environment, and not as the service.")
    var here = false

    private var words: [String] { (here ? ["--here"] : []) + passed.words }

    func run() async throws {
        let own: Set<String> = ["--json", "--here"]
        let asJSON = words.contains("--json")
        let rest = words.filter { !own.contains($0) }
        let line: FlagParser
        do throws(AgentConfiguration.Problem) {
            line = try FlagParser(rest, Gateways.schema)
        } catch {
            complain("slurm-grid-agent: \(error)")
            throw ExitCode(64)
        }
        guard !line.asksForHelp else { throw CleanExit.helpRequest(self) }
        AgentLogHandler.bootstrap()
        AgentLogHandler.setLevel("critical")
        var trouble: String?
        if geteuid() == 0, !words.contains("--here") {
            switch ServiceRun(words: Self.withWholePath(rest)).answer() {
            case .found(let found, let user): return try show(Self.joined(found, user: user), asJSON: asJSON)
            case .ended(let status): throw ExitCode(status)
            case .impossible(let why): trouble = why
            }
        }
        let file = ConfigurationFile.path(named: line.file)
        let configuration: AgentConfiguration
        do throws(AgentConfiguration.Problem) {
            configuration = try AgentConfiguration.load(
                file: file, environment: ProcessInfo.processInfo.environment, flags: line.flags)
        } catch {
            error.complain()
            throw ExitCode(78)
        }
        var findings = await Checks(configuration: configuration, file: file).all()
        if let trouble { findings.insert(.init(level: .unknown, subject: "user", text: "because \(trouble)"), at: 0) }
        try show(findings, asJSON: asJSON)
    }

    private func show(_ findings: [Finding], asJSON: Bool) throws {
        if asJSON {
            try printJSON(findings)
        } else {
            for finding in findings { print(finding.line) }
        }
        if findings.contains(where: { $0.level == .failure }) { throw ExitCode(1) }
    }

    /// Root alone sees what is in the folder of the credentials.
    static func joined(
        _ found: [Finding], user: String,
        credentials: Finding? = Checks(
            configuration: AgentConfiguration(), file: nil
        ).credentialFiles()
    ) -> [Finding] {
        var findings = found.filter { $0.subject != "credentials" }
        let place = findings.lastIndex { $0.subject == "configuration" }.map { $0 + 1 } ?? 0
        let who = Finding(
            level: .ok, subject: "user", text: "tried as the service does: as \(user), with its credentials")
        findings.insert(contentsOf: [who] + (credentials.map { [$0] } ?? []), at: place)
        return findings
    }

    /// The service starts elsewhere.
    static func withWholePath(
        _ words: [String], folder: String = FileManager.default.currentDirectoryPath
    ) -> [String] {
        func whole(_ path: String) -> String { path.isEmpty || path.hasPrefix("/") ? path : folder + "/" + path }
        var words = words
        for index in words.indices {
            if ["-config", "--config"].contains(words[index]), index + 1 < words.count {
                words[index + 1] = whole(words[index + 1])
            }
            for name in ["-config=", "--config="] where words[index].hasPrefix(name) {
                words[index] = name + whole(String(words[index].dropFirst(name.count)))
            }
        }
        return words
    }
}
