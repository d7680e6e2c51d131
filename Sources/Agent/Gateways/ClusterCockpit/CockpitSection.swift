// SPDX-License-Identifier: GPL-3.0-or-later

internal import ClusterCockpit
internal import StatusViews

/// What the status has of ClusterCockpit's backends.
struct CockpitSection: GatewayStatusSection {
    static let key: String? = "clustercockpit"

    /// As the backends name it.
    var cluster = ""
    var backends: [CockpitStatus.Backend] = []

    init() {}

    init(_ word: CockpitStatus) {
        cluster = word.cluster
        backends = word.backends
    }

    /// The part of one backend.
    static func part(_ backend: String) -> String { "ClusterCockpit \(backend)" }
}

extension CockpitStatus.Backend {
    var counts: String {
        let doubt = unconfirmed.map { ", \($0) in doubt" } ?? ""
        return "\(running) running, \(waiting) to tell, \(parked) refused\(doubt)"
    }
}

extension AgentStatus.Part {
    /// A backend that is away keeps nobody's job from anything.
    init(_ backend: CockpitStatus.Backend) {
        let name = CockpitSection.part(backend.name)
        if let problem = backend.problem {
            self.init(name: name, level: .warning, text: "\(problem); \(backend.counts)")
        } else if backend.parked > 0 {
            self.init(
                name: name, level: .warning,
                text: "\(backend.counts): `slurm-grid-agent clustercockpit jobs` has the reasons")
        } else {
            self.init(
                name: name, level: .ok, text: "release \(backend.release ?? "not known yet"); \(backend.counts)")
        }
    }
}

extension StatusPage {
    var clusterCockpit: GatewayPage {
        guard let section = status[CockpitSection.self] else { return GatewayPage() }
        let rows: [HTML] = section.backends.map { backend in
            let badge: HTML =
                backend.problem == nil && backend.parked == 0
                ? Self.badge(.ok, "told") : Self.badge(.warning, backend.problem == nil ? "refuses some" : "waits")
            let trouble: HTML = backend.problem.map { " <span class=\"note warning\">\($0)</span>" } ?? ""
            return Self.row(
                backend.name, "\(badge) \(backend.counts)\(trouble)",
                backend.release.map { "release \($0)" } ?? "its release is not known yet")
        }
        return GatewayPage(right: [
            self.section(
                "clustercockpit", "ClusterCockpit", "Each backend that is told of the jobs of \(section.cluster).",
                "<dl class=\"rows\">\(rows)</dl>")
        ])
    }
}

extension CockpitSection {
    static let metrics: [MetricFamily] = [
        MetricFamily("clustercockpit_rows_waiting", "Runs of which the backend has still to be told.") {
            backends($0) { $0.waiting }
        },
        MetricFamily("clustercockpit_rows_running", "Runs that the backend has as running.") {
            backends($0) { $0.running }
        },
        MetricFamily("clustercockpit_rows_parked", "Runs that the backend refused for good.") {
            backends($0) { $0.parked }
        },
        MetricFamily("clustercockpit_starts", kind: .counter, "Starts that the backend took since the start.") {
            backends($0) { $0.starts }
        },
        MetricFamily("clustercockpit_stops", kind: .counter, "Stops that the backend took since the start.") {
            backends($0) { $0.stops }
        },
        MetricFamily(
            "clustercockpit_failures", kind: .counter, "Times since the start that the backend could not be told."
        ) {
            backends($0) { $0.failed }
        },
    ]

    private static func backends(
        _ status: AgentStatus, _ value: (CockpitStatus.Backend) -> some BinaryInteger
    ) -> [MetricFamily.Sample] {
        (status[CockpitSection.self]?.backends ?? []).prefix(MetricsPage.seriesLimit).map {
            .init(value($0), ("backend", $0.name))
        }
    }
}
