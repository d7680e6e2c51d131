// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings

/// Of which gateways this agent is made: the one place that names them.
enum Gateways {
    /// In the order of the documentation. The last one is the first to end.
    static let all: [any GatewayModule] = [
        DeepSquareModule(), BenchmarkModule(), JarviceModule(), ClusterCockpitModule(), JournalModule(),
    ]

    /// Their keys, and the agent's own.
    static let schema = ConfigurationSchema(all)
}

extension AgentConfiguration {
    /// Every key of this agent at its default.
    init() { self.init(Gateways.schema) }

    /// As `load(_:file:environment:flags:)`, with every key of this agent.
    static func load(
        file: String?, environment: [String: String], flags: [ConfigurationFlag] = []
    ) throws(Problem) -> AgentConfiguration {
        try load(Gateways.schema, file: file, environment: environment, flags: flags)
    }
}
