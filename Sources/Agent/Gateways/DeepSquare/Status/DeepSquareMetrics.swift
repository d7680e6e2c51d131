// SPDX-License-Identifier: GPL-3.0-or-later

internal import StatusViews

/// The account on the chain, the grid, and its jobs.
enum DeepSquareMetrics {
    static let families: [MetricFamily] = jobs + chain + grid

    private static let jobs: [MetricFamily] = [
        MetricFamily("grid_jobs_in_trouble", "Of those, jobs for which something is tried again or waited for.") {
            status in
            [.init(status.recentJobs.count { !$0.isOver && $0.trouble != nil })]
        },
        MetricFamily("held_reports", "Ends of jobs that are kept back, or tried again and again.") {
            [.init($0.held.count)]
        },
    ]

    private static let chain: [MetricFamily] = [
        MetricFamily("chain", kind: .info, "The chain's id and the agent's account.") { status in
            status.chain.map { [.init(1, ("chain_id", "\($0.id)"), ("account", $0.account))] } ?? []
        },
        MetricFamily("chain_balance_coins", unit: "coins", "What the account has to pay for transactions.") {
            amount($0.chain?.balance)
        },
        MetricFamily("chain_head", "The number of the newest block; a quiet chain makes none.") {
            number($0.chain?.head)
        },
        MetricFamily("chain_read_to", "The number of the last block whose events were taken.") {
            number($0.chain?.readTo)
        },
        MetricFamily("chain_lag_blocks", unit: "blocks", "Blocks that the chain has and the agent has not read.") {
            number($0.chain?.lag)
        },
        MetricFamily("transactions_in_flight", "Transactions that are sent and in no block yet.") {
            number($0.chain?.inFlight)
        },
        MetricFamily("transactions_waiting", "Transactions that are to be sent after those.") {
            number($0.chain?.waiting)
        },
        MetricFamily("chain_alarms", "How many alarms are raised about the account.") {
            number($0.chain?.alarms.count)
        },
        MetricFamily("chain_alarm", "1 for each alarm that is raised about the account.") { status in
            let raised = (status.chain?.alarms.keys).map { $0.sorted() } ?? []
            return raised.prefix(MetricsPage.seriesLimit).map { .init(1, ("alarm", $0)) }
        },
    ]

    private static let grid: [MetricFamily] = [
        MetricFamily("grid", kind: .info, "The contract of the grid.") { status in
            status.grid.map { [.init(1, ("contract", $0.contract))] } ?? []
        },
        MetricFamily("provider_approved", "1 when the grid approves of this provider, else 0.") { status in
            status.grid.map { [.init($0.isApproved)] } ?? []
        },
        MetricFamily("provider_drained", "1 when no more jobs are claimed until resume, else 0.") { status in
            status.grid.map { [.init($0.isDrained)] } ?? []
        },
        MetricFamily("provider_credits", unit: "credits", "Credits on the provider's account.") {
            amount($0.grid?.credits)
        },
        MetricFamily(
            "claims", kind: .counter, "Claimed jobs since the start, by what became of them here."
        ) { status in
            guard let counts = status.outcomes?.sinceStart else { return [] }
            return [
                .init(counts.submitted, ("outcome", "submitted")), .init(counts.refused, ("outcome", "refused")),
                .init(counts.failed, ("outcome", "failed")),
            ]
        },
        MetricFamily("ended_jobs", kind: .counter, "Slurm jobs of the grid that ended since the start, by how.") {
            status in
            guard let counts = status.outcomes?.sinceStart else { return [] }
            return [
                .init(counts.finished, ("outcome", "finished")), .init(counts.endedFailed, ("outcome", "failed")),
                .init(counts.endedOtherwise, ("outcome", "other")),
            ]
        },
        MetricFamily("refused_in_a_row", "Jobs that were refused or failed since the last one that became a Slurm job.")
        {
            number($0.outcomes?.inARow)
        },
        MetricFamily("earned_today_credits", unit: "credits", "Credits that were paid since midnight UTC.") { status in
            guard status.grid != nil else { return [] }
            return amount(today(status)?.credits ?? "0")
        },
        MetricFamily("jobs_paid_today", "Jobs that were paid since midnight UTC.") { status in
            status.grid.map { _ in [.init(today(status)?.jobs ?? 0)] } ?? []
        },
    ]

    private static func today(_ status: AgentStatus) -> AgentStatus.Earnings? {
        status.earnings.first { $0.day == PageTime.day(status.now) }
    }

    private static func number(_ value: (some BinaryInteger)?) -> [MetricFamily.Sample] {
        value.map { [.init($0)] } ?? []
    }

    private static func amount(_ wei: String?) -> [MetricFamily.Sample] {
        wei.flatMap(Amount.init(wei:)).map { [.init(decimal: $0.exact)] } ?? []
    }
}
