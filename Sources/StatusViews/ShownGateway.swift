// SPDX-License-Identifier: GPL-3.0-or-later

package import CommandOutput

/// What a gateway shows of itself. All of it has a default: that there is none of it.
package protocol ShownGateway: Sendable {
    /// Its section of `status`, in its JSON too.
    var statusSection: (any GatewayStatusSection.Type)? { get }
    /// It is configured and not open yet.
    func isAwaited(in status: AgentStatus) -> Bool
    /// For the line of systemd: `4 of the grid`.
    func summary(of status: AgentStatus) -> String?
    /// For `status --nagios`: `credits=12.5`.
    func figures(of status: AgentStatus) -> [String]
    func screen(of status: AgentStatus, _ screen: StatusScreen) -> GatewayScreen
    func page(of status: AgentStatus, _ page: StatusPage) -> GatewayPage
    /// Named `name_…`; docs/metrics.md has each.
    var metrics: [MetricFamily] { get }
    /// By the name of a part its name in metrics, and what it is.
    var parts: [String: GatewayPart] { get }
}

extension ShownGateway {
    package var statusSection: (any GatewayStatusSection.Type)? { nil }
    package func isAwaited(in status: AgentStatus) -> Bool { false }
    package func summary(of status: AgentStatus) -> String? { nil }
    package func figures(of status: AgentStatus) -> [String] { [] }
    package func screen(of status: AgentStatus, _ screen: StatusScreen) -> GatewayScreen { GatewayScreen() }
    package func page(of status: AgentStatus, _ page: StatusPage) -> GatewayPage { GatewayPage() }
    package var metrics: [MetricFamily] { [] }
    package var parts: [String: GatewayPart] { [:] }
}

/// A part of a gateway in the status.
package struct GatewayPart: Sendable {
    /// Letters and `_`.
    package var metricName: String
    /// For the status page; nil: the name says it all.
    package var meaning: String?

    package init(metricName: String, meaning: String? = nil) {
        (self.metricName, self.meaning) = (metricName, meaning)
    }
}

/// What a gateway adds to the screen of `status`.
package struct GatewayScreen {
    /// Before and behind the ledger's counts in the line `jobs`.
    package var counts: [String]
    package var lastCounts: [String]
    /// Below it, each with its label.
    package var lines: [String]
    /// What somebody has to look at, beside parts that are not well.
    package var alarms: [(name: String, text: String)]
    package var blocks: [ScreenLayout.Block]

    package init(
        counts: [String] = [], lastCounts: [String] = [], lines: [String] = [],
        alarms: [(name: String, text: String)] = [], blocks: [ScreenLayout.Block] = []
    ) {
        (self.counts, self.lastCounts, self.lines) = (counts, lastCounts, lines)
        (self.alarms, self.blocks) = (alarms, blocks)
    }
}

/// What a gateway adds to the status page.
package struct GatewayPage {
    /// Number, with a name and a hint, before and behind those of the ledger.
    package var firstTiles: [HTML]
    /// Below the parts.
    package var left: [HTML]
    /// Below the deliveries.
    package var right: [HTML]
    package var terms: [(String, String)]

    package init(
        firstTiles: [HTML] = [], left: [HTML] = [], right: [HTML] = [], terms: [(String, String)] = []
    ) {
        (self.firstTiles, self.left, self.right, self.terms) = (firstTiles, left, right, terms)
    }
}
