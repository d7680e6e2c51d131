// SPDX-License-Identifier: GPL-3.0-or-later

import DeepSquare
import Ethereum
import Foundation
import Glibc
import Testing

@testable import Agent
@testable import AgentSettings

@Suite("The file of customers")
struct UserMapFileTests {
    private static let ab = "0x" + String(repeating: "ab", count: 20)
    private static let cd = "0x" + String(repeating: "cd", count: 20)

    private func address(_ text: String) throws -> Address { try #require(Address(hex: text)) }

    @Test("a name alone, or any of the fields")
    func forms() throws {
        let text = """
            # comment
            \(Self.ab): alice
            "\(Self.cd)": {user: 'EXAMPLE\\bob', partition: gpu, account: grid, qos: low}
            0x0000000000000000000000000000000000000001:
              account: grid
            """
        let found = try UserMapFile.customers(text, file: "f")
        #expect(
            try found == [
                address(Self.ab): GridCustomer(login: "alice"),
                address(Self.cd): GridCustomer(
                    login: #"EXAMPLE\bob"#, partition: "gpu", account: "grid", qos: "low"),
                address("0x" + String(repeating: "0", count: 39) + "1"): GridCustomer(account: "grid"),
            ])
        #expect(try UserMapFile.customers("# none yet\n", file: "f").isEmpty)
    }

    @Test(
        "each fault is told with its line, and all of them",
        arguments: [
            ("- a\n", ["f:1: expects a line `ADDRESS: USER` for each customer"]),
            ("\(ab): alice\n\(cd): b c\n", [#"f:2: "b c" is no login name"#]),
            ("alice: \(ab)\n", [#"f:1: "alice" is no"#]), ("\(ab):\n", ["f:1: takes a login name, or {user: NAME, …}"]),
            ("\(ab): {}\n", ["f:1: takes a login name, or {user: NAME, …}"]),
            ("\(ab): [alice]\n", ["f:1: takes a login name, or {user: NAME, …}"]),
            ("\(ab): {usr: alice}\n", [#"f:1: there is no field "usr"; there are user, partition, account, qos"#]),
            ("\(ab): {user: }\n", [#"f:1: "user" takes one value"#]),
            ("\(ab): {account: 'a,b'}\n", [#"f:1: "a,b" is not the name of an account"#]),
            ("\(ab): {qos: 'a b'}\n", [#"f:1: "a b" is not the name of a QOS"#]),
            ("\(ab): alice\n\(ab.uppercased().replacing("0X", with: "0x")): bob\n", ["f:2: ", "line 1"]),
            ("\(ab): alice\n  x: y\n", ["f:2: "]), ("\(ab): *a\n", ["f:1: anchors"]),
            ("x: a\n\(ab): alice\ny: b\n", ["f:1: ", "f:3: "]),
        ] as [(String, [String])])
    func faults(_ text: String, _ words: [String]) throws {
        let problem = try #require(throws: AgentConfiguration.Problem.self) {
            try UserMapFile.customers(text, file: "f")
        }
        for word in words { #expect(problem.description.contains(word), "\(problem)") }
    }

    @Test("who could write it could run jobs as anybody: owner and mode")
    func trust() {
        func trouble(_ owner: UInt32, _ mode: UInt32, _ user: UInt32 = 64_030) -> String? {
            UserMapFile.trouble("/f", owner: owner, mode: mode, user: user)
        }
        #expect(trouble(0, 0o644) == nil && trouble(64_030, 0o600) == nil && trouble(64_030, 0o644, 0) == nil)
        #expect(trouble(1000, 0o644) == "/f: belongs to uid 1000, who could run jobs as any user: chown root /f")
        #expect(trouble(0, 0o664) == "/f: others may write it: chmod go-w /f")
        #expect(trouble(0, 0o646)?.hasSuffix("chmod go-w /f") == true)
    }

    @Test("it is read with the configuration; what is wrong in it keeps the configuration from being used")
    func loaded() throws {
        let folder = NSTemporaryDirectory() + "map-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let (map, file) = (folder + "/users.yaml", folder + "/config.yaml")
        try Data("{users.map-file: \(map), slurm.account: grid, slurm.qos: low}\n".utf8).write(
            to: URL(fileURLWithPath: file))
        func load() throws -> AgentConfiguration { try .load(file: file, environment: [:]) }
        let missing = try #require(throws: AgentConfiguration.Problem.self) { try load() }
        #expect(missing.lines == ["users.map-file: \(map): is not there; write it, or remove the key"])
        try Data("\(Self.ab): {user: alice, partition: gpu}\n".utf8).write(to: URL(fileURLWithPath: map))
        chmod(map, 0o644)
        let settings = try load().grid
        #expect(
            try settings.placement(of: address(Self.ab))
                == GridPlacement(login: "alice", partition: "gpu", account: "grid", qos: "low"))
        #expect(
            try settings.placement(of: address(Self.cd))
                == GridPlacement(login: Self.cd, partition: "main", account: "grid", qos: "low"))
        chmod(map, 0o666)
        let open = try #require(throws: AgentConfiguration.Problem.self) { try load() }
        #expect(open.lines == ["users.map-file: \(map): others may write it: chmod go-w \(map)"])
        chmod(map, 0o644)
        try Data("x: alice\n".utf8).write(to: URL(fileURLWithPath: map))
        let broken = try #require(throws: AgentConfiguration.Problem.self) { try load() }
        #expect(broken.lines.first?.hasPrefix("\(map):1: ") == true)
        // A pipe must not keep the agent waiting.
        try FileManager.default.removeItem(atPath: map)
        mkfifo(map, 0o644)
        #expect(throws: AgentConfiguration.Problem.self) { try load() }
    }
}
