// SPDX-License-Identifier: GPL-3.0-or-later

package import StatusViews

extension AgentStatus {
    /// With nothing in it but what must be.
    package static var bare: AgentStatus {
        AgentStatus(version: "1.2.3", startedAt: 100, now: 160, health: .ok, summary: "fine", isReady: true)
    }
}
