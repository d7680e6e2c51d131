// SPDX-License-Identifier: GPL-3.0-or-later

internal import Support

/// One line and an exit status, as monitoring plugins print them (Nagios, Icinga, Naemon, Checkmk): the guidelines of
/// monitoring-plugins.org, "Plugin Output" and "Plugin Return Codes".
struct NagiosReport: Equatable {
    enum State: Int32 {
        case ok, warning, critical, unknown

        fileprivate var word: String { "\(self)".uppercased() }
    }

    let state: State
    private let text: String
    /// Without its `|`.
    private var figures = ""

    init(_ status: AgentStatus) {
        state = status.health >= .failure ? .critical : status.health >= .warning ? .warning : .ok
        text = status.summary
        let jobs = status.jobs
        let deliveries = status.deliveries
        var figures = [
            "open_runs=\(jobs.openRuns)", "grid_jobs=\(jobs.ofGrid)", "not_in_slurm_yet=\(jobs.openOrders)",
            "waiting=\(deliveries.reduce(0) { $0 + $1.waiting })", "parked=\(deliveries.reduce(0) { $0 + $1.parked })",
        ]
        figures += Gateways.all.flatMap { $0.figures(of: status) }
        self.figures = figures.joined(separator: " ")
    }

    /// Nobody answers: the agent is down, or hangs. Otherwise it is not known how it does.
    init(_ failure: ControlClient.Failure) {
        state = failure.exitStatus == 69 ? .critical : .unknown
        text = failure.description
    }

    /// What stands behind `|` is taken for figures.
    var line: String {
        let text = PrintableText.of(String(text.map { $0 == "|" ? "/" : $0 }))
        return "GRID-AGENT \(state.word) - \(text)" + (figures.isEmpty ? "" : " | \(figures)")
    }
}
