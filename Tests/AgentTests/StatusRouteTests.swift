// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import PageTesting
import Testing

@testable import AdminHTTP
@testable import Agent
@testable import StatusViews

/// What a server shows of the gateways that this agent is made of; `AdminRoutesTests` has the rest.
@Suite("Routes that show gateways")
struct StatusRouteTests {
    private func answer(_ path: String, _ status: AgentStatus) async -> AdminResponse {
        let routes = AdminRoutes(access: AdminAccess(token: nil, hosts: []), gateways: Gateways.all) { (status, 0) }
        return await routes.answer(AdminRequest(path: path, host: "localhost"))
    }

    @Test("status.json is the status", arguments: SampleStatus.allCases)
    func json(_ state: SampleStatus) async throws {
        let status = try state.read()
        let answer = await answer("/status.json", status)
        let decoder = StatusJSON.decoder(Gateways.all)
        #expect(try decoder.decode(AgentStatus.self, from: Data(answer.body.utf8)) == status)
    }

    @Test("a chain that stands still and is behind makes nothing less ready")
    func readiness() async throws {
        var status = AgentStatus.bare
        status.chain = .init(
            id: 1, account: "0x1", head: 5, readTo: 1, lag: 4, inFlight: 0, waiting: 9, alarms: ["stuck": "x"])
        status.parts = [.init(name: "chain", level: .failure, text: "no node answers")]
        #expect(await answer("/readyz", status).status == 200)
    }
}
