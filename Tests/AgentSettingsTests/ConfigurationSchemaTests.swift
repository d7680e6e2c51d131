// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import AgentSettings

@Suite("Configuration of gateways that are handed over as a list")
struct ConfigurationSchemaTests {
    private let schema = SampleGateway.schema

    private func read(_ yaml: String) throws -> AgentConfiguration {
        var configuration = AgentConfiguration(schema)
        try configuration.take(yaml: yaml, file: "f.yaml")
        return configuration
    }

    private func lines(
        _ environment: [String: String] = [:], _ flags: [(String, String)] = []
    ) -> [String] {
        do throws(AgentConfiguration.Problem) {
            _ = try AgentConfiguration.load(
                schema, file: nil, environment: environment,
                flags: flags.map { ConfigurationFlag(key: $0, value: $1) })
            return []
        } catch {
            return error.lines
        }
    }

    @Test("without gateways there are the agent's own keys alone")
    func none() {
        let own = ConfigurationSchema([])
        #expect(own.named("sample") == nil && own.named("log-level") != nil && own.named("nvidia-smi")?.form == .gone)
        #expect(own.sections.count == 2 && schema.sections.map(\.title).last == "The sample")
        #expect(own.keys.count + 6 == schema.keys.count)
        #expect(own != schema && AgentConfiguration(own) != AgentConfiguration(schema))
    }

    @Test("a gateway's key is set from each place; the later one wins, an alias is the key itself")
    func places() throws {
        var configuration = try read("ports: [1, 2]\nsample: {enable: true}")
        #expect(configuration.sample.ports == [1, 2] && configuration.sample.isOn)
        try configuration.take(environment: ["OLD_PORTS": "3", "SLURM_GRID_AGENT_SAMPLE": "no"])
        #expect(configuration.sample.ports == [3] && !configuration.sample.isOn)
        try configuration.take(environment: ["OLD_PORTS": "3", "SLURM_GRID_AGENT_SAMPLE_PORTS": "4"])
        #expect(configuration.sample.ports == [4])
        try configuration.take(flags: try FlagParser(["--ports", "5", "-sample"], schema).flags)
        #expect(configuration.sample.ports == [5] && configuration.sample.isOn)
        #expect(
            configuration.places == [
                "sample": .flag("sample"), "sample.ports": .flag("ports"),
            ])
    }

    @Test("what a gateway finds wrong or notes is the configuration's; a conflict names where the other key was set")
    func words() throws {
        #expect(lines(["OLD_WORD": "bad"]) == ["OLD_WORD is bad"])
        let good = try AgentConfiguration.load(schema, file: nil, environment: ["OLD_WORD": "good"])
        #expect(good.notices == ["OLD_WORD was taken"])
        #expect(lines([:], [("sample", "true")]) == ["--sample: a sample needs ports"])
        #expect(
            lines(["SLURM_GRID_AGENT_SAMPLE": "1"], [("ports", "")]) == [
                "environment variable SLURM_GRID_AGENT_SAMPLE: sample: a sample needs ports (sample.ports: --ports)"
            ])
    }

    @Test("no two listen at one place, the agent's own doors among them")
    func doors() {
        #expect(
            lines([:], [("sample.socket", "/run/slurm-grid-agent/control.sock")]).first?.contains(
                "is the path of control.socket too") == true)
        #expect(
            lines([:], [("sample.listen", "127.0.0.1:1"), ("bridge.listen", "127.0.0.1:1")]).first?.contains(
                "is the address of sample.listen too") == true)
        #expect(lines([:], [("sample.socket", "/s"), ("sample.listen", "127.0.0.1:1")]).isEmpty)
    }

    @Test("a secret is refused with the gateway's words, and never repeated; what is like a key is named")
    func refused() {
        #expect(
            throws: AgentConfiguration.Problem(
                description:
                    "--sample.key: every user of this machine can read a command line: take what stood there for known; put it into a file"
            )
        ) {
            try FlagParser(["--sample.key=hunter2"], schema)
        }
        #expect(lines([:], [("sample.prots", "1")]).first?.hasSuffix("did you mean \"sample.ports\"?") == true)
        #expect(lines([:], [("sampel", "1")]).first?.contains("did you mean \"sample\"?") == true)
    }

    @Test("of a secret only what stands in the file itself counts; none is shown")
    func secrets() throws {
        let configuration = try read("sample.variables: {A: hunter2}")
        #expect(configuration.secretKeys(in: "f.yaml") == ["sample.variables"])
        #expect(configuration.secretKeys(in: "g.yaml").isEmpty)
        #expect(configuration.effective.first { $0.key == "sample.variables" }?.value == "A")
    }

    @Test("a reload takes over what a gateway says can be taken")
    func reload() throws {
        let reload = Reload(
            running: AgentConfiguration(schema), fresh: try read("{sample.ports: 7, sample.socket: /s}"))
        #expect(reload.taken.map(\.description) == ["sample.ports: none -> 7"])
        #expect(reload.waiting.map(\.key) == ["sample.socket"])
        #expect(reload.configuration.sample.ports == [7] && reload.configuration.sample.socket == nil)
        #expect(schema.reloadable == ["retention", "log-level", "log-format", "trace", "sample.ports"])
    }

    @Test("the reference has its section, and the example is the same as none")
    func reference() throws {
        let reference = ConfigurationReference(schema)
        #expect(reference.markdown.contains("## The sample\n\nIt is made up.\n"))
        #expect(reference.markdown.contains("| `sample.ports` |") && !reference.markdown.contains("sample.key"))
        #expect(reference.manual.contains("\\fBsample.ports\\fR") && reference.example.contains("\n#sample.ports: 1\n"))
        #expect(try read(reference.example) == AgentConfiguration(schema))
    }

    @Test("a variable that is nearly one of ours is told, another not")
    func nearVariables() throws {
        var configuration = AgentConfiguration(SampleGateway.schema)
        try configuration.take(environment: [
            "SLURM_GRID_AGENT_POL_INTERVAL": "1s", "SLURM_GRID_AGENT_SOMETHING_ELSE": "1", "POL_INTERVAL": "1s",
        ])
        #expect(
            configuration.notices == [
                "the environment variable SLURM_GRID_AGENT_POL_INTERVAL means nothing here; SLURM_GRID_AGENT_POLL_INTERVAL would"
            ])
    }

    @Test("more faults than anybody reads are counted")
    func many() {
        var configuration = AgentConfiguration(SampleGateway.schema)
        let yaml = (1...30).map { "unknown\($0): 1\n" }.joined()
        let problem = #expect(throws: AgentConfiguration.Problem.self) {
            try configuration.take(yaml: yaml, file: "f.yaml")
        }
        #expect(problem?.lines.count == 21 && problem?.lines.last == "… and 10 more")
    }
}
