// SPDX-License-Identifier: GPL-3.0-or-later

extension ClusterCockpitGateway {
    /// Asks one backend which release it is and whether it has the cluster; changes nothing there.
    ///
    /// - Returns: what is so.
    /// - Throws: why it cannot be told of jobs.
    public static func look(
        at backend: CockpitSettings.Backend, _ settings: CockpitSettings
    ) async throws(CockpitError) -> String {
        let transport = try HTTPBackendTransport(backend, certificateAuthority: settings.certificateAuthority)
        var events: (any EventPublisher)?
        do throws(CockpitError) {
            events = try settings.publisher(of: backend)
            let found = try await look(with: transport, settings, events: events)
            await transport.shutdown()
            await events?.shutdown()
            return found
        } catch {
            await transport.shutdown()
            await events?.shutdown()
            throw error
        }
    }

    static func look(
        with transport: any BackendTransport, _ settings: CockpitSettings, events: (any EventPublisher)? = nil
    ) async throws(CockpitError) -> String {
        let client = BackendClient(
            transport: transport, cluster: settings.cluster, timeout: min(settings.timeout, .seconds(20)))
        let release = try await release(of: client)
        guard release.hasClusters else { return "release \(release.rawValue)" }
        guard let topology = try await client.topology() else {
            throw CockpitError(
                .configuration,
                "release \(release.rawValue), which has no cluster \(settings.cluster): "
                    + "set clustercockpit.cluster to its name there")
        }
        let groups = topology.groups.map(\.name).joined(separator: ", ")
        let found = "release \(release.rawValue), cluster \(settings.cluster) with \(groups)"
        guard let events else { return found }
        guard release == .v15 else {
            throw CockpitError(.configuration, "release \(release.rawValue), which takes no jobs by NATS")
        }
        guard try await !client.takesJobsByHTTP() else { throw CockpitError(.configuration, BackendSender.wrongWay) }
        try await events.check()
        return found + "; its NATS server answers"
    }

    private static func release(of client: BackendClient) async throws(CockpitError) -> BackendRelease {
        var probe = ReleaseProbe()
        while true {
            switch probe.take(try await client.probe(probe.request)) {
            case .next: continue
            case .found(let release): return release
            case .waits(let reason): throw CockpitError(.unavailable, reason)
            }
        }
    }
}
