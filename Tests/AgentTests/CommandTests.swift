// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import Testing

@testable import Agent

@Suite struct CommandTests {
    @Test("help is in one mood: what a command is told to do")
    func mood() {
        let verbs: Set<Substring> = [
            "Check", "Claim", "Close", "End", "Follow", "Have", "List", "Make", "Print", "Read", "Replace", "Run",
            "Show",
            "Send", "Sign", "Submit", "Take", "Try",
        ]
        var waiting = SlurmGridAgent.configuration.subcommands
        #expect(waiting.count > 10)
        while let command = waiting.popLast() {
            // Their old names, which help does not list, say what they stand for.
            guard command.configuration.shouldDisplay else { continue }
            waiting += command.configuration.subcommands
            let abstract = command.configuration.abstract
            #expect(verbs.contains(abstract.prefix { $0.isLetter }), "\(abstract)")
        }
    }

    private static let common = ["--slurm-conf", "--timeout", "--json", "--help"]

    @Test(
        arguments: [
            ("cluster", ["--partition"]),
            ("jobs", ["--all", "--user", "--name", "--tag", "--partition"]),
            ("job", ["--script", "<ids>"]),
            ("cancel", ["--name", "--user", "--signal", "--batch", "--full", "<ids>"]),
            ("wait", ["--interval", "<id>"]),
            (
                "submit",
                [
                    "--user", "--gid", "--job-name", "--partition", "--account", "--qos", "--wckey", "--nodes",
                    "--ntasks",
                    "--ntasks-per-node", "--cpus-per-task", "--mincpus", "--mem", "--mem-per-cpu", "--gpus",
                    "--gpus-per-node", "--gpus-per-task", "--gres", "--time", "--licenses", "--constraint",
                    "--reservation", "--nodelist", "--exclude", "--exclusive", "--oversubscribe", "--hold", "--begin",
                    "--dependency", "--array", "--comment", "--admin-comment", "--chdir", "--output", "--error",
                    "--input", "--env", "--mail-type", "--mail-user", "--requeue", "--allow-root", "<script>",
                ]
            ),
        ])
    func helpNamesEveryOption(_ command: String, _ options: [String]) throws {
        let type = try #require(
            SlurmGridAgent.configuration.subcommands.first { $0.configuration.commandName == command })
        let help = SlurmGridAgent.helpMessage(for: type, columns: 100)
        for option in options + Self.common { #expect(help.contains(option), "\(command) \(option)") }
        #expect(help.contains("OVERVIEW: "))
    }

    @Test(arguments: SlurmGridAgent.configuration.subcommands.map { $0.configuration.commandName ?? "" })
    func helpIsAskedFor(_ command: String) throws {
        var help = try SlurmGridAgent.parseAsRoot([command, "--help"])
        let error = #expect(throws: (any Error).self) { try help.run() }
        #expect(error.map { SlurmGridAgent.exitCode(for: $0) } == ExitCode.success)
        #expect(
            error.map { SlurmGridAgent.fullMessage(for: $0) }?.contains("USAGE: slurm-grid-agent \(command)") == true)
    }

    @Test(arguments: [
        ["cluster"], ["cluster", "-p", "main", "--json"], ["jobs", "-a", "-u", "root", "--tag", "x"], ["job", "12_3"],
        ["job", "12", "--script"], ["wait", "12", "--interval", "0.5"], ["cancel", "1", "2_3", "4+1"],
        ["cancel", "-s", "USR1", "-b", "1"], ["cancel", "--name", "x", "--user", "root"],
        ["submit", "-N", "2-4", "-n", "8", "-c", "2", "--mem", "4G", "-t", "1-0", "-a", "0-9", "x.sh", "a", "--b"],
        ["submit", "-G", "a100:2", "--gres", "shard:1", "--env", "A=1", "--env", "B=2"],
        ["submit", "-N2", "-n4", "-c2", "-t10", "-pmain", "-Jname", "-Ga100:2", "-D/tmp", "-Hs", "x.sh"],
        ["jobs", "-uroot", "-pa,b"],
        ["cancel", "-sUSR1", "-b", "1"], ["cluster", "-pmain"],
        ["cancel", "1,2_[3-5],4+1", "6_*"], ["job", "1,2_3", "4"], ["wait", "12_3"], ["wait", "12+1"],
        ["jobs", "-u", "root,1001", "-p", "a,b", "--name", "x,y"], ["cluster", "-p", "a,b"],
        [
            "submit", "--mem", "0", "-t", "0", "--gres", "none", "-G", "0", "--gid", "users", "-b", "now+1hour", "-N",
            "1k",
        ],
        [
            "submit", "--mem-per-cpu", "0", "--time=-1", "--mail-type", "none", "-p", "a,b", "-G", "a:1,b:2", "-b",
            "tomorrow",
        ],
    ])
    func parses(_ arguments: [String]) throws {
        _ = try SlurmGridAgent.parseAsRoot(arguments)
    }

    @Test(arguments: [
        ["nonsense"], ["job"], ["job", "0"], ["job", "x"], ["wait", "1", "--interval", "0"],
        ["wait", "1", "--interval", "nan"], ["wait", "1", "--interval", "1e9"], ["cluster", "--timeout", "0"],
        ["cluster", "--timeout", "3601"], ["cancel"], ["cancel", "1", "--name", "x", "--user", "u"],
        ["cancel", "--name", "x"], ["cancel", "--user", "u"], ["cancel", "--batch", "1"],
        ["cancel", "-s", "9", "-b", "-f", "1"], ["cancel", "-s", "9", "--name", "x", "--user", "u"],
        ["submit", "--mem", "1G", "--mem-per-cpu", "1G"], ["submit", "--exclusive", "--oversubscribe"],
        ["submit", "--mail-user", "x"], ["submit", "-N", "x"], ["submit", "-t", "never"], ["submit", "--nonsense"],
        ["cancel", "1.0"], ["cancel", "1_[1-9:2]"], ["cancel", "1,"], ["job", "1.batch"], ["job", "1,2", "--script"],
        ["wait", "1,2"], ["wait", "1_[1-2]"], ["wait", "1.0"], ["submit", "-b", "soon"], ["submit", "-N", "1-2,4"],
        ["submit", "--exclusive=user"], ["submit", "--mem", "1.5G"],
    ])
    func refuses(_ arguments: [String]) {
        let error = #expect(throws: (any Error).self) { try SlurmGridAgent.parseAsRoot(arguments) }
        #expect(error.map { SlurmGridAgent.exitCode(for: $0).rawValue } == 64)
    }

    @Test func argumentsAfterTheScriptAreTheScripts() throws {
        let command = try SlurmGridAgent.parseAsRoot(["submit", "-J", "n", "x.sh", "-J", "other", "--help", "--", "y"])
        let submit = try #require(command as? SubmitCommand)
        #expect(submit.jobName == "n")
        #expect(submit.script == "x.sh")
        #expect(submit.arguments == ["-J", "other", "--help", "--", "y"])
    }
}
