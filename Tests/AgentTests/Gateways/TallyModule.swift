// SPDX-License-Identifier: GPL-3.0-or-later

import AgentSettings
import ArgumentParser
import JobLifecycle
import NIOConcurrencyHelpers
import StatusViews

@testable import Agent

/// Counts the jobs that ended since the start, by partition: an example of a gateway, from its keys to its command.
struct TallyModule: GatewayModule {
    let name = "tally"
    /// Nobody sends jobs by it.
    let isUpstream = false

    let configuration = [
        ConfigurationSection(
            title: "The tally", introduction: "",
            keys: [
                ConfigurationKey("tally.enable", \.tally.isOn, .boolean, "Counts jobs that ended."),
                ConfigurationKey(
                    "tally.partitions", \.tally.partitions, .list(.partition), "Only of these; none: of all.",
                    example: "main", isReloadable: true),
            ])
    ]

    func isConfigured(in configuration: AgentConfiguration) -> Bool { configuration.tally.isOn }

    func interest(in configuration: AgentConfiguration) -> Ledger.Interest.Scope? {
        configuration.tally.isOn ? .everything : nil
    }

    func open(_ context: GatewayContext) async throws -> OpenGateway? {
        let tally = Tally(context.configuration.tally)
        return OpenGateway(running: tally, consumer: tally)
    }

    func take(_ configuration: AgentConfiguration, running: any Sendable) async {
        (running as? Tally)?.change(configuration.tally)
    }

    func checks(_ checks: Checks) async -> [Finding] {
        guard isConfigured(in: checks.configuration) else { return [checks.ok(name, "off: tally.enable is false")] }
        return [checks.ok(name, "counts \(shown(checks.configuration.tally.partitions))")]
    }

    func report(_ parts: RunningParts.State, _ configuration: AgentConfiguration) async -> StatusReport {
        guard let tally = parts.gateways[name]?.running as? Tally else { return { _ in } }
        let ended = tally.ended
        return { $0[TallySection.self] = TallySection(ended: ended) }
    }

    let statusSection: (any GatewayStatusSection.Type)? = TallySection.self

    func screen(of status: AgentStatus, _ screen: StatusScreen) -> GatewayScreen {
        guard let tally = status[TallySection.self] else { return GatewayScreen() }
        return GatewayScreen(lines: screen.wrap(tally.text, name, limit: 2))
    }

    func page(of status: AgentStatus, _ page: StatusPage) -> GatewayPage {
        guard let tally = status[TallySection.self] else { return GatewayPage() }
        return GatewayPage(right: [
            page.section(name, "Tally", "Jobs that ended, by partition.", "<p>\(tally.text)</p>")
        ])
    }

    let metrics = [
        MetricFamily("tally_ended_jobs", kind: .counter, "Jobs that ended since the start.") { status in
            (status[TallySection.self]?.ended ?? [:]).sorted { $0.key < $1.key }.prefix(MetricsPage.seriesLimit).map {
                .init($0.value, ("partition", $0.key))
            }
        }
    ]

    func control(_ parts: RunningParts) -> [String: ControlServer.Handler] {
        ["tally": { _ in try ControlServer.single(try await parts.running(self, name) { $0 as? Tally }.ended) }]
    }

    var commands: [any AsyncParsableCommand.Type] { [TallyCommand.self] }
}

struct TallySettings: GatewaySettings {
    /// `tally.enable`. Default false.
    var isOn = false
    /// `tally.partitions`. Default: none, which is all.
    var partitions: [String] = []
}

extension AgentConfiguration {
    var tally: TallySettings {
        get { self[TallySettings.self] }
        set { self[TallySettings.self] = newValue }
    }
}

struct TallySection: GatewayStatusSection {
    static let key: String? = "tally"

    var ended: [String: Int] = [:]

    var text: String { shown(ended.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }) }
}

/// What it does: takes transitions, each of which may come again.
final class Tally: Gateway {
    let name = "tally"
    let scope = Ledger.Interest.Scope.everything
    let batchLimit = 100

    private let state: NIOLockedValueBox<(settings: TallySettings, last: Int64, ended: [String: Int])>

    init(_ settings: TallySettings) { state = NIOLockedValueBox((settings, 0, [:])) }

    var ended: [String: Int] { state.withLockedValue { $0.ended } }

    func change(_ settings: TallySettings) { state.withLockedValue { $0.settings = settings } }

    func deliver(_ transitions: [JobTransition]) async throws(GatewayUnavailable) -> [Delivery] {
        state.withLockedValue { state in
            for one in transitions where one.sequence > state.last {
                state.last = one.sequence
                let (partition, wanted) = (one.details.partition ?? "unknown", state.settings.partitions)
                guard one.isFinal, wanted.isEmpty || wanted.contains(partition) else { continue }
                state.ended[partition, default: 0] += 1
            }
        }
        return transitions.map { _ in .delivered }
    }
}

struct TallyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tally", abstract: "Show how many jobs ended, by partition.")

    @OptionGroup var options: ControlOptions

    func run() async throws {
        try await reportingControl { print(try options.client.answer(to: ControlRequest("tally"))) }
    }
}
