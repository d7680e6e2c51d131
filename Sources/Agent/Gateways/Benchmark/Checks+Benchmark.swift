// SPDX-License-Identifier: GPL-3.0-or-later

internal import ClusterBenchmarks
internal import FoundationEssentials
internal import Slurm

extension Checks {
    /// benchmark.run-as, where somebody has set it.
    func benchmarkUser(_ cluster: Cluster) -> [Finding] {
        let benchmark = configuration.benchmark
        guard configuration.places["benchmark.run-as"] != nil, !benchmark.isDisabled,
            Self.isSystemUser(benchmark.effectiveUser, cluster)
        else { return [] }
        return [
            warning(
                "benchmark.run-as",
                "\(benchmark.effectiveUser): no job runs as root, SlurmUser or the agent's user; name another one")
        ]
    }

    /// Of the running agent: what it has measured, and when.
    func benchmarkLabels() async -> [Finding] {
        guard case .success(let status) = agentStatus, let section = status[BenchmarkSection.self] else { return [] }
        return [section.finding(self, now: Int64(Date().timeIntervalSince1970))]
    }
}

extension BenchmarkSection {
    func finding(_ checks: Checks, now: Int64) -> Finding {
        let limit = checks.configuration.benchmark.longestAge.components.seconds
        let old = labels.filter { now - $0.value.measuredAt > limit }.map(\.key).sorted()
        if !old.isEmpty {
            return checks.warning(
                "benchmark",
                "\(old.count) labels are older than benchmark.max-age, such as \(old[0]): slurm-grid-agent benchmark run"
            )
        }
        return checks.ok("benchmark", labels.isEmpty ? "nothing measured yet" : "\(labels.count) labels measured")
    }
}
