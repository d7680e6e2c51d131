// SPDX-License-Identifier: GPL-3.0-or-later

import DeepSquare
import Ethereum
import Foundation
import TestCertificates
import Testing

@testable import Agent
@testable import AgentSettings

@Suite("Values and checks of the configuration")
struct ConfigurationValueTests {
    private func shown(_ key: String, _ text: String) throws -> String? {
        var configuration = AgentConfiguration()
        try configuration.take(flags: [ConfigurationFlag(key: key, value: text)])
        return configuration.effective.first { $0.key == key }?.value
    }

    @Test(
        "booleans as Go and YAML write them",
        arguments: [
            ("true", ["1", "t", "T", "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", " true "]),
            ("false", ["0", "f", "F", "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"]),
        ])
    func booleans(_ value: String, _ texts: [String]) throws {
        for text in texts { #expect(try shown("sbatch.tls", text) == value, "\(text)") }
        for text in ["", "2", "tRUE", "y", "enabled"] {
            #expect(throws: AgentConfiguration.Problem.self, "\(text)") { try shown("sbatch.tls", text) }
        }
    }

    @Test(
        "amounts beyond 64 bits",
        arguments: [
            ("0", true), ("950000000000000000", true), ("18446744073709551616", true),
            ("115792089237316195423570985008687907853269984665640564039457584007913129639935", true),
            ("115792089237316195423570985008687907853269984665640564039457584007913129639936", false),
            ("1" + String(repeating: "0", count: 78), false), ("", false), ("1.5", false), ("0x10", false),
            ("1_000", false), ("+1", false),
        ])
    func amounts(_ text: String, _ isGood: Bool) throws {
        guard isGood else {
            #expect(throws: AgentConfiguration.Problem.self) { try shown("metascheduler.gpu-price-per-min", text) }
            return
        }
        #expect(try shown("metascheduler.gpu-price-per-min", text) == text)
    }

    @Test(
        "the connection to the grid's services",
        arguments: [
            ([:], .verified(certificateAuthority: nil), 0),
            (["SBATCH_TLS_ENABLE": "false"], .plaintext, 0),
            (["SBATCH_TLS_ENABLE": "false", "SBATCH_TLS_INSECURE": "true"], .plaintext, 1),
            (["SBATCH_TLS_INSECURE": "true"], .unverified, 1),
            (["SBATCH_TLS_INSECURE": "true", "SBATCH_CA": "/none"], .unverified, 2),
        ] as [([String: String], GridSettings.Security, Int)])
    func security(_ environment: [String: String], _ security: GridSettings.Security, _ notices: Int) throws {
        let configuration = try AgentConfiguration.load(file: nil, environment: environment)
        #expect(configuration.grid.security == security && configuration.notices.count == notices)
    }

    @Test("a certificate authority must be there and be one")
    func certificateAuthority() throws {
        let path = NSTemporaryDirectory() + "ca-\(UUID().uuidString).pem"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let load = { try AgentConfiguration.load(file: nil, environment: ["SBATCH_CA": path]) }
        let problem = #expect(throws: AgentConfiguration.Problem.self) { try load() }
        #expect(
            problem?.description.hasPrefix("environment variable SBATCH_CA: sbatch.tls.ca: \(path) cannot be read")
                == true)
        try Data("nothing".utf8).write(to: URL(fileURLWithPath: path))
        #expect(throws: AgentConfiguration.Problem.self) { try load() }
        let cut = Certificates.authority.prefix(200)
        try Data(cut.utf8).write(to: URL(fileURLWithPath: path))
        #expect(throws: AgentConfiguration.Problem.self) { try load() }
        try Data(Certificates.authority.utf8).write(to: URL(fileURLWithPath: path))
        #expect(try load().grid.security == .verified(certificateAuthority: path))
        #expect(try load().notices.isEmpty)
        // One that cannot be used does not spoil the other, and is told: by `check` and at start.
        try Data((cut + "\n" + Certificates.authority).utf8).write(to: URL(fileURLWithPath: path))
        let configuration = try load()
        #expect(configuration.grid.security == .verified(certificateAuthority: path))
        #expect(
            configuration.notices == [
                "sbatch.tls.ca: \(path) has a block that is no certificate, line 1: it has no END: the other 1 are used"
            ])
    }

    @Test(
        "what does not fit together",
        arguments: [
            (["TLS_ENABLE": "true"], nil),
            (["TLS_ENABLE": "true", "TLS_KEY": "/k"], "set tls.cert-file too"),
            (["TLS_ENABLE": "true", "TLS_CERT": "/c"], "set tls.key-file too"),
            (["PUBLIC_ADDRESS": "head:3000", "LISTEN_ADDRESS": "head:3000"], "grpc.listen-address: head:3000"),
            (["LISTEN_ADDRESS": "head:3000"], nil),
            (["TLS_ENABLE": "true", "TLS_CERT": "/c", "TLS_KEY": "/k"], nil),
            (["METASCHEDULER_ENDPOINT_RPC": "http://a"], "there is a node and no key"),
            (["ETH_PRIVATE_KEY": "aa"], "there is a key and no node"),
            (["METASCHEDULER_ENDPOINT_RPC": "http://a", "ETH_PRIVATE_KEY": "0xaa"], nil),
            (["METASCHEDULER_ENDPOINT_RPC": "http://a,http://b", "ETH_PRIVATE_KEY": "aa"], nil),
            (
                [
                    "METASCHEDULER_ENDPOINT_RPC": "http://a", "ETH_PRIVATE_KEY": "aa",
                    "SLURM_GRID_AGENT_CHAIN_KEY_FILE": "/k",
                ], "in several places"
            ),
        ] as [([String: String], String?)])
    func combinations(_ environment: [String: String], _ words: String?) {
        do {
            _ = try AgentConfiguration.load(file: nil, environment: environment)
            #expect(words == nil)
        } catch {
            #expect(words.map { "\(error)".contains($0) } == true, "\(error)")
        }
    }

    @Test(
        "benchmarks as root, the supervisor's default, start with a note",
        arguments: [
            (["BENCHMARK_DISABLE": "false", "BENCHMARK_RUN_AS": "root"], 1, "slurm"),
            (["BENCHMARK_RUN_AS": "root"], 1, "slurm"),
            (["BENCHMARK_RUN_AS": "root", "BENCHMARK_DISABLE": "true"], 0, "slurm"),
            (["BENCHMARK_RUN_AS": "root", "SLURM_GRID_AGENT_BENCHMARK_ALLOW_ROOT": "1"], 0, "root"),
            (["BENCHMARK_RUN_AS": "root", "SLURM_GRID_AGENT_BENCHMARK_FALLBACK_USER": "bench"], 1, "bench"),
            (
                [
                    "BENCHMARK_RUN_AS": "root", "SLURM_GRID_AGENT_BENCHMARK_FALLBACK_USER": "bench",
                    "SLURM_GRID_AGENT_BENCHMARK_ALLOW_ROOT": "1",
                ], 0, "root"
            ),
            (["BENCHMARK_RUN_AS": "bench", "SLURM_GRID_AGENT_BENCHMARK_FALLBACK_USER": "other"], 0, "bench"),
            (["BENCHMARK_RUN_AS": "bench"], 0, "bench"), ([:], 0, "slurm"),
        ] as [([String: String], Int, String)])
    func benchmarksAsRoot(_ environment: [String: String], _ notices: Int, _ user: String) throws {
        let configuration = try AgentConfiguration.load(file: nil, environment: environment)
        #expect(configuration.notices.count == notices && configuration.benchmark.effectiveUser == user)
        #expect(configuration.notices.allSatisfy { $0.contains("runs no benchmark") })
    }

    @Test(
        "how a benchmark's results come back",
        arguments: [
            ("", "none"), ("benchmark.run-as: slurm", "none"), ("benchmark.run-as: root", "none"),
            ("benchmark.run-as: bench", "slurm"), ("benchmark: {run-as: root, fallback-user: bench}", "slurm"),
            ("benchmark: {run-as: bench, disable: true}", "none"),
            ("benchmark: {run-as: bench, result-folder: /f}", "folder"), ("benchmark.result-folder: /f", "folder"),
            ("public-address: head:3000", "post"), ("{benchmark.run-as: bench, public-address: \"head:3000\"}", "post"),
            ("{benchmark.result-folder: /f, public-address: \"head:3000\"}", "folder"),
            ("{benchmark.results: slurm, public-address: \"head:3000\"}", "slurm"),
            ("benchmark: {results: slurm, result-folder: /f}", "slurm"),
            ("benchmark: {results: auto, run-as: bench}", "slurm"),
        ])
    func benchmarkResults(_ text: String, _ wanted: String) throws {
        var configuration = AgentConfiguration()
        try configuration.take(yaml: text, file: "f.yaml")
        let isConfigured = BenchmarkModule().isConfigured(in: configuration)
        #expect(isConfigured == (wanted != "none"))
        #expect((configuration.benchmarkEndpoint != nil) == (wanted == "post"))
        #expect((configuration.benchmarkUsesComments && isConfigured) == (wanted == "slurm"))
    }

    @Test(
        "an address with a key or password in it",
        arguments: [
            ("http://127.0.0.1:8545", false), ("https://node.example.org/rpc", false),
            ("https://node.example.org/ext/bc/C/rpc", false),
            ("https://user:secret@node.example.org", true), ("https://token@node.example.org/rpc", true),
            ("https://node.example.org/v3/0123456789abcdef0123456789abcdef", true),
            ("https://node.example.org/rpc?apikey=x", true),
            ("wss://node.example.org/ws/AbCdEfGhIjKlMnOpQrStUvWxYz012345", true),
        ])
    func secretsInAddresses(_ address: String, _ carries: Bool) throws {
        let endpoint =
            address.hasPrefix("ws") ? try RPCEndpoint(webSocket: address) : try RPCEndpoint(http: address)
        #expect(endpoint.hasSecret == carries)
    }

    @Test("of a secret only what stands in the file itself counts")
    func secretKeys() throws {
        let file = NSTemporaryDirectory() + "secret-\(UUID().uuidString).yaml"
        defer { try? FileManager.default.removeItem(atPath: file) }
        let text =
            "metascheduler.endpoint.rpc: [\"http://a\", \"http://b/v3/0123456789abcdef0123456789abcdef\"]\nchain.key-file: /k\n"
        try Data(text.utf8).write(to: URL(fileURLWithPath: file))
        let environment = ["METASCHEDULER_ENDPOINT_WS": "ws://a/?key=x"]
        let configuration = try AgentConfiguration.load(file: file, environment: environment)
        #expect(configuration.secretKeys(in: file) == ["metascheduler.endpoint.rpc"])
        #expect(try AgentConfiguration.load(file: nil, environment: environment).secretKeys(in: file).isEmpty)
    }

    @Test("every key has names of its own, and a line in the documentation")
    func keys() throws {
        let keys = Gateways.schema.keys
        let variables = keys.map(\.variable) + keys.compactMap(\.supervisorVariable)
        #expect(Set(variables).count == variables.count)
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let page = try String(contentsOf: root.appendingPathComponent("docs/configuration.md"), encoding: .utf8)
        for key in keys where key.form != .secret || key.name == "metascheduler.private-key" {
            #expect(page.contains("`\(key.name)`"), "\(key.name)")
            if let variable = key.supervisorVariable { #expect(page.contains("`\(variable)`"), "\(variable)") }
        }
    }
}
