// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import Foundation
import Testing
import Waiting

@testable import Agent
@testable import AgentSettings
@testable import StatusViews

/// What helps to type: suggestions, help, completion, what monitoring reads.
@Suite struct CommandLineTests {
    // MARK: did you mean

    @Test(
        "a grid job's name is as short in tables as everywhere; other names stay",
        arguments: [
            ("0x" + String(repeating: "0", count: 63) + "1", "0x1"), ("train", "train"), ("0x1", "0x1"),
            ("0x" + String(repeating: "z", count: 64), "0x" + String(repeating: "z", count: 64)),
            ("0x" + String(repeating: "a", count: 64), "0x" + String(repeating: "a", count: 64)),
        ])
    func shortName(_ name: String, _ shown: String) {
        #expect(GridCommand.shortName(name) == shown)
    }

    @Test("a line of shell in place of a script, as sbatch's --wrap")
    func wrap() throws {
        #expect(try SubmitCommand.parse(["--wrap", "hostname"]).wrap == "hostname")
        #expect(ScriptFile.wrapping("hostname") == "#!/bin/sh\n\nhostname\n")
        #expect(throws: (any Error).self) { try SubmitCommand.parse(["--wrap", "hostname", "job.sh"]) }
    }

    @Test(
        "a command that is none, and the one that was meant",
        arguments: [
            ("stauts", "there is no command \"stauts\"; did you mean \"status\"?"),
            ("stat", "there is no command \"stat\"; did you mean \"status\"?"),
            ("grid jbos", "there is no command \"grid jbos\"; did you mean \"grid jobs\"?"),
            ("grid jbos --json", "there is no command \"grid jbos\"; did you mean \"grid jobs\"?"),
            ("earnings", "there is no command \"earnings\"; did you mean \"grid earnings\"?"),
            (
                "show",
                "there is no command \"show\"; did you mean \"config show\", \"ledger show\" or \"chain tx show\"?"
            ),
            ("chain tx lst", "there is no command \"chain tx lst\"; did you mean \"chain tx list\"?"),
            ("help provider drian", "there is no command \"provider drian\"; did you mean \"provider drain\"?"),
            ("foo", "there is no command \"foo\"; `slurm-grid-agent --help` lists all there are"),
            ("grid xyzzy", "there is no command \"grid xyzzy\"; `slurm-grid-agent grid --help` lists all there are"),
            ("\u{1b}[2J", "there is no command \"\u{fffd}[2J\"; `slurm-grid-agent --help` lists all there are"),
        ])
    func unknown(_ line: String, _ message: String) {
        #expect(UnknownCommand(line.split(separator: " ").map(String.init))?.message == message)
    }

    @Test(
        "words that are none of our business",
        arguments: [
            "", "--help", "-h", "--version", "help", "help grid", "grid", "grid jobs", "grid --json", "job 12_3",
            "drain",
            "chain tx show status", "submit stauts", "run --config x", "help job 12",
        ])
    func known(_ line: String) {
        #expect(UnknownCommand(line.split(separator: " ").map(String.init)) == nil)
    }

    @Test("a word behind a group is always a command: no default of one takes an argument")
    func defaults() {
        func look(_ command: any ParsableCommand.Type) {
            if let standard = command.configuration.defaultSubcommand {
                let usage = SlurmGridAgent.usageString(for: standard)
                #expect(!usage.replacing(#/ \[?--[a-z-]+( <[a-z-]+>)?\]?/#, with: "").contains("<"), "\(usage)")
            }
            for child in command.configuration.subcommands { look(child) }
        }
        look(SlurmGridAgent.self)
    }

    // MARK: help

    @Test(
        "--help has the options of commands that take the configuration's keys",
        arguments: [
            (RunCommand.self, ["--config <file>"]), (CheckCommand.self, ["--config <file>", "--json", "--here"]),
            (ConfigCommand.Show.self, ["--config <file>", "--json", "--changed"]),
            (StatusCommand.self, ["--nagios", "--watch"]),
        ] as [(any ParsableCommand.Type, [String])])
    func help(_ command: any ParsableCommand.Type, _ options: [String]) throws {
        let help = SlurmGridAgent.helpMessage(for: command, columns: 200)
        let listed = help.split(separator: "\n").filter { $0.hasPrefix("  --") }
        for option in options { #expect(listed.contains { $0.hasPrefix("  \(option)") }, "\(option)") }
    }

    static let passed: [(words: [String], read: [String])] = [
        ([], []), (["--config", "a"], ["--config", "a"]), (["--config=a", "--json"], ["--json", "--config", "a"]),
        (["--json", "--log-level", "debug"], ["--json", "--log-level", "debug"]),
        (["--log-level", "debug", "--json", "--config", "b"], ["--log-level", "debug", "--json", "--config", "b"]),
        (
            ["--config", "a", "--log-level=info", "--config", "b"],
            ["--config", "a", "--log-level=info", "--config", "b"]
        ),
        (["-config", "a"], ["-config", "a"]), (["stray"], ["stray"]),
        (["--sbatch.tls", "--help"], ["--sbatch.tls", "--help"]),
    ]

    @Test("each word reaches the reader of the configuration's flags", arguments: passed.indices)
    func passes(_ index: Int) throws {
        let row = Self.passed[index]
        let command = try #require(try SlurmGridAgent.parseAsRoot(["check"] + row.words) as? CheckCommand)
        #expect(command.passed.words == row.read)
    }

    @Test(
        "drain and resume are commands of provider; the former names stay, without being shown",
        arguments: ["drain", "resume"])
    func drain(_ name: String) throws {
        _ = try SlurmGridAgent.parseAsRoot(["provider", name, "--json"])
        _ = try SlurmGridAgent.parseAsRoot([name, "--json"])
        #expect(SlurmGridAgent.helpMessage(for: ProviderCommand.self).contains("\n  \(name) "))
        #expect(!SlurmGridAgent.helpMessage().contains("\n  \(name) "))
    }

    // MARK: config show --changed

    @Test("only what is set")
    func changed() throws {
        let settings = try AgentConfiguration.load(
            file: nil, environment: [:], flags: [ConfigurationFlag(key: "log-level", value: "debug")])
        var document = EffectiveConfiguration(settings, file: nil)
        #expect(document.settings.count > 10)
        document.leaveOutDefaults()
        #expect(document.settings.map(\.key) == ["log-level"])
        #expect(document.text.hasPrefix("KEY        VALUE  FROM\nlog-level  debug  --log-level"))
        document.settings = []
        #expect(document.text == "nothing is set: every key has its default")
    }

    // MARK: monitoring

    @Test("one line and an exit status, as monitoring plugins have them")
    func nagios() {
        let well = NagiosReport(Gateways.all, StatusFixtures.busy)
        #expect(well.state == .ok && well.state.rawValue == 0)
        #expect(
            well.line == """
                GRID-AGENT OK - cluster physics: 23 open runs, 4 of the grid, 2 deliveries to deepsquare waiting | \
                open_runs=23 grid_jobs=4 not_in_slurm_yet=1 waiting=2 parked=0 balance_coins=14.231 credits=12345.6789
                """)
        #expect(NagiosReport(Gateways.all, StatusFixtures.idle).state == .ok)
        var status = StatusFixtures.busy
        status.health = .warning
        #expect(NagiosReport(Gateways.all, status).state.rawValue == 1)
        status.health = .failure
        status.summary = "a | b=1\nsecond line\u{1b}[2J"
        let failing = NagiosReport(Gateways.all, status)
        #expect(failing.state.rawValue == 2)
        #expect(failing.line.hasPrefix("GRID-AGENT CRITICAL - a / b=1\u{fffd}second line\u{fffd}[2J | open_runs=23 "))
    }

    @Test(
        "no agent is critical; one that cannot be asked is unknown",
        arguments: [(69, 2), (77, 3), (64, 3), (1, 3)] as [(Int32, Int32)])
    func nagiosWithoutAnswer(_ failure: Int32, _ state: Int32) {
        let report = NagiosReport(ControlClient.Failure(exitStatus: failure, description: "words"))
        #expect(report.state.rawValue == state)
        #expect(report.line == "GRID-AGENT \(state == 2 ? "CRITICAL" : "UNKNOWN") - words")
    }

    @Test func nagiosGoesAlone() {
        for words in [["--nagios", "--json"], ["--nagios", "--watch"]] {
            #expect(throws: (any Error).self) { try SlurmGridAgent.parseAsRoot(["status"] + words) }
        }
    }

    // MARK: completion

    /// What bash offers for the last word.
    private static func completions(of line: [String]) throws -> [String] {
        let bash = Process()
        bash.executableURL = URL(fileURLWithPath: "/bin/bash")
        bash.arguments = [
            "-c",
            CompletionScript.bash + """

                set -- \(line.map { "'\($0)'" }.joined(separator: " "))
                COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMPREPLY=()
                COMP_POINT=${#COMP_LINE}
                $(complete -p slurm-grid-agent | sed 's/.*-F \\([^ ]*\\).*/\\1/') slurm-grid-agent "${!#}" "${COMP_WORDS[COMP_CWORD-1]}"
                printf '%s\\n' "${COMPREPLY[@]}"
                """,
        ]
        let output = Pipe()
        bash.standardOutput = output
        bash.standardError = FileHandle.nullDevice
        try bash.run()
        let bytes = output.fileHandleForReading.readDataToEndOfFile()
        bash.waitUntilExit()
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init).sorted()
    }

    static let typed: [(line: String, offered: [String])] = [
        ("gri", ["grid"]), ("grid ear", ["earnings"]), ("grid earnings --b", ["--by"]),
        ("grid earnings --by c", ["customer"]), ("check --conf", ["--config"]), ("config show --chang", ["--changed"]),
        ("run --metascheduler.endpoint.r", ["--metascheduler.endpoint.rpc"]),
        ("check --log-level debug --admin.t", ["--admin.token-file"]), ("run --auto-reg", ["--auto-register"]),
        // An option that another one begins with.
        ("submit --mem", ["--mem", "--mem-per-cpu"]), ("status --na", ["--nagios"]), ("dra", []),
        // A secret is no flag.
        ("run --metascheduler.k", []),
    ]

    @Test("bash completes commands, options, their values and the configuration's keys", arguments: typed.indices)
    func completes(_ index: Int) throws {
        let row = Self.typed[index]
        let words = ["slurm-grid-agent"] + row.line.split(separator: " ").map(String.init)
        #expect(try Self.completions(of: words) == row.offered, "\(row.line)")
    }

    @Test("the parser's script still has what is changed in it")
    func script() {
        let plain = SlurmGridAgent.completionScript(for: .bash)
        #expect(plain.contains(CompletionScript.exact))
        for command in CompletionScript.passingOn {
            #expect(plain.contains("_slurm-grid-agent_\(command)() {\n    repeating_flags=("))
        }
        #expect(!CompletionScript.bash.contains(CompletionScript.exact))
    }
}
