// SPDX-License-Identifier: GPL-3.0-or-later

import CommandOutput

@testable import StatusViews

/// A gateway that has something of everything to show.
struct SampleGateway: ShownGateway {
    let statusSection: (any GatewayStatusSection.Type)? = SampleSection.self

    func isAwaited(in status: AgentStatus) -> Bool { status[SampleSection.self]?.isAwaited == true }

    func summary(of status: AgentStatus) -> String? { "\(count(status)) of the sample" }

    func figures(of status: AgentStatus) -> [String] { ["sample=\(count(status))"] }

    func screen(of status: AgentStatus, _ screen: StatusScreen) -> GatewayScreen {
        GatewayScreen(
            counts: ["\(count(status)) first"], lastCounts: ["\(count(status)) last"],
            lines: screen.wrap("a line", "sample", limit: 1), alarms: [("stuck", "look")],
            blocks: [.init(name: "SAMPLE", title: "SAMPLES", entries: [["an entry"]], whereElse: "nowhere")])
    }

    func page(of status: AgentStatus, _ page: StatusPage) -> GatewayPage {
        GatewayPage(
            firstTiles: [StatusPage.tile("Samples", count(status), "a <hint>")],
            left: [page.section("left", "Left", "", "<p>\(Self.hostile)</p>")],
            right: [page.section("right", "Right", "", "<p>right</p>")], terms: [("Sample", "one of them")])
    }

    let metrics = [
        MetricFamily("sample_things", "Things.") { [.init($0[SampleSection.self]?.count ?? 0)] }
    ]

    let parts = [
        "sample part": GatewayPart(metricName: "sample_p", meaning: "what it means"),
        "ledger": GatewayPart(metricName: "not_this", meaning: "nor this"),
    ]

    private static let hostile = "<left>"

    private func count(_ status: AgentStatus) -> Int { status[SampleSection.self]?.count ?? 0 }
}

struct SampleSection: GatewayStatusSection {
    static let key: String? = "sample"

    var count = 0
    var isAwaited = false
}

/// One whose fields lie beside those of the agent.
struct FlatGateway: ShownGateway {
    let statusSection: (any GatewayStatusSection.Type)? = FlatSection.self
}

struct FlatSection: GatewayStatusSection {
    static let key: String? = nil

    var flatCount = 7
}
