// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import PageTesting
import Testing

@testable import StatusViews

@Suite("What is shown of gateways that are handed over as a list")
struct ShownGatewayTests {
    private static var status: AgentStatus {
        var status = AgentStatus.bare
        status[SampleSection.self] = SampleSection(count: 3)
        status.parts = [
            .init(name: "sample part", level: .warning, text: "so"), .init(name: "ledger", level: .failure, text: "no"),
        ]
        return status
    }

    @Test("the page has its tiles, sections and words; its markup is the page's, its text is not")
    func page() {
        let text = StatusPage([SampleGateway()], status: Self.status).document(nonce: "N").text
        for words in [
            "<dt>Samples</dt><dd><b>3</b>", "a &lt;hint&gt;", "<p>&lt;left&gt;</p>", "<p>right</p>", "one of them",
            "<small>what it means</small>", "<small>the agent&#39;s memory of jobs</small>",
        ] { #expect(text.contains(words), "\(words)") }
        #expect(!text.contains("nor this"))
        #expect(
            text.range(of: "<dt>Samples</dt>")?.upperBound ?? text.endIndex < text.range(of: "<dt>Requests</dt>")?
                .lowerBound ?? text.startIndex)
        let none = StatusPage([], status: Self.status).document(nonce: "N").text
        #expect(!none.contains("Samples") && none.contains("Nobody has to be told"))
    }

    @Test("what is configured and not open yet is not said to be off")
    func awaited() {
        var status = Self.status
        status[SampleSection.self]?.isAwaited = true
        let text = StatusPage([SampleGateway()], status: status).live.text
        #expect(text.contains(StatusPage.notOpen) && !text.contains("Nobody has to be told"))
    }

    @Test("the screen has its counts, lines, alarms and blocks")
    func screen() {
        let lines = StatusScreen([SampleGateway()], status: Self.status) { _, _ in "T" }.lines
        #expect(lines.contains("jobs     3 first, 0 open runs, 0 known, 3 last"))
        #expect(lines.contains("sample   a line") && lines.contains("ALARM    stuck: look"))
        #expect(lines.contains("SAMPLES") && lines.contains { $0.hasSuffix("an entry") })
        let none = StatusScreen([], status: Self.status) { _, _ in "T" }.text
        #expect(none.contains("jobs     0 open runs, 0 known") && !none.contains("ALARM"))
    }

    @Test("monitoring gets its figures behind the agent's")
    func nagios() {
        #expect(NagiosReport([SampleGateway()], Self.status).line.hasSuffix(" parked=0 sample=3"))
        #expect(NagiosReport([], Self.status).line.hasSuffix(" parked=0"))
        #expect(NagiosReport(isDown: true, "a|b").line == "GRID-AGENT CRITICAL - a/b")
        #expect(NagiosReport(isDown: false, "x").state == .unknown)
    }

    @Test("its metrics and the names of its parts; the agent's own names stay the agent's")
    func metrics() throws {
        let families = try OpenMetricsText(MetricsPage([SampleGateway()]).text(Self.status)).families
        #expect(families["grid_agent_sample_things"]?.samples.map(\.value) == [3])
        let parts = Set(families["grid_agent_part_state"]?.samples.compactMap { $0.labels["part"] } ?? [])
        #expect(parts == ["sample_p", "ledger"])
        #expect(PartID([]).of("sample part") == "sample_part")
    }

    @Test(
        "JSON: a section is an object of its name, or its fields lie beside the agent's; of another list it is not read"
    )
    func json() throws {
        let gateways: [any ShownGateway] = [SampleGateway(), FlatGateway()]
        let data = try StatusJSON.encoder(gateways).encode(Self.status)
        let object = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
        // Fields that lie beside the agent's are never left out.
        #expect(object["flat_count"] as? Int == 7 && (object["sample"] as? [String: Any])?["count"] as? Int == 3)
        #expect(try StatusJSON.decoder(gateways).decode(AgentStatus.self, from: data) == Self.status)
        let other = try StatusJSON.decoder([FlatGateway()]).decode(AgentStatus.self, from: data)
        #expect(other[SampleSection.self] == nil && other[FlatSection.self] == FlatSection())
        // A section that a release before did not write is none.
        let bare = try StatusJSON.encoder([FlatGateway()]).encode(AgentStatus.bare)
        #expect(try StatusJSON.decoder(gateways).decode(AgentStatus.self, from: bare)[SampleSection.self] == nil)
        // Without the fields of a section that lies beside the agent's it is no status.
        let foreign = try StatusJSON.encoder([]).encode(AgentStatus.bare)
        #expect(throws: DecodingError.self) { try StatusJSON.decoder(gateways).decode(AgentStatus.self, from: foreign) }
    }
}
