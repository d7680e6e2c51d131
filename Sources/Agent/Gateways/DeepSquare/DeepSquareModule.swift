// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import ArgumentParser
internal import DeepSquare
internal import JobLifecycle
internal import Slurm
internal import StatusViews

/// The chain and the DeepSquare grid on it.
struct DeepSquareModule: GatewayModule {
    static let name = GridFile.gatewayName

    let name = GridFile.gatewayName

    // MARK: running

    func interest(in configuration: AgentConfiguration) -> Ledger.Interest.Scope? {
        configuration.chain.contract == nil ? nil : .ownJobs
    }

    func lastTransition(_ configuration: AgentConfiguration, folder: String) async -> Int64? {
        GridFile.highestTransition(path: folder + "/deepsquare.sqlite")
    }

    // MARK: checks

    let stateFiles = ["chain.sqlite", "deepsquare.sqlite"]

    func secretFiles(in configuration: AgentConfiguration) -> [SecretFile] {
        let chain = configuration.chain
        return [
            chain.keyFile.map {
                SecretFile(
                    subject: "key file", kind: .key, path: $0,
                    remedy:
                        "put the key back, or make one: slurm-grid-agent key new --file \($0) (as the agent's user), "
                        + "or correct chain.key-file")
            },
            chain.keyPasswordFile.map {
                SecretFile(
                    subject: "password file", kind: .password, path: $0,
                    remedy: "put it back, or correct chain.key-password-file")
            },
            configuration.supervisorEndpoint.keyFile.map {
                SecretFile(subject: "TLS key file", kind: .token, path: $0, remedy: SecretFile.putBack)
            },
        ].compactMap { $0 }
    }

    let checkPace = CheckPace(
        costly: ["key", "supervisor", "sbatch service", "key's use"], retried: ["sbatch service"],
        group: Checks.ofCustomers)

    func checks(_ checks: Checks) async -> [Finding] { await checks.chain() }

    func checks(_ checks: Checks, cluster: Cluster, controller: SlurmController) async -> [Finding] {
        guard checks.configuration.chain.contract != nil else { return [] }
        var findings = await checks.partition(controller)
        if checks.isThorough { findings += await checks.supervisorJobs(controller) }
        if checks.isThorough || !checks.again.isDisjoint(with: Checks.ofCustomers) {
            findings += await checks.customers(cluster, controller)
        } else if let missed = await checks.missedCustomers() {
            // A job is claimed and waits for its user's name: not five minutes.
            findings.append(missed)
        }
        return findings
    }

    func clusterSubjects(in configuration: AgentConfiguration) -> [String] {
        configuration.chain.contract == nil ? [] : ["partition"]
    }

    // MARK: what is shown

    func unopened(_ parts: RunningParts.State, _ configuration: AgentConfiguration) -> [String] {
        guard isConfigured(in: configuration) else { return [] }
        return (parts.chain == nil ? ["chain"] : [])
            + (configuration.chain.contract != nil && parts.grid == nil ? ["grid"] : [])
    }

    let troublePart = "chain"

    func report(_ parts: RunningParts.State, _ configuration: AgentConfiguration) async -> StatusReport {
        let hasChain = isConfigured(in: configuration)
        let hasGrid = hasChain && configuration.chain.contract != nil
        let report = await DeepSquareReport(parts.chain, parts.grid)
        return { status in
            status.hasChain = hasChain
            status.hasGrid = hasGrid
            report.add(to: &status)
        }
    }

    let statusSection: (any GatewayStatusSection.Type)? = DeepSquareSection.self

    func isAwaited(in status: AgentStatus) -> Bool { status.hasGrid == true }

    func summary(of status: AgentStatus) -> String? {
        status.grid == nil ? nil : "\(status.jobs.ofGrid) of the grid"
    }

    func figures(of status: AgentStatus) -> [String] {
        [("balance_coins", status.chain?.balance), ("credits", status.grid?.credits)].compactMap { name, wei in
            wei.flatMap(Amount.init(wei:)).map { "\(name)=\($0.exact)" }
        }
    }

    func screen(of status: AgentStatus, _ screen: StatusScreen) -> GatewayScreen { screen.deepSquare }
    func page(of status: AgentStatus, _ page: StatusPage) -> GatewayPage { page.deepSquare }
    var metrics: [MetricFamily] { DeepSquareMetrics.families }

    let parts: [String: GatewayPart] = [
        "account": .init(metricName: "account", meaning: "who is charged for the grid's jobs"),
        "associations": .init(metricName: "associations", meaning: "in whose account they run"),
        "balance": .init(metricName: "balance", meaning: "pays for transactions"),
        "chain": .init(metricName: "chain", meaning: "the nodes that the agent talks to"),
        "contract": .init(metricName: "contract", meaning: "the grid's program on the chain"),
        "customers": .init(metricName: "customers", meaning: "as whom the grid's jobs run"),
        "grid jobs": .init(metricName: "grid_jobs", meaning: "what became of the grid's jobs here"),
        "grid's file": .init(metricName: "grid_file"),
        "key": .init(metricName: "key", meaning: "signs transactions"),
        "key file": .init(metricName: "key_file", meaning: "the account's key"),
        "key's use": .init(metricName: "key_use", meaning: "whether somebody else uses the key too"),
        "partition": .init(metricName: "partition", meaning: "where the grid's jobs run"),
        "password file": .init(metricName: "password_file", meaning: "opens the keystore"),
        "provider": .init(metricName: "provider", meaning: "this cluster's entry at the grid"),
        "qos": .init(metricName: "qos", meaning: "the QOS of the grid's jobs"),
        "sbatch service": .init(metricName: "sbatch_service", meaning: "hands out the jobs' scripts"),
        "supervisor": .init(metricName: "supervisor", meaning: "what this agent replaces"),
        "transactions": .init(metricName: "transactions", meaning: "what the account sends"),
        "TLS key file": .init(metricName: "tls_key_file"),
        "users.map": .init(metricName: "users_map", meaning: "as whom the grid's jobs run"),
    ]

    // MARK: commands

    func control(_ parts: RunningParts) -> [String: ControlServer.Handler] { DeepSquareControl(parts: parts).all }

    var commands: [any AsyncParsableCommand.Type] {
        [
            ChainCommand.self, KeyCommand.self, GridCommand.self, ProviderCommand.self, FormerNames.Drain.self,
            FormerNames.Resume.self,
        ]
    }
}
