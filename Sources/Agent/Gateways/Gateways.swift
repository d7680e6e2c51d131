// SPDX-License-Identifier: GPL-3.0-or-later

/// Of which gateways this agent is made: the one place that names them.
enum Gateways {
    /// In the order of the documentation. The last one is the first to end.
    static let all: [any GatewayModule] = [
        DeepSquareModule(), BenchmarkModule(), JarviceModule(), ClusterCockpitModule(), JournalModule(),
    ]
}
