// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import Foundation
import Glibc
import Logging
import Sockets
import Testing
import Waiting

@testable import Agent
@testable import AgentSettings
@testable import StatusViews

/// docs/gateways.md shows the module; here it runs.
@Suite("The example of a gateway", .timeLimit(.minutes(5)))
struct TallyTests {
    private static var isOn: AgentConfiguration {
        var configuration = AgentConfiguration()
        configuration.tally.isOn = true
        return configuration
    }

    @Test("the page shows the source as it is")
    func documented() throws {
        let page = try String(contentsOf: SampleStatus.root.appending(path: "docs/gateways.md"), encoding: .utf8)
        let source = try String(
            contentsOf: SampleStatus.root.appending(path: "Tests/AgentTests/Gateways/TallyModule.swift"),
            encoding: .utf8)
        #expect(page.components(separatedBy: "```swift\n\(source)```\n").count == 2)
    }

    @Test("its keys are read, shown and compared like any other")
    func keys() throws {
        let keys = TallyModule().configuration.flatMap(\.keys)
        #expect(keys.map(\.name) == ["tally.enable", "tally.partitions"])
        var configuration = AgentConfiguration()
        _ = try keys[0].set(&configuration, ["true"])
        _ = try keys[1].set(&configuration, ["main", "gpu"])
        #expect(configuration.tally == TallySettings(isOn: true, partitions: ["main", "gpu"]))
        #expect(keys.map { $0.show?(configuration) } == ["true", "main, gpu"])
        #expect(!keys[0].isSame(configuration, AgentConfiguration()))
        #expect(throws: AgentConfiguration.Problem.self) {
            var other = AgentConfiguration()
            _ = try keys[0].set(&other, ["perhaps"])
        }
    }

    @Test("it is told of each end once, and says so in status, on the screen, the page and in metrics")
    func counts() async throws {
        let module = TallyModule()
        let house = try GatewayHouse([module], Self.isOn)
        try await house.run { house in
            try await house.jobsEnd(1...3)
            try await house.jobEnds(4, partition: "gpu")
            try await waitUntil {
                (house.parts.now.gateways["tally"]?.running as? Tally)?.ended == ["main": 3, "gpu": 1]
            }
            let status = await StatusSource(house.parts).current()
            #expect(status[TallySection.self]?.ended == ["main": 3, "gpu": 1])
            #expect(
                module.screen(of: status, StatusScreen(Gateways.all, status: status)).lines.first?.contains(
                    "gpu 1, main 3") == true)
            #expect(
                module.page(of: status, StatusPage(Gateways.all, status: status)).right.first?.text.contains(
                    "gpu 1, main 3") == true)
            let metrics = try #require(module.metrics.first?.text(of: status))
            #expect(metrics.contains("grid_agent_tally_ended_jobs_total{partition=\"gpu\"} 1\n"))
            // Told again, as after a crash.
            let again = try await house.ledger.transitions(after: 0, limit: 100)
            let tally = try #require(house.parts.now.gateways["tally"]?.running as? Tally)
            #expect(try await tally.deliver(again).allSatisfy { $0 == .delivered })
            #expect(tally.ended == ["main": 3, "gpu": 1])
        }
    }

    @Test("a reload changes what it counts; its checks tell what that is")
    func reload() async throws {
        let house = try GatewayHouse([TallyModule()], Self.isOn)
        try await house.run { house in
            try await waitUntil { house.parts.now.gateways["tally"]?.running != nil }
            var changed = Self.isOn
            changed.tally.partitions = ["gpu"]
            await house.parts.take(changed)
            try await house.jobEnds(1)
            try await house.jobEnds(2, partition: "gpu")
            try await waitUntil { (house.parts.now.gateways["tally"]?.running as? Tally)?.ended == ["gpu": 1] }
        }
        let off = await TallyModule().checks(Checks(configuration: AgentConfiguration(), file: nil))
        #expect(off.map(AgentStatus.Level.init) == [.off])
        #expect(await TallyModule().checks(Checks(configuration: Self.isOn, file: nil)).map(\.level) == [.ok])
    }

    @Test("its command asks the running agent by the control socket")
    func command() async throws {
        #expect(throws: Never.self) { try TallyCommand.parse(["--control", "/c", "--json"]) }
        let house = try GatewayHouse([TallyModule()], Self.isOn)
        try await house.run { house in
            try await house.jobsEnd(1...2)
            try await waitUntil { (house.parts.now.gateways["tally"]?.running as? Tally)?.ended == ["main": 2] }
            let folder = FileManager.default.temporaryDirectory.path + "/tally-\(UUID().uuidString.prefix(8))"
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let path = folder + "/control.sock"
            let handlers = ControlHandlers(parts: house.parts, status: StatusSource(house.parts), socket: "").all
            let server = ControlServer(
                socket: try UnixSocketPath(path), allowedUsers: [geteuid()], handlers: handlers,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            let serving = Task { try await server.run() }
            try await waitUntil { access(path, F_OK) == 0 }
            let answer = try await Task.detached { try ControlClient(socket: path).answer(to: ControlRequest("tally")) }
                .value
            #expect(answer == "{\"main\":2}")
            serving.cancel()
            _ = try? await serving.value
        }
    }
}
