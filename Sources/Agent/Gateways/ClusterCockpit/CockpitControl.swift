// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import ClusterCockpit

/// What the running agent answers of ClusterCockpit's backends.
struct CockpitControl {
    let parts: RunningParts

    static func arguments(
        job: UInt32?, direction: String? = nil, isDryRun: Bool = false, backend: String? = nil
    ) -> [String: String] {
        var arguments: [String: String] = [:]
        arguments["job"] = job.map(String.init)
        arguments["direction"] = direction
        arguments["dry"] = isDryRun ? "true" : nil
        arguments["backend"] = backend
        return arguments
    }

    var all: [String: ControlServer.Handler] {
        [
            "clustercockpit": { _ in try ControlServer.single(try await gateway().status) },
            "clustercockpit-jobs": { request in
                try ControlServer.single(
                    try await gateway().jobs(
                        jobID: try job(request), limit: min(max(request.limit ?? 50, 1), 10_000)))
            },
            "clustercockpit-sync": { request in
                let arguments = request.arguments ?? [:]
                return try ControlServer.single(
                    try await gateway().sync(
                        dryRun: arguments["dry"] == "true",
                        direction: arguments["direction"].flatMap(SyncDirection.init) ?? .both,
                        jobID: try job(request), limit: max(0, request.limit ?? .max),
                        backend: arguments["backend"]))
            },
        ]
    }

    /// What is not a number names no job, and must not mean all.
    private func job(_ request: ControlRequest) throws(ControlFailure) -> UInt32? {
        guard let text = request.arguments?["job"] else { return nil }
        guard let number = UInt32(text) else { throw ControlFailure(description: "\(quoted(text)) is no job id") }
        return number
    }

    private func gateway() async throws(ControlFailure) -> ClusterCockpitGateway {
        guard parts.configuration.clusterCockpit.isOn else {
            throw ControlFailure(
                description: parts.configured()?.clusterCockpit.isOn == true
                    ? RunningParts.staleConfiguration
                    : "this agent is set up without ClusterCockpit: clustercockpit.backends is not in its "
                        + "configuration")
        }
        return try await parts.running(ClusterCockpitModule(), "ClusterCockpit gateway") {
            $0 as? ClusterCockpitGateway
        }
    }
}
