// SPDX-License-Identifier: GPL-3.0-or-later

internal import Support

/// One line and an exit status, as monitoring plugins print them (Nagios, Icinga, Naemon, Checkmk): the guidelines of
/// monitoring-plugins.org, "Plugin Output" and "Plugin Return Codes".
package struct NagiosReport: Equatable {
    package enum State: Int32 {
        case ok, warning, critical, unknown

        fileprivate var word: String { "\(self)".uppercased() }
    }

    package let state: State
    private let text: String
    /// Without its `|`.
    private var figures = ""

    /// - Parameter modules: whose figures are added.
    package init(_ modules: [any ShownGateway], _ status: AgentStatus) {
        state = status.health >= .failure ? .critical : status.health >= .warning ? .warning : .ok
        text = status.summary
        let jobs = status.jobs
        let deliveries = status.deliveries
        var figures = [
            "open_runs=\(jobs.openRuns)", "grid_jobs=\(jobs.ofGrid)", "not_in_slurm_yet=\(jobs.openOrders)",
            "waiting=\(deliveries.reduce(0) { $0 + $1.waiting })", "parked=\(deliveries.reduce(0) { $0 + $1.parked })",
        ]
        figures += modules.flatMap { $0.figures(of: status) }
        self.figures = figures.joined(separator: " ")
    }

    /// - Parameter isDown: nobody answers: the agent is down, or hangs. Otherwise it is not known how it does.
    package init(isDown: Bool, _ text: String) {
        state = isDown ? .critical : .unknown
        self.text = text
    }

    /// What stands behind `|` is taken for figures.
    package var line: String {
        let text = PrintableText.of(String(text.map { $0 == "|" ? "/" : $0 }))
        return "GRID-AGENT \(state.word) - \(text)" + (figures.isEmpty ? "" : " | \(figures)")
    }
}
