// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import ArgumentParser
internal import ClusterBenchmarks
internal import JobLifecycle
internal import Slurm
internal import StatusViews

/// `benchmark.…`: what the cluster is worth, measured by jobs of its own; with a grid and without one.
struct BenchmarkModule: GatewayModule {
    let name = BenchmarkRunner.gatewayName
    /// Nobody sends jobs by it.
    let isUpstream = false

    let configuration = [
        ConfigurationSection(
            title: "Benchmarks", introduction: "What of the cluster is measured, and how. See benchmarks.md.",
            keys: ConfigurationKey.benchmark)
    ]

    func settle(_ configuration: inout AgentConfiguration) -> AgentConfiguration.Problem {
        for notice in configuration.benchmark.notices { configuration.notify(notice) }
        do throws(AgentConfiguration.Conflict) {
            try configuration.benchmark.check()
            let listen = configuration.supervisorEndpoint.listenAddress
            if isConfigured(in: configuration), configuration.benchmarkEndpoint != nil,
                ListenAddress("\(listen)") == nil
            {
                throw .init(keys: [BenchmarkDoor.key], text: "\(listen): the host is a numeric address, as in :3000")
            }
            return .init([])
        } catch {
            return configuration.problem(error)
        }
    }

    func isConfigured(in configuration: AgentConfiguration) -> Bool {
        !configuration.benchmark.isDisabled
            && (configuration.benchmark.resultFolder != nil || configuration.benchmarkEndpoint != nil
                || configuration.benchmarkUsesComments)
    }

    func listeners(in configuration: AgentConfiguration) -> [(key: String, address: ListenAddress)] {
        guard isConfigured(in: configuration), configuration.benchmarkEndpoint != nil else { return [] }
        return ListenAddress("\(configuration.supervisorEndpoint.listenAddress)").map { [(BenchmarkDoor.key, $0)] }
            ?? []
    }

    func secretKeys(in configuration: AgentConfiguration) -> [String] {
        configuration.benchmark.environment.isEmpty ? [] : ["benchmark.env"]
    }

    // MARK: running

    func interest(in configuration: AgentConfiguration) -> Ledger.Interest.Scope? {
        isConfigured(in: configuration) ? .ownJobs : nil
    }

    func open(_ context: GatewayContext) async throws -> OpenGateway? {
        guard isConfigured(in: context.configuration) else { return nil }
        guard let slurm = context.slurm else { throw Patience.Trouble(description: "there is no binding to Slurm") }
        let logger = context.logger
        let file = try BenchmarkFile.open(
            path: context.folder + "/" + stateFiles[0],
            onSetAside: { aside, reason in
                logger.error(
                    "benchmark.sqlite was damaged: it is kept aside, a new one is begun",
                    metadata: ["aside": "\(aside)", "why": "\(reason)"])
            })
        do {
            let door = try await BenchmarkDoor.open(context)
            let grid = context.configuration.grid
            var settings = context.configuration.benchmark.runner(
                partition: grid.partition, account: grid.account, qos: grid.qos)
            settings.options.posting = door?.posting
            settings.options.usesComments = context.configuration.benchmarkUsesComments
            var helper: (@Sendable (String, UInt32) async throws -> OutputFile?)?
            if let read = context.configuration.jobFiles(logger) {
                helper = { path, userID in
                    guard let found = try await read(path, userID) else { return nil }
                    return OutputFile(end: found.text, lines: found.limit)
                }
            }
            let runner = BenchmarkRunner(
                settings: settings, file: file, ledger: context.ledger,
                cluster: SlurmBenchmarkCluster(controller: slurm.controller, partition: grid.partition), logger: logger,
                helper: helper)
            return OpenGateway(
                running: BenchmarkRunning(runner: runner, door: door),
                services: [runner] + (door?.services(runner, logger) ?? []), consumer: runner,
                close: { runner.close() })
        } catch {
            file.close()
            throw error
        }
    }

    func labels(_ configured: [String: String], _ configuration: AgentConfiguration, running: any Sendable) async
        -> [String: String]
    {
        guard let runner = running as? BenchmarkRunning, let measured = try? await runner.runner.measured() else {
            return configured
        }
        return BenchmarkLabels.merge(
            operator: configured, measured: measured.mapValues(\.value), prefer: configuration.benchmark.preference)
    }

    func labelTimes(running: any Sendable) async -> [String: LabelTime] {
        guard let runner = running as? BenchmarkRunning, let measured = try? await runner.runner.measured() else {
            return [:]
        }
        return measured.mapValues { LabelTime(value: $0.value, measuredAt: $0.measuredAt) }
    }

    // MARK: checks

    let stateFiles = ["benchmark.sqlite", BenchmarkDoor.ownCertificate]

    func checks(_ checks: Checks) async -> [Finding] {
        guard isConfigured(in: checks.configuration) else { return [] }
        return await checks.benchmarkLabels()
    }

    func checks(_ checks: Checks, cluster: Cluster, controller: SlurmController) async -> [Finding] {
        checks.benchmarkUser(cluster)
    }

    // MARK: what is shown

    func report(_ parts: RunningParts.State, _ configuration: AgentConfiguration) async -> StatusReport {
        guard let running = parts.gateways[name]?.running as? BenchmarkRunning else { return { _ in } }
        let section = await BenchmarkSection(running)
        let state = running.door?.state.now
        return { status in
            status[BenchmarkSection.self] = section
            for why in state?.troubles ?? [] {
                status.set(.init(name: BenchmarkDoor.key, level: .failure, text: why))
            }
            if state?.isOpen == true { status.listening? += [BenchmarkDoor.key] }
        }
    }

    let statusSection: (any GatewayStatusSection.Type)? = BenchmarkSection.self

    func screen(of status: AgentStatus, _ screen: StatusScreen) -> GatewayScreen {
        guard let section = status[BenchmarkSection.self] else { return GatewayScreen() }
        return GatewayScreen(
            lines: screen.wrap(section.text(at: status.now), name, limit: 2),
            alarms: section.trouble.map { [(name: name, text: $0)] } ?? [])
    }

    func page(of status: AgentStatus, _ page: StatusPage) -> GatewayPage {
        status[BenchmarkSection.self].map { GatewayPage(right: [$0.html(page)]) } ?? GatewayPage()
    }

    let metrics = BenchmarkSection.metrics

    let parts: [String: GatewayPart] = [
        "benchmark": .init(metricName: "benchmark", meaning: "measures what the cluster is worth"),
        "benchmark.run-as": .init(metricName: "benchmark_user"),
        BenchmarkDoor.key: .init(metricName: "benchmark_endpoint", meaning: "where jobs post what they measured"),
    ]

    // MARK: commands

    func control(_ parts: RunningParts) -> [String: ControlServer.Handler] { BenchmarkControl(parts: parts).all }

    var commands: [any AsyncParsableCommand.Type] { [BenchmarkCommand.self] }
}
