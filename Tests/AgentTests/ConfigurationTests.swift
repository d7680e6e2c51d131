// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@testable import Agent
@testable import AgentSettings

@Suite("Configuration of run")
struct ConfigurationTests {
    private func read(_ yaml: String) throws -> AgentConfiguration {
        var configuration = AgentConfiguration()
        try configuration.take(yaml: yaml, file: "f.yaml")
        return configuration
    }

    private static let ab = String(repeating: "ab", count: 20)

    private func shown(_ configuration: AgentConfiguration, _ key: String) -> String? {
        configuration.effective.first { $0.key == key }?.value
    }

    @Test("an empty file is the defaults", arguments: ["", "# nothing\n", "---\n"])
    func empty(_ yaml: String) throws {
        #expect(try read(yaml) == AgentConfiguration())
    }

    @Test("the report at start names what is not the default, a default written out not")
    func changed() throws {
        let changed = try read("poll-interval: 5s\nretention: 2d\nmetascheduler.endpoint.rpc: http://h:1/key\n").changed
        #expect(changed.map(\.key) == ["retention", "metascheduler.endpoint.rpc"])
        #expect(!changed.contains { $0.value.contains("/key") })
    }

    @Test("every kind of value")
    func values() throws {
        let read = try read(
            """
            state-folder: /s
            bridge:
              socket: /b
              mode: "0600"
              listen: "[fd00::1]:6821"
            journal: {file: /j}
            poll-interval: 500ms
            retention: 2.5d
            log-level: debug
            """)
        #expect(
            read.stateFolder == "/s" && read.bridgeSocket == "/b" && read.bridgeMode == 0o600
                && read.journalFile == "/j")
        #expect(
            read.bridgeListen == "[fd00::1]:6821" && read.pollInterval == .milliseconds(500)
                && read.retention == .seconds(216_000))
        #expect(read.differences(from: AgentConfiguration()).contains("log-level"))
    }

    @Test("the file, then the environment, then the command line; the agent's own variables before the supervisor's")
    func order() throws {
        var configuration = try read("poll-interval: 1s\nsweep-interval: 1s\nvanish-after: 1s\nslurm.partition: file")
        try configuration.take(environment: [
            "SLURM_GRID_AGENT_BRIDGE_MUNGE_SOCKET": "/m", "SLURM_GRID_AGENT_POLL_INTERVAL": "7s",
            "SLURM_GRID_AGENT_SWEEP_INTERVAL": "7s", "SLURM_GRID_AGENT_VANISH_AFTER": "", "SLURM_PARTITION": "plain",
            "SLURM_GRID_AGENT_SLURM_PARTITION": "own", "SBATCH_ENDPOINT": "a:1", "SLURM_GRID_AGENT_SBATCH_ENDPOINT": "",
        ])
        try configuration.take(flags: [ConfigurationFlag(key: "sweep-interval", value: "9s")])
        #expect(configuration.mungeSocket == "/m" && configuration.pollInterval == .seconds(7))
        #expect(configuration.sweepInterval == .seconds(9) && configuration.vanishAfter == .seconds(1))
        #expect(shown(configuration, "slurm.partition") == "own" && shown(configuration, "sbatch.endpoint") == "a:1")
    }

    @Test("what the environment and the file system have wrong is said with the place")
    func wrongPlaces() {
        let problem = #expect(throws: AgentConfiguration.Problem.self) {
            try AgentConfiguration.load(file: nil, environment: ["SLURM_GRID_AGENT_LOG_LEVEL": "loud"])
        }
        #expect(
            problem?.lines == [
                "environment variable SLURM_GRID_AGENT_LOG_LEVEL: log-level: \"loud\" is no level; there are trace, debug, "
                    + "info, notice, warning, error, critical"
            ])
        #expect(throws: AgentConfiguration.Problem.self) {
            try AgentConfiguration.load(file: "/none", environment: [:])
        }
    }

    @Test("what was read at start from key and command line is there when it is read again")
    func reread() throws {
        let first = try AgentConfiguration.load(
            file: nil,
            environment: ["ETH_PRIVATE_KEY": "0xaa", "METASCHEDULER_ENDPOINT_RPC": "http://127.0.0.1:1"],
            flags: [ConfigurationFlag(key: "log-level", value: "debug")])
        #expect(first.chain.keyInEnvironment == "ETH_PRIVATE_KEY" && first.logLevel == "debug")
        let second = try first.reread(file: nil, environment: ["METASCHEDULER_ENDPOINT_RPC": "http://127.0.0.1:1"])
        #expect(second == first && first.differences(from: second).isEmpty)
    }

    @Test(
        "dotted keys, mappings and both",
        arguments: [
            ("sbatch: {endpoint: h:1, tls: false}", "sbatch.tls", "false"),
            ("sbatch.tls: no", "sbatch.tls", "false"),
            ("sbatch: {tls: {enable: false, ca: /x}}", "sbatch.tls", "false"),
            ("sbatch: {tls: {enable: true, ca: /x}}", "sbatch.tls.ca", "/x"),
            ("sbatch: {tls.ca: /x, tls: 1}", "sbatch.tls.ca", "/x"),
            ("sbatch.tls: {insecure: yes}", "sbatch.tls.insecure", "true"),
            ("sbatch.tls.ca: /x", "sbatch.tls.ca", "/x"),
            ("tls: {enable: on, cert-file: /c, key-file: /k}", "tls", "true"),
            ("tls: true\ntls.cert-file: /c", "tls.cert-file", "/c"),
            ("benchmark: {ucx: true, ucx.affinity: a|b}", "benchmark.ucx.affinity", "a|b"),
            ("benchmark: {ucx: {enable: true, transport: \"sm,self\"}}", "benchmark.ucx", "true"),
            ("slurm: {conf: /c, partition: gpu}", "slurm.partition", "gpu"),
            ("slurm: {ssh: {address: x}, conf: /c}", "slurm.conf", "/c"),
            ("metascheduler: {label: [os=linux, zone=a=b]}", "metascheduler.label", "os=linux, zone=a=b"),
            ("metascheduler.label: os=linux, arch=amd64", "metascheduler.label", "os=linux, arch=amd64"),
            ("label: {os: linux, arch: amd64}", "metascheduler.label", "os=linux, arch=amd64"),
            ("benchmark.env: {UCX_TLS: \"sm,self\", A: b}", "benchmark.env", "UCX_TLS, A"),
            ("policy: {allow: [\"0x\(Self.ab)\"]}", "policy.allow", "0xABaBaBaBABabABabAbAbABAbABabababaBaBABaB"),
            ("users.map: {0x\(Self.ab): alice}", "users.map", "0xABaBaBaBABabABabAbAbABAbABabababaBaBABaB=alice"),
            (
                "users.map:\n  \"0x\(Self.ab)\": EXAMPLE\\alice\n", "users.map",
                "0xABaBaBaBABabABabAbAbABAbABabababaBaBABaB=EXAMPLE\\alice"
            ),
            (
                "users.map: [\"0x\(Self.ab)=EXAMPLE\\\\host$\"]", "users.map",
                "0xABaBaBaBABabABabAbAbABAbABabababaBaBABaB=EXAMPLE\\host$"
            ),
            (
                "users.map: {0x\(Self.ab): jörg@example.org}", "users.map",
                "0xABaBaBaBABabABabAbAbABAbABabababaBaBABaB=jörg@example.org"
            ),
            (
                "metascheduler: {endpoint: {rpc: [http://a, http://b:2]}}", "metascheduler.endpoint.rpc",
                "http://a:80, http://b:2"
            ),
            ("trace: true", "log-level", "trace"), ("trace: false", "log-level", "info"),
            ("policy.max-jobs: 3", "policy.max-jobs", "3"), ("policy.max-jobs: \"\"", "policy.max-jobs", "no limit"),
            ("billing: {rounding: up, exit-code: code, max-hold: 0s}", "billing.exit-code", "code"),
        ])
    func forms(_ yaml: String, _ key: String, _ value: String) throws {
        #expect(shown(try read(yaml), key) == value)
    }

    @Test(
        "what is wrong: file, line, key, what is possible",
        arguments: [
            ("\nsocket: /x", "f.yaml:2: unknown key \"socket\""),
            ("bridge:\n  socket: relative", "f.yaml:2: bridge.socket: \"relative\" is no absolute path"),
            ("bridge:\n  sockets: /x", "f.yaml:2: unknown key \"bridge.sockets\""),
            ("bridge: /x", "f.yaml:1: bridge: has no value of its own: `key: value` lines belong below it"),
            ("state-folder: [a]", "f.yaml:1: state-folder: takes one value"),
            ("bridge:\n  mode: \"0666\"", "f.yaml:2: bridge.mode:"),
            ("bridge:\n  listen: head.example.org:1", "f.yaml:2: bridge.listen:"),
            ("bridge:\n  listen: 1.2.3.4", "bridge.listen:"),
            ("poll-interval: 5", "f.yaml:1: poll-interval: \"5\" is no duration"),
            ("poll-interval: 1ms", "\"1ms\" is out of range, 100ms to 1h are possible"),
            ("poll-interval: -1s", "no duration"),
            ("poll-interval: nans", "no duration"), ("log-level: loud", "f.yaml:1: log-level:"),
            ("- a", "f.yaml:1: expects"), ("a: [", "f.yaml"),
            ("\"\\0\": x", "unknown key"),
            ("poll-intervall: 1s", "f.yaml:1: unknown key \"poll-intervall\"; did you mean \"poll-interval\"?"),
            ("socket: /x", "did you mean \"bridge.socket\", \"control.socket\" or \"admin.socket\"?"),
            ("partition: x", "did you mean \"slurm.partition\"?"),
            ("sbatch:\n  endpont: h:1", "f.yaml:2: unknown key \"sbatch.endpont\"; did you mean \"sbatch.endpoint\"?"),
            ("brigde: {socket: /x}", "unknown key \"brigde\"; did you mean \"bridge\"?"),
            ("quite-something-else: 1", "config reference` lists all keys"), ("enable: true", "unknown key \"enable\""),
            ("sbatch: {enable: true}", "unknown key \"sbatch.enable\""),
            ("sbatch.tls: {enable: {a: b}}", "sbatch.tls: takes one value"),
            ("sbatch.tls: [true]", "sbatch.tls: takes one value"), ("sbatch.tls: maybe", "is neither true nor false"),
            ("sbatch.tls: true\nsbatch: {tls: false}", "f.yaml:2: sbatch.tls: is given twice"),
            ("label: a=b\nmetascheduler.label: c=d", "f.yaml:2: metascheduler.label: is given twice"),
            ("label: [[a]]", "label: takes a list of KEY=VALUE or a mapping; nothing deeper"),
            ("label: linux", "is no KEY=VALUE"),
            ("label: a=b,a=c", "\"a\" is given twice"), ("label: =b", "is no KEY=VALUE"),
            ("metascheduler.endpoint.rpc: {a: b}", "takes a list of single values"),
            ("metascheduler.endpoint.rpc: ftp://a", "is no address"),
            ("metascheduler.private-key: \"0xabc\"", "a key does not belong here"),
            ("chain.key: {a: b}", "a key does not belong here"),
            ("metascheduler.smart-contract: \"0x3707ab457CF457275b7ec32e203c54df80C299d5\"", "its checksum is wrong"),
            ("metascheduler.cpu-price-per-min: 1e18", "is no amount in wei"),
            ("metascheduler.cpu-price-per-min: -1", "is no amount in wei"),
            ("sbatch.endpoint: https://h", "is no HOST:PORT"), ("sbatch.endpoint: h", "is no HOST:PORT"),
            ("policy.minimum-uid: 0", "is no number from 1 to"), ("policy.allow: 0x12", "is no address"),
            ("users.map: alice", "is no ADDRESS=USER"), ("users.map: {0x\(Self.ab): a b}", "is no login name"),
            ("users.map: {0x\(Self.ab): 'A\\B\\c'}", "is no login name"),
            ("users.map: {0x\(Self.ab): '\\alice'}", "is no login name"),
            ("users.map: {0x\(Self.ab): 'EXAMPLE\\'}", "is no login name"),
            ("users.map: {0x\(Self.ab): a/b}", "is no login name"),
            ("users.map: [\"0x\(Self.ab)=a\", \"\(Self.ab)=b\"]", "is given twice"),
            ("billing.rounding: half", "is none of down, up"), ("slurm.partition: a,b", "no name of one partition"),
            ("script-limit: 1", "is no number from 1024"), ("benchmark.hpl.memory-percent: 50", "is no fraction"),
            ("benchmark.env: a", "is no NAME=VALUE"), ("benchmark.run-as: \"0\"", "is no login name"),
            ("chain.in-flight: 1001", "is no number from 1 to 1000"), ("chain.fee-ceiling: 0", "is no amount"),
        ])
    func wrong(_ yaml: String, _ words: String) {
        do {
            _ = try read(yaml)
            Issue.record("it was taken")
        } catch {
            #expect("\(error)".contains(words), "\(error)")
            #expect(!"\(error)".contains("\n"))
        }
    }

    @Test("all that is wrong is told: the file's in its order, then the environment's, then the command line's")
    func all() {
        var configuration = AgentConfiguration()
        let problem = #expect(throws: AgentConfiguration.Problem.self) {
            try configuration.take(
                yaml: "log-level: loud\nbridge: {socket: x, mode: \"0660\"}\nretention: 2d\nkey: 1", file: "f.yaml")
        }
        #expect(problem?.lines.map { $0.prefix(9) } == ["f.yaml:1:", "f.yaml:2:", "f.yaml:4:"])
        // What is right is taken all the same: nothing but the end of the reading depends on it.
        #expect(configuration.retention == .seconds(2 * 86_400) && configuration.bridgeMode == 0o660)
        let both = #expect(throws: AgentConfiguration.Problem.self) {
            try AgentConfiguration.load(
                file: nil, environment: ["TLS_ENABLE": "perhaps", "BENCHMARK_RUN_AS": "1"],
                flags: [ConfigurationFlag(key: "l", value: "x"), ConfigurationFlag(key: "retention", value: "1s")])
        }
        #expect(
            both?.lines.map { $0.split(separator: ":").first } == [
                "environment variable TLS_ENABLE", "environment variable BENCHMARK_RUN_AS", "--l", "--retention",
            ])
    }

    @Test("keys whose children are all commented out are nothing")
    func commentedOut() throws {
        #expect(try read("bridge:\n#  socket: /x\nsbatch:\n  tls: {}\n") == AgentConfiguration())
    }

    @Test("where each key was set; the last place counts")
    func places() throws {
        var configuration = try read(
            "log-level: debug\nbridge:\n  socket: /x\nlabel: a=b\nsbatch: {tls: {enable: false}}")
        try configuration.take(environment: ["SBATCH_TLS_ENABLE": "true", "ETH_PRIVATE_KEY": "ab", "SBATCH_CA": ""])
        try configuration.take(flags: [ConfigurationFlag(key: "trace", value: "true")])
        #expect(
            configuration.places == [
                "log-level": .flag("trace"), "bridge.socket": .file("f.yaml", line: 3),
                "metascheduler.label": .file("f.yaml", line: 4), "sbatch.tls": .environment("SBATCH_TLS_ENABLE"),
                "metascheduler.private-key": .environment("ETH_PRIVATE_KEY"),
            ])
    }

    @Test("an empty variable for the key is none")
    func noKey() throws {
        #expect(try AgentConfiguration.load(file: nil, environment: ["ETH_PRIVATE_KEY": ""]) == AgentConfiguration())
    }
}
