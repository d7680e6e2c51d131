// SPDX-License-Identifier: GPL-3.0-or-later

import ClusterCockpit
import Foundation
import JobLifecycle
import Testing

@testable import Agent
@testable import AgentSettings
@testable import StatusViews

@Suite("What the agent shows of ClusterCockpit's backends")
struct CockpitModuleTests {
    private static func backend(_ changes: [String: Any] = [:]) throws -> CockpitStatus.Backend {
        var fields: [String: Any] = [
            "name": "main", "url": "https://cc", "release": "1.5", "waiting": 2, "running": 5, "parked": 0,
            "skipped": 1, "starts": 7, "stops": 4, "failed": 3, "refused": 0,
        ]
        fields.merge(changes) { _, new in new }
        return try JSONDecoder().decode(
            CockpitStatus.Backend.self, from: JSONSerialization.data(withJSONObject: fields))
    }

    private static func status(_ backends: [CockpitStatus.Backend]) -> AgentStatus {
        var status = StatusFixtures.busy
        var section = CockpitSection()
        section.cluster = "lab"
        section.backends = backends
        status[CockpitSection.self] = section
        return status
    }

    @Test("a backend that is told is well; one that is away, or refuses a job, is a warning that says so")
    func parts() throws {
        #expect(AgentStatus.Part(try Self.backend()).level == .ok)
        let away = AgentStatus.Part(try Self.backend(["problem": "connection refused"]))
        #expect(away.level == .warning && away.text.contains("connection refused"))
        let refusing = AgentStatus.Part(try Self.backend(["parked": 2]))
        #expect(refusing.level == .warning && refusing.text.contains("clustercockpit jobs"))
    }

    @Test("status' JSON has it under its own name and gives it back; page, screen and metrics show it")
    func shown() throws {
        let hostile = "<script>alert(1)</script>"
        let status = Self.status([try Self.backend(), try Self.backend(["name": "b2", "problem": hostile])])
        let json = try ControlServer.json(status)
        #expect(json.contains("\"clustercockpit\""))
        #expect(try StatusCommand.decode(json) == status)
        let page = StatusPage(Gateways.all, status: status).document(nonce: "n").text
        #expect(page.contains("id=\"clustercockpit\"") && !page.contains(hostile))
        let metrics = MetricsPage(Gateways.all).text(status)
        #expect(metrics.contains("grid_agent_clustercockpit_rows_waiting{backend=\"main\"} 2\n"))
        #expect(metrics.contains("grid_agent_clustercockpit_starts_total{backend=\"b2\"} 7\n"))
        let screen = StatusScreen(Gateways.all, status: status).text
        #expect(screen.contains("main: 5 running, 2 to tell, 0 refused"))
    }

    @Test("what is asked for by hand names one job, or is refused")
    func arguments() async throws {
        let all = CockpitControl(parts: RunningParts()).all
        #expect(Set(all.keys) == ["clustercockpit", "clustercockpit-jobs", "clustercockpit-sync"])
        #expect(
            CockpitControl.arguments(job: 7, direction: "stop", isDryRun: true)
                == ["job": "7", "direction": "stop", "dry": "true"])
        for handler in all.values {
            await #expect(throws: ControlFailure.self) { _ = try await handler(ControlRequest("clustercockpit")) }
        }
    }

    @Test("a token's file is one that `check` looks at; a wrong key is told with its place")
    func settings() throws {
        var configuration = AgentConfiguration()
        try configuration.take(
            yaml: "clustercockpit: {backends: {a: 'https://x'}, token-files: {a: /t}, hardware-file: /not/there}",
            file: "c")
        let module = ClusterCockpitModule()
        #expect(module.secretFiles(in: configuration).map(\.path) == ["/t"])
        #expect(module.clusterSubjects(in: configuration) == ["ClusterCockpit a"])
        #expect(module.interest(in: configuration) == .everything)
        let problem = module.settle(&configuration)
        #expect(problem.description.contains("clustercockpit.hardware-file"))
    }
}
