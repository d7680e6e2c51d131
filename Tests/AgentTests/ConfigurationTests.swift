// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@testable import Agent

@Suite("Configuration of run")
struct ConfigurationTests {
    private func read(_ yaml: String) throws -> AgentConfiguration {
        var configuration = AgentConfiguration()
        try configuration.take(yaml: yaml, file: "f.yaml")
        return configuration
    }

    @Test("an empty file is the defaults", arguments: ["", "# nothing\n", "---\n"])
    func empty(_ yaml: String) throws {
        #expect(try read(yaml) == AgentConfiguration())
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

    @Test("the environment's word is the last; its names follow the keys")
    func environment() throws {
        let configuration = try AgentConfiguration.load(
            file: nil,
            environment: ["SLURM_GRID_AGENT_BRIDGE_MUNGE_SOCKET": "/m", "SLURM_GRID_AGENT_POLL_INTERVAL": "7s"])
        #expect(configuration.mungeSocket == "/m" && configuration.pollInterval == .seconds(7))
        #expect(throws: AgentConfiguration.Problem.self) {
            try AgentConfiguration.load(file: nil, environment: ["SLURM_GRID_AGENT_LOG_LEVEL": "loud"])
        }
        #expect(throws: AgentConfiguration.Problem.self) {
            try AgentConfiguration.load(file: "/none", environment: [:])
        }
    }

    @Test(
        "what is wrong: file, line, key, what is possible",
        arguments: [
            ("\nsocket: /x", "f.yaml:2: unknown key \"socket\""),
            ("bridge:\n  socket: relative", "f.yaml:2: bridge.socket: \"relative\" is no absolute path"),
            ("bridge:\n  sockets: /x", "f.yaml:2: unknown key \"bridge.sockets\""), ("bridge: /x", "f.yaml:1: expects"),
            ("state-folder: [a]", "f.yaml:1: state-folder: takes one value"),
            ("bridge:\n  mode: \"0666\"", "f.yaml:2: bridge.mode:"),
            ("bridge:\n  listen: head.example.org:1", "f.yaml:2: bridge.listen:"),
            ("bridge:\n  listen: 1.2.3.4", "bridge.listen:"),
            ("poll-interval: 5", "f.yaml:1: poll-interval: \"5\" is no duration"),
            ("poll-interval: 1ms", "out of range"), ("poll-interval: -1s", "no duration"),
            ("poll-interval: nans", "no duration"), ("log-level: loud", "f.yaml:1: log-level:"),
            ("- a", "f.yaml:1: expects"), ("a: [", "f.yaml"),
            ("\"\\0\": x", "unknown key"),
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

    @Test(
        "numeric addresses only",
        arguments: [
            ("10.0.0.1:6821", true), ("[fd00::1]:1", true), ("head:6821", false), ("10.0.0.1", false),
            ("10.0.0.1:0", false), (":1", false), ("1.2.3.4:99999", false),
        ])
    func addresses(_ text: String, _ good: Bool) {
        #expect((ListenAddress(text) != nil) == good)
    }
}
