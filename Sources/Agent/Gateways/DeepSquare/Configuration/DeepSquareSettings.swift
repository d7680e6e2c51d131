// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import DeepSquare

/// The values of the keys about chain and grid.
struct DeepSquareSettings: GatewaySettings {
    /// `metascheduler.…`, `chain.…`.
    var chain = ChainSettings()
    /// What a provider settles of the grid; its own comments name the keys.
    var grid = GridSettings()
    /// `users.map-file`, of which `grid.customers` is made. Default: none.
    var usersFile: UserMapFile? {
        didSet { grid.customers = usersFile?.customers ?? [:] }
    }
    /// `grpc.listen-address`, `public-address`, `tls…`
    var supervisorEndpoint = SupervisorEndpoint()
    /// `sbatch.tls…`, of which `grid.security` is made.
    var sbatchTLS = SbatchTLS() {
        didSet { grid.security = sbatchTLS.security }
    }
}

extension AgentConfiguration {
    var deepSquare: DeepSquareSettings {
        get { self[DeepSquareSettings.self] }
        set { self[DeepSquareSettings.self] = newValue }
    }

    var chain: ChainSettings {
        get { deepSquare.chain }
        set { deepSquare.chain = newValue }
    }
    var grid: GridSettings {
        get { deepSquare.grid }
        set { deepSquare.grid = newValue }
    }
    var usersFile: UserMapFile? {
        get { deepSquare.usersFile }
        set { deepSquare.usersFile = newValue }
    }
    var supervisorEndpoint: SupervisorEndpoint {
        get { deepSquare.supervisorEndpoint }
        set { deepSquare.supervisorEndpoint = newValue }
    }
    var sbatchTLS: SbatchTLS {
        get { deepSquare.sbatchTLS }
        set { deepSquare.sbatchTLS = newValue }
    }
}

extension DeepSquareModule {
    var configuration: [ConfigurationSection] {
        [
            ConfigurationSection(
                title: "The chain", introduction: "Without `metascheduler.endpoint.rpc` there is no chain.",
                keys: ConfigurationKey.chain),
            ConfigurationSection(title: "The grid: its services", introduction: "", keys: ConfigurationKey.services),
            ConfigurationSection(
                title: "The grid: what this cluster offers", introduction: "", keys: ConfigurationKey.offer),
            ConfigurationSection(
                title: "The grid: whose jobs are taken", introduction: "", keys: ConfigurationKey.policy),
            ConfigurationSection(
                title: "The grid: what is reported of a job", introduction: "", keys: ConfigurationKey.billing),
            ConfigurationSection(
                title: "The grid: where the supervisor took results",
                introduction: "Where jobs of benchmarks post their results; see benchmarks.md.",
                keys: ConfigurationKey.supervisorEndpoint),
        ]
    }

    func settle(_ configuration: inout AgentConfiguration) -> AgentConfiguration.Problem {
        let checks: [() throws(AgentConfiguration.Conflict) -> Void] = [
            configuration.chain.check, configuration.sbatchTLS.check, configuration.supervisorEndpoint.check,
        ]
        var problem = AgentConfiguration.Problem([])
        for check in checks {
            do throws(AgentConfiguration.Conflict) {
                try check()
            } catch {
                problem.add(configuration.problem(error))
            }
        }
        do throws(AgentConfiguration.Problem) {
            try configuration.usersFile?.read()
        } catch {
            problem.add(error)
        }
        for notice in configuration.chain.notices + configuration.sbatchTLS.notices {
            configuration.notify(notice)
        }
        return problem
    }

    func isConfigured(in configuration: AgentConfiguration) -> Bool { !configuration.chain.nodes.isEmpty }

    func secretKeys(in configuration: AgentConfiguration) -> [String] {
        let chain = configuration.chain
        let addresses = [
            ("metascheduler.endpoint.rpc", chain.nodes),
            ("metascheduler.endpoint.ws", [chain.webSocket].compactMap { $0 }),
            ("chain.signer", [chain.signer].compactMap { $0 }),
        ]
        return addresses.filter { $0.1.contains(where: \.hasSecret) }.map(\.0)
    }
}
