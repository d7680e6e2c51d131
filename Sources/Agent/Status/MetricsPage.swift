// SPDX-License-Identifier: GPL-3.0-or-later

/// `/metrics`. docs/metrics.md explains each; a test holds the two together.
///
/// Labels have few values: parts, gateways, levels and alarms; never a job, a customer or a transaction.
enum MetricsPage {
    static let contentType = "application/openmetrics-text; version=1.0.0; charset=utf-8"

    static func text(_ status: AgentStatus) -> String {
        families.compactMap { $0.text(of: status) }.joined() + "# EOF\n"
    }

    static let families: [MetricFamily] = agent + jobs + deliveries + chain + grid + jarvice

    /// However many there should be: no more series of one metric than this.
    private static let seriesLimit = 64

    private static let agent: [MetricFamily] = [
        MetricFamily("build", kind: .info, "The version of the agent.") { [.init(1, ("version", $0.version))] },
        MetricFamily("cluster", kind: .info, "The Slurm cluster and its version, as far as they are known.") { status in
            guard status.cluster != nil || status.slurmVersion != nil else { return [] }
            return [.init(1, ("cluster", status.cluster ?? ""), ("slurm_version", status.slurmVersion ?? ""))]
        },
        MetricFamily("start_time_seconds", unit: "seconds", "When the agent was started, Unix time.") {
            [.init($0.startedAt)]
        },
        MetricFamily("status_time_seconds", unit: "seconds", "When these values were gathered, Unix time.") {
            [.init($0.now)]
        },
        MetricFamily("ready", "1 when all that is configured has been opened once, else 0.") { [.init($0.isReady)] },
        MetricFamily("health", kind: .stateset, "The worst level of the parts.") {
            MetricFamily.states("grid_agent_health", of: $0.health)
        },
        MetricFamily("parts", "How many parts are at each level; off is not configured.") { status in
            AgentStatus.Level.allCases.map { level in
                .init(status.parts.count { $0.level == level }, ("level", level.rawValue))
            }
        },
        MetricFamily("part_state", kind: .stateset, "The level of each part that is not well.") { status in
            var seen: Set<String> = []
            return status.parts.filter { $0.level > .ok && seen.insert(PartID.of($0.name)).inserted }
                .prefix(seriesLimit).flatMap {
                    MetricFamily.states("grid_agent_part_state", of: $0.level, ("part", PartID.of($0.name)))
                }
        },
        MetricFamily("problems", kind: .counter, "Warnings and errors that were logged since the start.") { status in
            guard let counts = status.problemCounts else { return [] }
            return ["critical", "error", "warning"].map { .init(max(0, counts[$0] ?? 0), ("level", $0)) }
        },
    ]

    private static let jobs: [MetricFamily] = [
        MetricFamily("open_runs", "Runs of any job of the cluster that are not over.") { [.init($0.jobs.openRuns)] },
        MetricFamily("open_orders", "Requests of grids that have not become a Slurm job yet.") {
            [.init($0.jobs.openOrders)]
        },
        MetricFamily("grid_jobs", "Jobs of the grid that are claimed and not closed.") { [.init($0.jobs.ofGrid)] },
        MetricFamily("grid_jobs_in_trouble", "Of those, jobs for which something is tried again or waited for.") {
            status in
            [.init(status.recentJobs.count { !$0.isOver && $0.trouble != nil })]
        },
        MetricFamily("known_jobs", "Jobs in the ledger, those that are over as well.") { [.init($0.jobs.known)] },
        MetricFamily("vanished_jobs", "Jobs in the ledger that Slurm forgot before their end was known.") {
            [.init($0.jobs.vanished)]
        },
        MetricFamily("surplus_jobs", "Slurm jobs in the ledger that were one too many for a request of a grid.") {
            [.init($0.jobs.surplus)]
        },
        MetricFamily("surplus_jobs_running", "Of those, jobs that run beside the request's own.") {
            [.init($0.jobs.surplusRunning)]
        },
    ]

    private static let deliveries: [MetricFamily] = [
        MetricFamily("deliveries_waiting", "Changes of jobs that the gateway has still to be told.") {
            each($0) { $0.waiting }
        },
        MetricFamily("deliveries_parked", "Changes of jobs that the gateway refused for good.") {
            each($0) { $0.parked }
        },
        MetricFamily(
            "delivery_oldest_age_seconds", unit: "seconds",
            "How long the oldest change has been waiting for the gateway; 0 when none waits."
        ) { status in
            each(status) { delivery in delivery.oldest.map { max(0, status.now &- $0) } ?? 0 }
        },
        MetricFamily("held_reports", "Ends of jobs that are kept back, or tried again and again.") {
            [.init($0.held.count)]
        },
    ]

    private static func each(
        _ status: AgentStatus, _ value: (AgentStatus.Deliveries) -> some BinaryInteger
    ) -> [MetricFamily.Sample] {
        status.deliveries.prefix(seriesLimit).map { .init(value($0), ("gateway", $0.gateway)) }
    }

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
            return raised.prefix(seriesLimit).map { .init(1, ("alarm", $0)) }
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
