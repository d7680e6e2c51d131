// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings

/// The environment of today's JARVICE downstreams: the reference's names and those of the Helm chart.
enum JarviceEnvironment {
    /// The key that each sets. Where there are two spellings the first one wins.
    private static let names: [String: [String]] = [
        "jarvice.server-key": ["JARVICE_SCHED_SERVER_KEY"],
        "jarvice.dummy.queued-time": ["JARVICE_DUMMY_JOB_QUEUED_TIME"],
        "jarvice.dummy.running-time": ["JARVICE_DUMMY_JOB_RUNNING_TIME"],
        "jarvice.dummy.failing-percent": ["JARVICE_DUMMY_JOB_FAILING_PERCENT"],
        "jarvice.dummy.interactive": ["JARVICE_DUMMY_JOBS_ARE_INTERACTIVE"],
        "jarvice.users.claim": ["JARVICE_SLURM_USERNAME_CLAIM"],
        "jarvice.executor": ["JARVICE_BAREMETAL_EXECUTOR"],
        "jarvice.scratch": ["JARVICE_JOB_SCRATCH_DIR", "JARVICE_SLURM_SCRATCH_DIR"],
        "jarvice.jobs.domain": ["JARVICE_JOBS_DOMAIN"],
        "jarvice.global-scratch": ["JARVICE_JOB_GLOBAL_SCRATCH_DIR"],
        "jarvice.singularity.tmpdir": ["JARVICE_SINGULARITY_TMPDIR"],
        "jarvice.singularity.overlay-size": ["JARVICE_SINGULARITY_OVERLAY_SIZE", "JARVICE_SLURM_OVERLAY_SIZE"],
        "jarvice.singularity.verbose": ["JARVICE_SINGULARITY_VERBOSE"],
        "jarvice.proxy.http": ["JARVICE_BAREMETAL_HTTP_PROXY", "JARVICE_SLURM_HTTP_PROXY"],
        "jarvice.proxy.https": ["JARVICE_BAREMETAL_HTTPS_PROXY", "JARVICE_SLURM_HTTPS_PROXY"],
        "jarvice.proxy.no": ["JARVICE_BAREMETAL_NO_PROXY", "JARVICE_SLURM_NO_PROXY"],
        "jarvice.registry.system": ["JARVICE_SYSTEM_REGISTRY"],
        "jarvice.registry.system-base": ["JARVICE_SYSTEM_REPO_BASE"],
        "jarvice.registry.images-tag": ["JARVICE_IMAGES_TAG"],
        "jarvice.registry.username": ["JARVICE_DOCKER_USERNAME"],
        "jarvice.registry.password": ["JARVICE_DOCKER_PASSWORD"],
        "jarvice.registry.local": ["JARVICE_LOCAL_REGISTRY"],
        "jarvice.registry.local-base": ["JARVICE_LOCAL_REPO_BASE"],
        "jarvice.registry.proxy-port": ["JARVICE_REGISTRY_PROXY_PORT"],
        "jarvice.registry.proxy-repositories": ["JARVICE_REGISTRY_PROXY_REPOS"],
        "jarvice.registry.global": ["JARVICE_JOB_GLOBAL_REGISTRIES"],
    ]

    static func variables(of key: String) -> [String] { names[key] ?? [] }

    private static let noShell = "the agent talks to Slurm on this host and needs no ssh"
    private static let noPods = "the agent makes no pods"
    private static let noREST = "the agent talks to slurmctld itself, not to slurmrestd"

    /// Names that mean nothing here, and why.
    static let useless: [String: String] = [
        "JARVICE_SLURM_CLUSTER_ADDR": noShell, "JARVICE_SLURM_CLUSTER_PORT": noShell,
        "JARVICE_SLURM_SSH_USER": noShell,
        "JARVICE_SLURM_SSH_PKEY": noShell + "; remove that key from where it is",
        "JARVICE_SLURM_SSH_USER_GROUP": noShell, "JARVICE_SLURM_INTERFACE": noShell,
        "JARVICE_CHOWN_WRAPPER": "jobs run as their users and own their files",
        "JARVICE_IDMAPPER_URL": "users come from the token: jarvice.users.map-file or jarvice.users.claim",
        "JARVICE_SLURM_CLIENT": noREST, "JARVICE_SLURMRESTD_URL": noREST, "JARVICE_SLURM_SA_TOKEN": noREST,
        "JARVICE_SLURM_DATA_PARSER_VERSION": noREST, "JARVICE_KEYCLOAK_TOKEN_URL": noREST,
        "JARVICE_KEYCLOAK_CLIENT_ID": noREST, "JARVICE_KEYCLOAK_CLIENT_SECRET": noREST,
        "JARVICE_JOBS_NAMESPACE": noPods, "JARVICE_JOBS_INGRESS_CLASS": noPods,
        "JARVICE_JOBS_INGRESS_ANNOTATIONS": noPods, "JARVICE_JOBS_INGRESS_CERT_ISSUER": noPods,
        "JARVICE_CLUSTER_TYPE": "the agent is a downstream", "JARVICE_SYSTEM_OMIT_REPO_BASE": noPods,
        "JARVICE_SCHED_LOGLEVEL": "set log-level", "JARVICE_SLURM_SCHED_LOGLEVEL": "set log-level",
    ]

    private static let connector = "JARVICE_BAREMETAL_CONNECTOR"

    /// What says that the environment is one of a downstream that listens: its connector, or where.
    static func isDownstream(_ environment: [String: String]) -> Bool {
        [connector, "WAITRESS_PORT", "WAITRESS_BIND_ADDRESS"].contains { environment[$0]?.isEmpty == false }
    }

    /// Where the reference would listen, with waitress.
    static func listen(_ environment: [String: String]) -> (variable: String, text: String)? {
        guard isDownstream(environment) else { return nil }
        func value(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        let address = value("WAITRESS_BIND_ADDRESS")
        let port = value("WAITRESS_PORT")
        let variable = address != nil ? "WAITRESS_BIND_ADDRESS" : port != nil ? "WAITRESS_PORT" : connector
        // Without the word `waitress` it listens on this host only.
        let host = address ?? (port == nil ? "127.0.0.1" : "0.0.0.0")
        return (variable, "\(host.contains(":") ? "[\(host)]" : host):\(port ?? "5000")")
    }

    /// nil: none is named, or none of that name is there.
    static func chosenConnector(_ environment: [String: String]) -> JarviceConfiguration.Connector? {
        environment[connector].flatMap { name in
            JarviceConfiguration.Connector.allCases.first {
                [$0.rawValue, "connectors.\($0.rawValue).connector"].contains(name)
            }
        }
    }

    /// What is wrong with the connector; nil: there is one of that name, or none is named.
    static func connectorProblem(_ environment: [String: String]) -> String? {
        guard let name = environment[connector], !name.isEmpty, chosenConnector(environment) == nil else { return nil }
        return "\(quoted(name)) is not a connector of this agent; there are slurm and dummy"
    }

    static func notices(_ environment: [String: String]) -> [String] {
        guard isDownstream(environment) || environment["JARVICE_SYSTEM_REGISTRY"] != nil else { return [] }
        return environment.keys.sorted().compactMap { name in
            guard environment[name]?.isEmpty == false, let reason = useless[name] else { return nil }
            return "\(name) has no meaning here: \(reason)"
        }
    }
}

extension AgentConfiguration {
    /// The environment file of a reference downstream: where it listens, and what of it means nothing.
    mutating func takeDownstream(_ environment: [String: String]) throws(Problem) {
        for notice in JarviceEnvironment.notices(environment) { notify(notice) }
        if let problem = JarviceEnvironment.connectorProblem(environment) {
            throw Problem([.init(place: .environment("JARVICE_BAREMETAL_CONNECTOR"), text: problem)])
        }
        if places["jarvice.connector"] == nil, let connector = JarviceEnvironment.chosenConnector(environment) {
            jarvice.connector = connector
        }
        guard !jarvice.isOn, let (variable, text) = JarviceEnvironment.listen(environment) else { return }
        do throws(Problem) {
            jarvice.listen = try ValueKind<ListenAddress>.listenAddress.read([text])
            places["jarvice.listen"] = .environment(variable)
        } catch {
            throw Problem(
                error.items.map { item in
                    var item = item
                    item.place = .environment(variable)
                    item.key = "jarvice.listen"
                    return item
                })
        }
    }
}
