// SPDX-License-Identifier: GPL-3.0-or-later

internal import ArgumentParser

/// The words behind a command that takes the configuration's keys as flags. Go's flags (dots, one hyphen, optional values) are
/// not the parser's: `FlagParser` reads them. What is declared here is what `--help` and the shell's completion tell.
struct ConfigurationWords: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The configuration file (default: \(RunCommand.defaultFile), if it is there).", valueName: "file"),
        completion: .file())
    var config: String?

    @Argument(parsing: .captureForPassthrough, help: .hidden)
    var rest: [String] = []

    /// As they were given, but for their order: what is declared comes first.
    var words: [String] {
        guard let config else { return rest }
        return (config.isEmpty || config.hasPrefix("-") ? ["--config=\(config)"] : ["--config", config]) + rest
    }
}

/// The same for a command that prints.
struct PrintingConfigurationWords: ParsableArguments {
    @OptionGroup var configuration: ConfigurationWords

    @Flag(help: "Print JSON.")
    var json = false

    var words: [String] { (json ? ["--json"] : []) + configuration.words }
}
