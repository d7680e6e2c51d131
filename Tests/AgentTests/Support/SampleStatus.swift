// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation

@testable import Agent
@testable import StatusViews

/// The states of an agent that the tests of the page show: Tests/Page/states.
enum SampleStatus: String, CaseIterable {
    case idle, starting, busy, warning, failing

    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    func read() throws -> AgentStatus {
        try StatusJSON.decoder(Gateways.all).decode(
            AgentStatus.self,
            from: try Data(contentsOf: Self.root.appending(path: "Tests/Page/states/\(rawValue).json")))
    }
}
