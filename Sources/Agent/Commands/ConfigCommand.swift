// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import ArgumentParser
internal import CommandOutput
internal import FoundationEssentials

struct ConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config",
        abstract: "Show the configuration: what is in force and where it comes from; every key there is.",
        subcommands: [Show.self, Reference.self, Import.self])

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show every key with its effective value, and where that was set.",
            usage: "slurm-grid-agent config show [--config FILE] [--KEY VALUE | --KEY=VALUE] ... [--changed] [--json]",
            discussion: """
                Reads --config, environment and flags as `run` does; `run --help` lists the keys. Run it with the environment of the unit to see what the \
                unit sees. Secrets are left out. It needs neither Slurm nor a running agent.

                EXIT STATUS
                  0   the configuration can be used, as far as it can be told without trying it (`check` does)
                  64  wrong use of the command line
                  78  the configuration cannot be used: one line for each fault
                """)

        @Flag(help: "Only what is set: in the file, the environment, or by a flag.")
        var changed = false

        @OptionGroup var passed: PrintingConfigurationWords

        func run() async throws {
            let words = passed.words
            let line: FlagParser
            do throws(AgentConfiguration.Problem) {
                line = try FlagParser(words.filter { $0 != "--json" && $0 != "--changed" }, Gateways.schema)
            } catch {
                error.complain()
                throw ExitCode(64)
            }
            guard !line.asksForHelp else { throw CleanExit.helpRequest(self) }
            let file = ConfigurationFile.path(named: line.file)
            let settings: AgentConfiguration
            do throws(AgentConfiguration.Problem) {
                settings = try AgentConfiguration.load(
                    file: file, environment: ProcessInfo.processInfo.environment, flags: line.flags)
            } catch {
                error.complain()
                throw ExitCode(78)
            }
            var document = EffectiveConfiguration(settings, file: file)
            if changed || words.contains("--changed") { document.leaveOutDefaults() }
            if words.contains("--json") { return try printJSON(document) }
            print(document.text)
        }
    }

    struct Reference: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print every key: what it takes, its default, what it means.")

        enum Format: String, ExpressibleByArgument, CaseIterable {
            case markdown, man, yaml
        }

        @Option(
            help: ArgumentHelp(
                "markdown; man, a section of a manual page; yaml, an example with every key commented out.",
                valueName: "format"))
        var format = Format.markdown

        func run() async throws {
            let reference = ConfigurationReference(Gateways.schema)
            let text =
                switch format {
                case .markdown: reference.markdown
                case .man: reference.manual
                case .yaml: reference.example
                }
            print(text, terminator: "")
        }
    }
}

/// What `config show` prints.
struct EffectiveConfiguration: Encodable {
    struct Setting: Encodable {
        var key: String
        /// Without secrets.
        var value: String
        /// `default`, `file`, `environment`, `flag`.
        var source: String
        /// `FILE:LINE`, the variable's name, the flag; absent for a default.
        var place: String?
    }

    /// The file that was read, if any.
    var file: String?
    var settings: [Setting]
    var notices: [String]

    init(_ configuration: AgentConfiguration, file: String?) {
        self.file = file
        notices = configuration.notices
        settings = configuration.effective.map { key, value in
            Setting(key: key, value: value, at: configuration.places[key])
        }
        for key in configuration.schema.keys where key.secret != nil {
            guard let place = configuration.places[key.name] else { continue }
            settings.append(Setting(key: key.name, value: "set, not shown", at: place))
        }
    }

    mutating func leaveOutDefaults() { settings.removeAll { $0.source == "default" } }

    var text: String {
        guard !settings.isEmpty else { return "nothing is set: every key has its default" }
        var table = Table(["KEY", "VALUE", "FROM"])
        for setting in settings {
            let name = setting.source == "environment" ? "environment \(setting.place ?? "")" : setting.place
            table.add([setting.key, setting.value, name ?? setting.source])
        }
        return ([table.render()] + notices.map { "note: \($0)" }).joined(separator: "\n")
    }
}

extension EffectiveConfiguration.Setting {
    init(key: String, value: String, at place: AgentConfiguration.Place?) {
        let (source, name): (String, String?) =
            switch place {
            case nil: ("default", nil)
            case .file(let path, let line): ("file", "\(path):\(line)")
            case .environment(let name): ("environment", name)
            case .flag(let name): ("flag", "--\(name)")
            }
        self.init(key: key, value: value, source: source, place: name)
    }
}

extension AgentConfiguration.Problem {
    /// Writes a line for each fault to standard error.
    func complain() {
        for line in lines { CommandOutput.complain("slurm-grid-agent: \(line)") }
    }
}
