// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import AgentSettings

@Suite("The worst megabyte as a configuration")
struct WorstConfigurationTests {
    private static let size = 1 << 20
    private static func filled(_ part: String) -> String { String(repeating: part, count: size / part.utf8.count) }

    /// Told by its name: a megabyte takes longer to print than to read.
    struct Input: CustomTestStringConvertible, Sendable {
        let name: String
        let text: String
        let faults: Int
        var testDescription: String { name }
    }

    static let nested = brackets.map { Input(name: $0.name, text: $0.text, faults: 1) }
    private static let brackets: [(name: String, text: String)] = [
        ("lists in brackets", filled("[")), ("mappings in brackets", filled("{a: ")),
        ("brackets in lines", filled("[\n")), ("lists in a line", filled("- ")), ("keys in a line", filled("? ")),
        ("in quotes that do not close", "a: '" + filled("[")),
        ("indentation", (0..<1400).map { String(repeating: " ", count: $0) + "a:\n" }.joined()),
    ]

    @Test("what is nested too deeply is refused before it is read", arguments: nested)
    func depth(_ input: Input) {
        var nesting = YAMLNesting()
        #expect(nesting.lineTooDeep(input.text) != nil)
        #expect(nesting.steps < 1 << 18)
        var configuration = AgentConfiguration(SampleGateway.schema)
        let problem = #expect(throws: AgentConfiguration.Problem.self) {
            try configuration.take(yaml: input.text, file: "c.yaml")
        }
        #expect(problem?.items.first?.text.contains("nested too deeply") == true)
    }

    static let wide = long.map { Input(name: $0.name, text: $0.text, faults: $0.faults) }
    private static let long: [(name: String, text: String, faults: Int)] = [
        ("unknown keys", (0..<60_000).map { "unknown-\($0): 1\n" }.joined(), 100),
        ("one key again and again", filled("log-level: info\n"), 1),
        ("a list of zeros", "sample.ports: [" + filled("0,") + "0]", 100),
        ("aliases", "a: &a [x,x]\nb: &b [*a,*a]\n" + filled("c: [*b,*b]\n"), 1), ("one long word", filled("a"), 1),
        ("one long value", "log-level: " + filled("a"), 1),
        ("flat brackets", "sample.ports: [" + filled("[],") + "0]", 100),
    ]

    @Test("what is only long ends in as many faults as anybody reads", arguments: wide)
    func width(_ input: Input) {
        var configuration = AgentConfiguration(SampleGateway.schema)
        let problem = #expect(throws: AgentConfiguration.Problem.self) {
            try configuration.take(yaml: input.text, file: "c.yaml")
        }
        #expect((1...input.faults).contains(problem?.items.count ?? 0), "\(problem?.items.count ?? 0)")
    }

    @Test(
        "what a configuration may look like is not too deep",
        arguments: [
            "---\na: 1\n", "# ------------------------------------------------\na: 1\n", "-------------------------\n",
            "label: [a=b, c=d]\nusers.map: {a: [b, {c: d}]}\n", "a:\n  - - - b\n",
            String(repeating: " ", count: 300) + "# far\na: 1\n",
            "a: \"[[[[[[[[[[[[[[[[[[\"\n",
        ])
    func shallow(_ text: String) {
        #expect(YAMLNesting.lineTooDeep(text) == nil)
    }
}
