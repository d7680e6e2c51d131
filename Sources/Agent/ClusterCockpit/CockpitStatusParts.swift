// SPDX-License-Identifier: GPL-3.0-or-later

internal import ClusterCockpit
internal import Glibc

extension AgentStatus.Part {
    /// A backend that is away keeps nobody's job from anything.
    init(_ backend: CockpitStatus.Backend) {
        let name = "ClusterCockpit \(backend.name)"
        let jobs = "\(backend.running) running, \(backend.waiting) to tell, \(backend.parked) refused"
        if let problem = backend.problem {
            self.init(name: name, level: .warning, text: "\(problem); \(jobs)")
        } else if backend.parked > 0 {
            self.init(
                name: name, level: .warning,
                text: "\(jobs): `slurm-grid-agent clustercockpit jobs` has the reasons")
        } else {
            self.init(name: name, level: .ok, text: "release \(backend.release ?? "not known yet"); \(jobs)")
        }
    }
}

extension MetricsPage {
    static let clusterCockpit: [MetricFamily] = [
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
        (status.clusterCockpit?.backends ?? []).prefix(64).map { .init(value($0), ("backend", $0.name)) }
    }
}

extension Checks {
    /// Of each backend: its token's file. That it answers the running agent says.
    func clusterCockpit() -> [Finding] {
        configuration.clusterCockpit.tokenFiles.map { pair in
            let subject = "ClusterCockpit \(pair.name)"
            var status = stat()
            guard lstat(pair.value, &status) == 0 else {
                return failure(
                    subject,
                    "\(pair.value): \(String(cString: strerror(errno))): put the token there, or correct clustercockpit.token-files"
                )
            }
            if let trouble = secretTrust.trouble(.password, pair.value, FileTrust.Facts(status)) {
                return failure(subject, trouble)
            }
            return ok(subject, "token in \(pair.value)")
        }
    }
}
