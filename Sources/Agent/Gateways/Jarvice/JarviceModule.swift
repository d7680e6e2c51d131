// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import ArgumentParser
internal import Jarvice
internal import JobLifecycle
internal import Slurm
internal import StatusViews

/// A JARVICE upstream, which asks by HTTP and is never called.
struct JarviceModule: GatewayModule {
    static let name = JarviceGateway.gatewayName
    static let answerFile = "jarvice.sqlite"

    let name = JarviceGateway.gatewayName

    // MARK: configuration

    let configuration = [
        ConfigurationSection(
            title: "The JARVICE gateway",
            introduction:
                "Without `jarvice.listen` and `jarvice.listen-socket` there is none; jarvice.md has the names of today's "
                + "downstreams.",
            keys: ConfigurationKey.jarvice)
    ]

    func variables(of key: String) -> [String] { JarviceEnvironment.variables(of: key) }

    func take(
        environment: [String: String], _ configuration: inout AgentConfiguration
    ) throws(AgentConfiguration.Problem) {
        try configuration.takeDownstream(environment)
    }

    func settle(_ configuration: inout AgentConfiguration) -> AgentConfiguration.Problem {
        do throws(AgentConfiguration.Conflict) {
            try configuration.jarvice.check()
        } catch {
            return configuration.problem(error)
        }
        let jarvice = configuration.jarvice
        for notice in jarvice.notices(retention: configuration.retention, places: configuration.places) {
            configuration.notify(notice)
        }
        return AgentConfiguration.Problem([])
    }

    func isConfigured(in configuration: AgentConfiguration) -> Bool { configuration.jarvice.isOn }

    func secretKeys(in configuration: AgentConfiguration) -> [String] {
        let registries = configuration.jarvice.settings.executor.registries
        return [
            configuration.jarvice.serverKey == nil ? nil : "jarvice.server-key",
            registries.initPassword.isEmpty ? nil : "jarvice.registry.password",
        ].compactMap { $0 }
    }

    func listeners(in configuration: AgentConfiguration) -> [(key: String, address: ListenAddress)] {
        let jarvice = configuration.jarvice
        guard jarvice.isOn else { return [] }
        return [("jarvice.listen", jarvice.listen), ("jarvice.jobs.listen", jarvice.jobsListen)].compactMap {
            key, address in
            address.map { (key, $0) }
        }
    }

    func sockets(in configuration: AgentConfiguration) -> [(key: String, path: String)] {
        configuration.jarvice.socket.map { [("jarvice.listen-socket", $0)] } ?? []
    }

    // MARK: running

    func interest(in configuration: AgentConfiguration) -> Ledger.Interest.Scope? {
        configuration.jarvice.isOn && configuration.jarvice.connector == .slurm ? .ownJobs : nil
    }

    // MARK: checks

    let stateFiles = [JarviceModule.answerFile]

    func secretFiles(in configuration: AgentConfiguration) -> [SecretFile] {
        let jarvice = configuration.jarvice
        let files = [
            ("jarvice key file", jarvice.serverKeyFile), ("jarvice TLS key", jarvice.certificateKey),
            ("jarvice jobs TLS key", jarvice.takesInteractive ? jarvice.jobsKey : nil),
        ]
        return files.compactMap { subject, path in
            path.map { SecretFile(subject: subject, kind: .token, path: $0, remedy: SecretFile.putBack) }
        }
    }

    func checks(_ checks: Checks) async -> [Finding] { await checks.jarvice() }

    func checks(_ checks: Checks, cluster: Cluster, controller: SlurmController) async -> [Finding] {
        checks.jarviceSelection(cluster)
    }

    func clusterSubjects(in configuration: AgentConfiguration) -> [String] {
        configuration.jarvice.isOn && configuration.jarvice.connector == .slurm ? ["jarvice resources"] : []
    }

    // MARK: what is shown

    func report(_ parts: RunningParts.State, _ configuration: AgentConfiguration) async -> StatusReport {
        guard let running = parts.gateways[name]?.running as? JarviceRunning else { return { _ in } }
        let word = await running.status()
        let (doors, open) = (running.doors.troubles, running.doors.open)
        let isInsecure = configuration.jarvice.settings.tokens.isInsecure
        let isDummy = running.gateway == nil
        return { status in
            status.take(word, doors: doors, isInsecure: isInsecure, isDummy: isDummy)
            status.listening? += open
        }
    }

    let statusSection: (any GatewayStatusSection.Type)? = JarviceSection.self

    func summary(of status: AgentStatus) -> String? {
        status[JarviceSection.self].map { "\($0.counts.submitted) of JARVICE since the start" }
    }

    func screen(of status: AgentStatus, _ screen: StatusScreen) -> GatewayScreen { screen.jarvice }
    func page(of status: AgentStatus, _ page: StatusPage) -> GatewayPage { page.jarvice }
    var metrics: [MetricFamily] { JarviceMetrics.families }

    let parts: [String: GatewayPart] = [
        "jarvice": .init(metricName: "jarvice", meaning: "the calls of the JARVICE upstream"),
        "jarvice.listen": .init(metricName: "jarvice_listen", meaning: "where the JARVICE upstream calls"),
        "jarvice.listen-socket": .init(
            metricName: "jarvice_listen_socket", meaning: "where the JARVICE upstream calls on this host"),
        "jarvice dialogue": .init(metricName: "jarvice_dialogue", meaning: "where calls of JARVICE are recorded"),
        "jarvice files": .init(metricName: "jarvice_files", meaning: "what reads the output of JARVICE's jobs"),
        "jarvice.jobs.listen": .init(
            metricName: "jarvice_jobs_listen", meaning: "where users open the pages of interactive jobs"),
        "jarvice certificate": .init(
            metricName: "jarvice_certificate", meaning: "the certificate that the JARVICE upstream is shown"),
        "jarvice jobs certificate": .init(
            metricName: "jarvice_jobs_certificate", meaning: "the certificate of interactive jobs' pages"),
        "jarvice jobs TLS key": .init(metricName: "jarvice_jobs_tls_key"),
        "jarvice key file": .init(metricName: "jarvice_key_file", meaning: "what the JARVICE upstream shows of itself"),
        "jarvice resources": .init(metricName: "jarvice_resources", meaning: "what JARVICE needs Slurm to count"),
        "jarvice TLS key": .init(metricName: "jarvice_tls_key"),
        "jarvice tokens": .init(metricName: "jarvice_tokens", meaning: "how tokens of JARVICE's users are verified"),
        "jarvice users": .init(metricName: "jarvice_users", meaning: "as whom JARVICE's jobs run"),
    ]

    // MARK: commands

    func control(_ parts: RunningParts) -> [String: ControlServer.Handler] {
        [
            "jarvice": { _ in
                guard parts.configuration.jarvice.isOn else {
                    throw ControlFailure(
                        description: parts.configured()?.jarvice.isOn == true
                            ? RunningParts.staleConfiguration
                            : "this agent is set up without JARVICE: neither jarvice.listen nor jarvice.listen-socket is in "
                                + "its configuration")
                }
                let running = try await parts.running(self, "JARVICE gateway") { $0 as? JarviceRunning }
                let isInsecure = parts.configuration.jarvice.settings.tokens.isInsecure
                return try ControlServer.single(
                    JarviceSection(await running.status(), isInsecure: isInsecure))
            }
        ]
    }

    var commands: [any AsyncParsableCommand.Type] { [JarviceCommand.self] }
}
