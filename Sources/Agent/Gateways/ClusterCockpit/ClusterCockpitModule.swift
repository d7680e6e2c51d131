// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import ArgumentParser
internal import ClusterCockpit
internal import JobLifecycle
internal import ServiceLifecycle
internal import Slurm
internal import StatusViews
internal import Support

/// Tells ClusterCockpit's backends of every job of the cluster.
struct ClusterCockpitModule: GatewayModule {
    let name = ClusterCockpitGateway.gatewayName

    private static let file = "clustercockpit.sqlite"

    // MARK: configuration

    let configuration = [
        ConfigurationSection(
            title: "ClusterCockpit",
            introduction:
                "Without `clustercockpit.backends` no backend is told of jobs; docs/clustercockpit.md explains it.",
            keys: ConfigurationKey.clusterCockpit)
    ]

    func settle(_ configuration: inout AgentConfiguration) -> AgentConfiguration.Problem {
        var problem = AgentConfiguration.Problem([])
        do throws(AgentConfiguration.Conflict) {
            try configuration.clusterCockpit.check()
        } catch {
            problem.add(configuration.problem(error))
        }
        do throws(AgentConfiguration.Problem) {
            try configuration.clusterCockpit.hardwareFile?.read()
        } catch {
            problem.add(error)
        }
        for notice in configuration.clusterCockpit.notices { configuration.notify(notice) }
        return problem
    }

    func isConfigured(in configuration: AgentConfiguration) -> Bool { configuration.clusterCockpit.isOn }

    // MARK: running

    func interest(in configuration: AgentConfiguration) -> Ledger.Interest.Scope? {
        isConfigured(in: configuration) ? .everything : nil
    }

    func lastTransition(_ configuration: AgentConfiguration, folder: String) async -> Int64? {
        ClusterCockpitGateway.highestTransition(path: folder + "/" + Self.file)
    }

    func open(_ context: GatewayContext) async throws -> OpenGateway? {
        guard let slurm = context.slurm else { throw Patience.Trouble(description: "there is no binding to Slurm") }
        let gateway = try ClusterCockpitGateway(
            settings: context.configuration.clusterCockpit.settings(cluster: slurm.controller.clusterName),
            path: context.folder + "/" + Self.file,
            cluster: SlurmCockpitCluster(scheduler: slurm, ledger: context.ledger), clock: context.ledger.clock,
            logger: context.logger)
        return OpenGateway(
            running: gateway, services: [gateway, NodeReportReader(reports: context.nodeReports, gateway: gateway)],
            consumer: gateway, close: { gateway.close() })
    }

    let wantsNodeReports = true

    // MARK: checks

    let stateFiles = [Self.file]

    func secretFiles(in configuration: AgentConfiguration) -> [SecretFile] {
        let configured = configuration.clusterCockpit
        return configured.tokenFiles.map {
            SecretFile(
                subject: "token of \($0.name)", kind: .password, path: $0.value,
                remedy: "put the token there, or correct clustercockpit.token-files")
        }
            + configured.natsSecretFiles.map {
                SecretFile(
                    subject: "NATS secret of \($0.name)", kind: .password, path: $0.value,
                    remedy: "put it there, or correct clustercockpit.nats-secret-files")
            }
    }

    /// The running agent's own report has each backend.
    func checks(_ checks: Checks, cluster: Cluster, controller: SlurmController) async -> [Finding] {
        let configured = checks.configuration.clusterCockpit
        guard checks.running == nil, configured.isOn else { return [] }
        let settings = configured.settings(cluster: controller.clusterName)
        return await withTaskGroup(of: (Int, Finding).self) { group in
            for (index, backend) in settings.backends.enumerated() {
                group.addTask {
                    let subject = CockpitSection.part(backend.name)
                    do throws(CockpitError) {
                        let found = try await ClusterCockpitGateway.look(at: backend, settings)
                        return (index, checks.ok(subject, found))
                    } catch {
                        return (index, checks.warning(subject, "\(backend.url): \(error)"))
                    }
                }
            }
            var found: [Int: Finding] = [:]
            for await (index, finding) in group { found[index] = finding }
            return found.sorted { $0.key < $1.key }.map(\.value)
        }
    }

    func clusterSubjects(in configuration: AgentConfiguration) -> [String] {
        configuration.clusterCockpit.backends.map { CockpitSection.part($0.name) }
    }

    // MARK: what is shown

    let troublePart = "ClusterCockpit"

    func report(_ parts: RunningParts.State, _ configuration: AgentConfiguration) async -> StatusReport {
        guard let gateway = parts.gateways[name]?.running as? ClusterCockpitGateway else { return { _ in } }
        let troublePart = troublePart
        do throws(CockpitError) {
            let word = try await gateway.status
            return { status in
                status[CockpitSection.self] = CockpitSection(word)
                for backend in word.backends { status.set(.init(backend)) }
            }
        } catch {
            let text = error.description
            return { $0.set(.init(name: troublePart, level: .failure, text: text)) }
        }
    }

    let statusSection: (any GatewayStatusSection.Type)? = CockpitSection.self

    func screen(of status: AgentStatus, _ screen: StatusScreen) -> GatewayScreen {
        guard let section = status[CockpitSection.self] else { return GatewayScreen() }
        return GatewayScreen(
            lines: section.backends.flatMap { screen.wrap("\($0.name): \($0.counts)", "cockpit", limit: 2) })
    }

    func page(of status: AgentStatus, _ page: StatusPage) -> GatewayPage { page.clusterCockpit }
    let metrics = CockpitSection.metrics

    let parts: [String: GatewayPart] = [
        "ClusterCockpit": .init(metricName: "clustercockpit", meaning: "tells its backends of jobs")
    ]

    // MARK: commands

    func control(_ parts: RunningParts) -> [String: ControlServer.Handler] { CockpitControl(parts: parts).all }

    var commands: [any AsyncParsableCommand.Type] { [CockpitCommand.self] }
}

/// Hands on what nodes say, as fast as the gateway's file takes it.
struct NodeReportReader: Service {
    let reports: NodeReports
    let gateway: ClusterCockpitGateway

    func run() async {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                let some = await reports.next()
                if !some.reports.isEmpty { some.answer(await gateway.take(some.reports.map(NodeReport.init))) }
            }
        }
        reports.close()
    }
}

extension NodeReport {
    init(_ report: NodeReports.Report) {
        let told = report.placement
        self.init(
            jobID: report.jobID, node: report.node, waited: report.waited, cores: told.cores, gpus: told.gpus,
            hardware: NodeHardware(
                cores: told.hardware.map { $0.map { $0.map(Int.init) } }, gpus: told.gpuAddresses, memory: told.memory))
    }
}

extension AgentConfiguration {
    var clusterCockpit: CockpitConfiguration {
        get { self[CockpitConfiguration.self] }
        set { self[CockpitConfiguration.self] = newValue }
    }
}
