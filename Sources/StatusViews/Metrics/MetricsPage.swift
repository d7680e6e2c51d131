// SPDX-License-Identifier: GPL-3.0-or-later

/// `/metrics`. docs/metrics.md explains each; a test holds the two together.
///
/// Labels have few values: parts, gateways, levels and alarms; never a job, a customer or a transaction.
package struct MetricsPage: Sendable {
    package static let contentType = "application/openmetrics-text; version=1.0.0; charset=utf-8"

    package func text(_ status: AgentStatus) -> String {
        families.compactMap { $0.text(of: status) }.joined() + "# EOF\n"
    }

    let families: [MetricFamily]

    package init(_ gateways: [any ShownGateway]) {
        families = Self.agent(PartID(gateways)) + Self.jobs + Self.deliveries + gateways.flatMap(\.metrics)
    }

    /// However many there should be: no more series of one metric than this.
    package static let seriesLimit = 64

    private static func agent(_ ids: PartID) -> [MetricFamily] {
        [
            MetricFamily("build", kind: .info, "The version of the agent.") { [.init(1, ("version", $0.version))] },
            MetricFamily("cluster", kind: .info, "The Slurm cluster and its version, as far as they are known.") {
                status in
                guard status.cluster != nil || status.slurmVersion != nil else { return [] }
                return [.init(1, ("cluster", status.cluster ?? ""), ("slurm_version", status.slurmVersion ?? ""))]
            },
            MetricFamily("start_time_seconds", unit: "seconds", "When the agent was started, Unix time.") {
                [.init($0.startedAt)]
            },
            MetricFamily("status_time_seconds", unit: "seconds", "When these values were gathered, Unix time.") {
                [.init($0.now)]
            },
            MetricFamily("ready", "1 when all that is configured has been opened once, else 0.") {
                [.init($0.isReady)]
            },
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
                return status.parts.filter { $0.level > .ok && seen.insert(ids.of($0.name)).inserted }
                    .prefix(seriesLimit).flatMap {
                        MetricFamily.states("grid_agent_part_state", of: $0.level, ("part", ids.of($0.name)))
                    }
            },
            MetricFamily("problems", kind: .counter, "Warnings and errors that were logged since the start.") {
                status in
                guard let counts = status.problemCounts else { return [] }
                return ["critical", "error", "warning"].map { .init(max(0, counts[$0] ?? 0), ("level", $0)) }
            },
        ]
    }

    private static let jobs: [MetricFamily] = [
        MetricFamily("open_runs", "Runs of any job of the cluster that are not over.") { [.init($0.jobs.openRuns)] },
        MetricFamily("open_orders", "Requests of grids that have not become a Slurm job yet.") {
            [.init($0.jobs.openOrders)]
        },
        MetricFamily("grid_jobs", "Jobs of the grid that are claimed and not closed.") { [.init($0.jobs.ofGrid)] },
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
    ]

    private static func each(
        _ status: AgentStatus, _ value: (AgentStatus.Deliveries) -> some BinaryInteger
    ) -> [MetricFamily.Sample] {
        status.deliveries.prefix(seriesLimit).map { .init(value($0), ("gateway", $0.gateway)) }
    }
}
