// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@testable import Agent
@testable import AgentSettings

@Suite("Reference of the configuration")
struct ConfigurationReferenceTests {
    private func read(_ yaml: String) throws -> AgentConfiguration {
        var configuration = AgentConfiguration()
        try configuration.take(yaml: yaml, file: "f.yaml")
        return configuration
    }

    @Test("docs/configuration.md has what the code says; packaging/generate-reference.sh writes it again")
    func page() throws {
        let url = BrokenConfiguration.top.appendingPathComponent("docs/configuration.md")
        let page = try String(contentsOf: url, encoding: .utf8)
        let parts = page.components(separatedBy: ConfigurationReference(Gateways.schema).markdown)
        #expect(parts.count == 2, "run packaging/generate-reference.sh")
        #expect(parts.first?.hasSuffix("<!-- Made by packaging/generate-reference.sh. -->\n\n") == true)
        #expect(parts.last?.hasPrefix("\n<!-- End of what is made. -->\n") == true)
    }

    @Test("every key is documented, and says what it takes")
    func complete() {
        let sections = Gateways.schema.sections.flatMap(\.keys).map(\.name)
        #expect(Set(sections).count == sections.count)
        for key in Gateways.schema.keys where key.form != .gone && key.form != .secret {
            #expect(key.summary.hasSuffix("."), "\(key.name)")
            #expect(!key.allowed.isEmpty && Gateways.schema.defaultText(of: key)?.isEmpty == false, "\(key.name)")
            #expect(ConfigurationReference(Gateways.schema).markdown.contains("| `\(key.name)` |"))
            #expect(
                ConfigurationReference(Gateways.schema).manual.contains(
                    "\\fB\(key.name.split(separator: "-").joined(separator: "\\-"))\\fR"))
            #expect(ConfigurationReference(Gateways.schema).example.contains("\n#\(key.name): "))
        }
        #expect(!ConfigurationReference(Gateways.schema).example.contains("chain.private-key"))
    }

    @Test("the example configuration is the same as none")
    func example() throws {
        #expect(try read(ConfigurationReference(Gateways.schema).example) == AgentConfiguration())
    }

    @Test("each of its lines can be used; where it gives the default, it is the default")
    func exampleLines() throws {
        let lines = ConfigurationReference(Gateways.schema).example.split(separator: "\n").filter {
            $0.hasPrefix("#") && !$0.hasPrefix("# ")
        }
        .filter { $0 != "#" }
        let keys = Gateways.schema.sections.flatMap(\.settable)
        #expect(lines.count == keys.count)
        for (line, key) in zip(lines, keys) {
            #expect(line.hasPrefix("#\(key.name): "))
            let configuration = try read(String(line.dropFirst()))
            let differences = configuration.differences(from: AgentConfiguration())
            #expect(differences == (ConfigurationReference.isDefaultAValue(key) ? [] : [key.name]), "\(line)")
        }
    }

    @Test(
        "YAML scalars",
        arguments: [
            ("main", "main"), ("/run/x", "/run/x"), ("0660", "0660"), ("[::]:3000", "\"[::]:3000\""),
            ("a b", "\"a b\""),
            ("a: b", "\"a: b\""), ("", "\"\""), ("*", "\"*\""), ("a\"\\", "\"a\\\"\\\\\""), ("x:", "\"x:\""),
        ])
    func scalars(_ text: String, _ scalar: String) throws {
        #expect(ConfigurationReference.scalar(text) == scalar)
    }

    @Test("nothing in the manual's section is a request but those that are meant")
    func manual() {
        let requests = [".SH ", ".SS ", ".TP"]
        for line in ConfigurationReference(Gateways.schema).manual.split(
            separator: "\n", omittingEmptySubsequences: false
        ).dropLast() {
            #expect(!line.isEmpty && !line.hasPrefix("'"))
            #expect(!line.hasPrefix(".") || requests.contains { line.hasPrefix($0) }, "\(line)")
            let bold = line.components(separatedBy: "\\fB").count + line.components(separatedBy: "\\fI").count
            #expect(bold - 2 == line.components(separatedBy: "\\fR").count - 1, "\(line)")
        }
    }

    @Test("what config show says of each place")
    func show() throws {
        var configuration = try read("log-level: debug")
        try configuration.take(environment: [
            "SBATCH_ENDPOINT": "h:1", "ETH_PRIVATE_KEY": "abab", "NVIDIA_SMI_PATH": "/x",
        ])
        try configuration.take(flags: [ConfigurationFlag(key: "l", value: "a=b")])
        let document = EffectiveConfiguration(configuration, file: "f.yaml")
        let rows = document.settings.filter { $0.source != "default" }
        #expect(
            rows.map { [$0.key, $0.value, $0.source, $0.place ?? ""] } == [
                ["log-level", "debug", "file", "f.yaml:1"],
                ["sbatch.endpoint", "h:1", "environment", "SBATCH_ENDPOINT"],
                ["metascheduler.label", "a=b", "flag", "--l"],
                ["metascheduler.private-key", "set, not shown", "environment", "ETH_PRIVATE_KEY"],
            ])
        #expect(document.settings.count == Gateways.schema.keys.count { $0.show != nil } + 1)
        #expect(
            document.text.contains("environment SBATCH_ENDPOINT") && document.text.contains("\nnote: nvidia-smi has no")
        )
    }
}
