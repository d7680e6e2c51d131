// SPDX-License-Identifier: GPL-3.0-or-later

internal import ClusterCockpit
internal import FoundationEssentials
internal import JobLifecycle
internal import Logging
internal import ServiceLifecycle
internal import Support

/// Runs the ClusterCockpit gateway and its outbox: opens it as soon as its file lets it.
struct CockpitPart: Service {
    let configuration: AgentConfiguration
    let folder: String
    let parts: RunningParts
    let ledger: Ledger
    let scheduler: SlurmScheduler
    let logger: Logger

    static let file = "clustercockpit.sqlite"

    /// Nothing of it is made where it is not configured.
    static func interest(_ configuration: AgentConfiguration) -> Ledger.Interest? {
        configuration.clusterCockpit.isOn
            ? Ledger.Interest(gateway: ClusterCockpitGateway.gatewayName, scope: .everything) : nil
    }

    func run() async throws {
        let settings = configuration.clusterCockpit.settings(cluster: scheduler.controller.clusterName)
        let path = folder + "/" + Self.file
        let gateway = try await Patience(retry: RetryPolicy(first: .milliseconds(500), ceiling: .seconds(30))).open(
            waiting: { trouble in
                let reason = trouble.description
                parts.change { $0.cockpitTrouble = trouble }
                logger.error("ClusterCockpit gateway not ready", metadata: ["reason": "\(reason)"])
            },
            {
                do throws(CockpitError) {
                    return try ClusterCockpitGateway(
                        settings: settings, path: path, ledger: ledger,
                        cluster: SlurmCockpitCluster(scheduler: scheduler, ledger: ledger), logger: logger)
                } catch {
                    throw Patience.Trouble(description: error.description)
                }
            })
        guard let gateway else { return }
        defer { gateway.close() }
        parts.change {
            $0.cockpit = gateway
            $0.cockpitTrouble = nil
        }
        defer { parts.change { $0.cockpit = nil } }
        try await ServiceGroup([gateway, OutboxRunner(ledger: ledger, gateway: gateway, logger: logger)]).run()
    }
}
