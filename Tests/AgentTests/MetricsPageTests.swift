// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import PageTesting
import Testing

@testable import Agent
@testable import StatusViews

@Suite("Metrics")
struct MetricsPageTests {
    @Test("every state gives text that the grammar knows", arguments: SampleStatus.allCases)
    func grammar(_ state: SampleStatus) throws {
        let status = try state.read()
        let text = try OpenMetricsText(MetricsPage(Gateways.all).text(status))
        #expect(text.families.values.allSatisfy { $0.name.hasPrefix("grid_agent_") && $0.help?.hasSuffix(".") == true })
        let known = Set(MetricsPage(Gateways.all).families.map(\.name))
        #expect(known.count == MetricsPage(Gateways.all).families.count)
        #expect(text.families.keys.allSatisfy(known.contains))
        // The failing one has all there is.
        if state == .failing { #expect(Set(text.families.keys) == known) }
    }

    @Test("values are what the status says")
    func values() throws {
        let families = try OpenMetricsText(MetricsPage(Gateways.all).text(SampleStatus.failing.read())).families
        func value(_ name: String, _ labels: [String: String] = [:]) -> Double? {
            families[name]?.samples.first { sample in labels.allSatisfy { sample.labels[$0] == $1 } }?.value
        }
        #expect(value("grid_agent_ready") == 1)
        #expect(value("grid_agent_health", ["grid_agent_health": "failure"]) == 1)
        #expect(value("grid_agent_health", ["grid_agent_health": "ok"]) == 0)
        // What is well is counted only.
        #expect(value("grid_agent_part_state", ["part": "ledger"]) == nil)
        #expect(value("grid_agent_parts", ["level": "failure"]) ?? 0 >= 1)
        let parts = families["grid_agent_parts"]?.samples.map(\.value) ?? []
        #expect(try parts.reduce(0, +) == Double(SampleStatus.failing.read().parts.count))
        #expect(value("grid_agent_part_state", ["part": "chain", "grid_agent_part_state": "failure"]) == 1)
        #expect(value("grid_agent_deliveries_waiting", ["gateway": "deepsquare"]) == 37)
        #expect(value("grid_agent_deliveries_parked", ["gateway": "deepsquare"]) == 2)
        #expect(value("grid_agent_delivery_oldest_age_seconds", ["gateway": "deepsquare"]) == 1380)
        #expect(value("grid_agent_delivery_oldest_age_seconds", ["gateway": "journal"]) == 0)
        #expect(value("grid_agent_held_reports") == 2)
        #expect(value("grid_agent_grid_jobs_in_trouble") == 2)
        #expect(value("grid_agent_chain_lag_blocks") == 1213)
        #expect(value("grid_agent_chain_balance_coins") == 0.0000123)
        #expect(value("grid_agent_chain_alarms") == 2)
        #expect(value("grid_agent_chain_alarm", ["alarm": "stuck"]) == 1)
        #expect(value("grid_agent_provider_approved") == 0)
        #expect(value("grid_agent_provider_drained") == 1)
        #expect(value("grid_agent_earned_today_credits") == 18.333333333333333333)
        #expect(value("grid_agent_jobs_paid_today") == 3)
        #expect(value("grid_agent_problems", ["level": "error"]) == 412)
        #expect(value("grid_agent_claims", ["outcome": "refused"]) == 31)
        #expect(value("grid_agent_ended_jobs", ["outcome": "failed"]) == 2)
        #expect(value("grid_agent_refused_in_a_row") == 7)
    }

    @Test("what is not configured has no metrics; what is quiet has zeros")
    func absent() throws {
        var status = AgentStatus.bare
        let names = try OpenMetricsText(MetricsPage(Gateways.all).text(status)).families.keys
        #expect(!names.contains { $0.contains("chain") || $0.contains("provider") || $0.contains("earned") })
        status.grid = .init(contract: "0x1", state: "approved", isApproved: true, isDrained: false)
        let families = try OpenMetricsText(MetricsPage(Gateways.all).text(status)).families
        #expect(families["grid_agent_earned_today_credits"]?.samples.first?.value == 0)
        #expect(families["grid_agent_provider_credits"] == nil)
        #expect(families["grid_agent_provider_approved"]?.samples.first?.value == 1)
    }

    @Test("parts have names that stay when the words on the screen change")
    func partNames() throws {
        #expect(Set(PartID(Gateways.all).all.values).count == PartID(Gateways.all).all.count)
        #expect(PartID(Gateways.all).all.values.allSatisfy { $0.wholeMatch(of: #/[a-z][a-z_]*/#) != nil })
        #expect(PartID(Gateways.all).of("Some 'other' part") == "some__other__part")
        // Every part that the sources name has one.
        var found: Set<String> = ["grid jobs", "grid's file", "state folder", "provider", "chain", "ledger"]
        for folder in ["Sources/Agent/Checks", "Sources/Agent/Gateways"].map({ SampleStatus.root.appending(path: $0) })
        {
            for file in try FileManager.default.subpathsOfDirectory(atPath: folder.path) where file.hasSuffix(".swift")
            {
                let text = try String(contentsOf: folder.appending(path: file), encoding: .utf8)
                let calls = text.matches(of: #/\b(?:ok|warning|failure|unknown|unseen)\(\s*"([^"\\]+)"/#)
                found.formUnion(calls.map { String($0.1) })
                found.formUnion(text.matches(of: #/subject: "([^"\\]+)"/#).map { String($0.1) })
            }
        }
        #expect(found.count > 25)
        #expect(found.subtracting(PartID(Gateways.all).all.keys) == [])
    }

    @Test("docs/metrics.md has exactly the metrics that there are")
    func documented() throws {
        let text = try String(contentsOf: SampleStatus.root.appending(path: "docs/metrics.md"), encoding: .utf8)
        let rows = text.matches(of: #/(?m)^\| `(grid_agent_\w+)` \| (\w+) \|/#).map { "\($0.1) \($0.2)" }
        let made = MetricsPage(Gateways.all).families.map { "\($0.sampleName) \($0.kind.rawValue)" }
        #expect(rows.sorted() == made.sorted())
    }

    @Test("the examples ask for no other metric", arguments: ["prometheus-rules.yaml", "grafana-dashboard.json"])
    func examples(_ file: String) throws {
        let path = SampleStatus.root.appending(path: "packaging/deb/examples/\(file)")
        let text = try String(contentsOf: path, encoding: .utf8)
        let used = Set(text.matches(of: #/grid_agent_\w+/#).map { String($0.0) })
        #expect(used.count > 10)
        #expect(used.isSubset(of: MetricsPage(Gateways.all).families.map(\.sampleName)))
        if file.hasSuffix("json") {
            #expect(throws: Never.self) { try JSONSerialization.jsonObject(with: Data(text.utf8)) }
        }
    }
}
