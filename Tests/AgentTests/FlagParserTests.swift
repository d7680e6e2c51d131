// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import Testing

@testable import Agent
@testable import AgentSettings

@Suite("Flags of run")
struct FlagParserTests {
    @Test(
        "what is read",
        arguments: [
            ([], ""), (["--config", "/c"], "config=/c"), (["-config=/c"], "config=/c"), (["--config=/c"], "config=/c"),
            (["--help"], "help"), (["-h"], "help"), (["-help"], "help"), (["--trace", "--help"], "trace=true help"),
            (["--log-level", "debug"], "log-level=debug"), (["-log-level", "debug"], "log-level=debug"),
            (["--log-level=debug"], "log-level=debug"), (["--sbatch.tls"], "sbatch.tls=true"),
            (["-sbatch.tls"], "sbatch.tls=true"), (["--sbatch.tls=false"], "sbatch.tls=false"),
            (["-sbatch.tls=F"], "sbatch.tls=F"), (["--sbatch.tls="], "sbatch.tls="),
            (["--sbatch.tls", "--config", "/c"], "config=/c sbatch.tls=true"),
            (["--benchmark.disable", "-benchmark.ucx"], "benchmark.disable=true benchmark.ucx=true"),
            (
                ["-l", "os=linux", "--label", "a=b", "--metascheduler.label=c=d"],
                "l=os=linux label=a=b metascheduler.label=c=d"
            ),
            (["--metascheduler.endpoint.ws="], "metascheduler.endpoint.ws="),
            (["--benchmark.ucx.affinity=-x"], "benchmark.ucx.affinity=-x"),
            (["--nvidia-smi", "/usr/bin/nvidia-smi"], "nvidia-smi=/usr/bin/nvidia-smi"),
        ])
    func reads(_ words: [String], _ expected: String) throws {
        let line = try FlagParser(words, Gateways.schema)
        let parts =
            line.file.map { ["config=\($0)"] } ?? []
        let all = parts + line.flags.map { "\($0.key)=\($0.value)" } + (line.asksForHelp ? ["help"] : [])
        #expect(all.joined(separator: " ") == expected)
    }

    @Test(
        "what is refused, and the words",
        arguments: [
            (["--sbatch.tls", "false"], "\"false\" stands alone: write --sbatch.tls=false"),
            (["-benchmark.disable", "1"], "write --benchmark.disable=1"),
            (["--sbatch.tls", "secret"], "an argument belongs to no flag"),
            (["stray"], "an argument belongs to no flag"),
            (["--"], "an argument belongs to no flag"), (["-"], "an argument belongs to no flag"),
            (["--log-level"], "--log-level: its value is missing"), (["--config"], "--config: its value is missing"),
            (["--log-level", "--trace"], "--log-level=VALUE"), (["--loglevel=x"], "did you mean \"log-level\"?"),
            (["--partition", "x"], "did you mean \"slurm.partition\"?"), (["--=x"], "unknown key"),
            (["--metascheduler.privatekey=secret"], "--metascheduler.privatekey: unknown key"),
            (["--metascheduler.private-key", "secret"], "every user of this machine can read a command line"),
            (["--chain.key=secret"], "chain.key-file"), (["-chain.key-password", "secret"], "command line"),
        ])
    func refuses(_ words: [String], _ message: String) {
        let problem = #expect(throws: AgentConfiguration.Problem.self) { try FlagParser(words, Gateways.schema) }
        #expect(problem?.description.contains(message) == true, "\(problem?.description ?? "")")
        #expect(problem?.description.contains("secret") == false)
    }

    @Test(
        "lists add up, for the others the last word counts",
        arguments: [
            (["-l", "a=b,c=d", "--label=e=f"], "metascheduler.label", "a=b, c=d, e=f"),
            (["--slurm.partition", "a", "--slurm.partition=b"], "slurm.partition", "b"),
            (["--trace", "--log-level", "notice"], "log-level", "notice"),
            (["--log-level", "notice", "--trace"], "log-level", "trace"),
            (["--log-level", "notice", "--trace=false"], "log-level", "notice"),
        ])
    func takes(_ words: [String], _ key: String, _ value: String) throws {
        var configuration = AgentConfiguration()
        try configuration.take(yaml: "label: x=y", file: "f.yaml")
        try configuration.take(flags: try FlagParser(words, Gateways.schema).flags)
        #expect(configuration.effective.first { $0.key == key }?.value == value)
    }

    @Test("a wrong value names its flag")
    func wrongValue() {
        var configuration = AgentConfiguration()
        let problem = #expect(throws: AgentConfiguration.Problem.self) {
            try configuration.take(flags: [ConfigurationFlag(key: "poll-interval", value: "x")])
        }
        #expect(problem?.description.hasPrefix("--poll-interval: \"x\" is no duration") == true)
    }

    @Test(
        "the words reach it as they were written",
        arguments: [
            ["--config", "/c"], ["-metascheduler.endpoint.rpc", "http://h"], ["-benchmark.disable"], ["-hello"],
            ["-l", "os=linux", "--label=a=b"], ["--trace", "--help"],
            ["--sbatch.tls=false", "-sbatch.tls", "--", "run"],
        ])
    func passesThrough(_ words: [String]) throws {
        let command = try #require(try SlurmGridAgent.parseAsRoot(["run"] + words) as? RunCommand)
        #expect(command.words == words)
    }

    @Test("help lists what can be set, and nothing that cannot")
    func help() {
        let help = SlurmGridAgent.helpMessage(for: RunCommand.self, columns: 120)
        for key in Gateways.schema.keys {
            let isListed = help.contains("\n  \(key.name) \(key.placeholder)")
            #expect(isListed == (key.form != .gone && key.form != .secret), "\(key.name)")
        }
        #expect(help.contains("--config") && help.contains("(METASCHEDULER_LABELS)"))
    }
}
