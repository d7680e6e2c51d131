// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import Foundation
import JobLifecycle
import Testing

@testable import Agent
@testable import AgentSettings
@testable import StatusViews

@Suite("The gateways that this agent is made of")
struct GatewayModuleTests {
    private static func once(_ names: [String]) -> Bool { Set(names).count == names.count }

    @Test("no two have a name, key, command, metric or file in common, nor one that is the agent's own")
    func names() {
        let all = Gateways.all
        #expect(Self.once(all.map(\.name)))
        #expect(all.map(\.name).allSatisfy { $0.wholeMatch(of: #/[a-z]+/#) != nil })
        #expect(Self.once(Gateways.schema.keys.flatMap { [$0.name] + $0.aliases }))
        #expect(Self.once(MetricsPage(Gateways.all).families.map(\.name)))
        #expect(Self.once(SlurmGridAgent.configuration.subcommands.map { $0._commandName }))
        #expect(Self.once(all.flatMap(\.stateFiles) + ["ledger.sqlite"]))
        #expect(Self.once(all.compactMap { $0.statusSection?.key }))
        #expect(Self.once(all.flatMap { $0.parts.keys }))
        let handlers = ControlHandlers(
            parts: RunningParts(modules: []), status: StatusSource(RunningParts()), socket: "")
        #expect(Self.once(all.flatMap { $0.control(RunningParts()).keys } + handlers.all.keys))
    }

    @Test("without anything configured none of them is there, and nobody is told of a job")
    func nothing() async {
        let configuration = AgentConfiguration()
        for module in Gateways.all {
            #expect(!module.isConfigured(in: configuration) && module.interest(in: configuration) == nil)
            #expect(module.unopened(.init(), configuration).isEmpty)
            #expect(await module.lastTransition(configuration, folder: "/nowhere") == nil)
        }
        #expect(!RunningParts().hasUpstream)
    }

    @Test("settings are told apart by their type, and what is at its defaults is the same as what was never set")
    func settings() {
        var one = AgentConfiguration()
        #expect(one.journalFile == nil && !one.tally.isOn)
        one.tally.isOn = true
        #expect(one != AgentConfiguration() && one.journalFile == nil)
        one.tally.isOn = false
        #expect(one == AgentConfiguration())
        one.journalFile = "/j"
        #expect(one != AgentConfiguration() && !one.tally.isOn)
    }

    @Test("the fields of chain and grid lie beside the agent's in JSON, as they always have; others have an object")
    func sections() throws {
        var status = AgentStatus(
            version: "1", startedAt: 1, now: 2, health: .ok, summary: "fine", isReady: true)
        let bare = try #require(
            JSONSerialization.jsonObject(with: Data(try ControlServer.json(status).utf8)) as? [String: Any])
        #expect(
            Set(bare.keys) == [
                "version", "started_at", "now", "health", "summary", "is_ready", "parts", "jobs", "deliveries", "held",
                "recent_jobs", "earnings", "problems",
            ])
        status.hasChain = true
        status.chain = .init(id: 7, account: "0x", balance: nil, head: 1, inFlight: 0, waiting: 0, alarms: [:])
        status[TallySection.self] = TallySection(ended: ["main": 3])
        let text = try ControlServer.json(status)
        let whole = try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect((whole["tally"] as? [String: [String: Int]])?["ended"] == ["main": 3])
        #expect((whole["chain"] as? [String: Any])?["id"] as? Int == 7 && whole["has_chain"] as? Bool == true)
        var read = try ControlAnswer.decode(AgentStatus.self, text)
        #expect(read.chain == status.chain && read != status)
        // This agent does not know the example.
        read[TallySection.self] = TallySection(ended: ["main": 3])
        #expect(read == status)
    }
}
