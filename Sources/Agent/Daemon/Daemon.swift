// SPDX-License-Identifier: GPL-3.0-or-later

internal import DeepSquare
internal import FoundationEssentials
internal import Glibc
internal import JobLifecycle
internal import Logging
internal import NIOConcurrencyHelpers
internal import ServiceLifecycle
internal import Slurm
internal import SpankBridge
internal import UnixSignals

/// The running agent: opens what it needs, in the order in which it may fail, and runs all parts until a signal.
struct Daemon {
    let configurationFile: String?
    let configuration: AgentConfiguration
    private let logger = Logger(label: "agent")

    struct StartFailure: Error, CustomStringConvertible {
        var exitStatus: Int32
        var description: String
    }

    init(configurationFile: String?, configuration: AgentConfiguration) {
        self.configurationFile = configurationFile
        self.configuration = configuration
    }

    func run() async throws {
        let notifier = SystemdNotifier(environment: ProcessInfo.processInfo.environment)
        AgentLogHandler.setLevel(configuration.logLevel)
        for (key, value) in configuration.effective {
            logger.info("setting", metadata: ["key": "\(key)", "value": "\(value)"])
        }
        for notice in configuration.notices { logger.warning("\(notice)") }
        let controller = try await connect()
        let folder = try lockStateFolder()
        let journal = configuration.journalFile.map(JournalGateway.init(path:))
        let ledger = try openLedger(folder.path, cluster: controller.clusterName, journal)
        let chain = try await ChainParts.open(configuration.chain, folder: folder.path, logger: logger)
        let scheduler = SlurmScheduler(
            controller: controller, accounting: SlurmAccounting(configurationFile: configuration.slurmConf))
        let grid = try await GridParts.open(
            configuration, chain: chain, folder: folder.path, ledger: ledger, scheduler: scheduler, logger: logger)
        let gateways = [journal as (any Gateway)?, grid?.gateway].compactMap { $0 }
        try await serve(scheduler, ledger, gateways, chain, grid, notifier)
        await chain?.close()
        ledger.close()
        controller.close()
        logger.notice("ended")
        withExtendedLifetime(folder) {}
    }

    // MARK: opening

    private func connect() async throws -> SlurmController {
        var settings = SlurmController.Configuration()
        settings.configurationFile = configuration.slurmConf
        let logger = logger
        settings.onExhausted = { lasted in
            logger.critical(
                "every thread that talks to Slurm has been stuck; giving up so that systemd starts the agent anew",
                metadata: ["for": "\(lasted)"])
            exitProcess(70)
        }
        do throws(SlurmError) {
            return try await SlurmController.connect(settings)
        } catch {
            throw StartFailure(exitStatus: error.code == .configuration ? 78 : 69, description: error.description)
        }
    }

    private func lockStateFolder() throws -> StateFolder {
        do throws(StateFolder.Problem) {
            return try StateFolder(configuration.stateFolder)
        } catch {
            throw StartFailure(
                exitStatus: error.description.contains("another agent") ? 75 : 73, description: error.description)
        }
    }

    private func openLedger(_ folder: String, cluster: String, _ journal: JournalGateway?) throws -> Ledger {
        var interests = journal.map { [Ledger.Interest(gateway: $0.name, scope: $0.scope)] } ?? []
        if configuration.chain.contract != nil {
            interests.append(Ledger.Interest(gateway: GridFile.gatewayName, scope: .ownJobs))
        }
        let ledger: Ledger
        do throws(LedgerError) {
            ledger = try Ledger(
                path: folder + "/ledger.sqlite", cluster: cluster, interests: interests)
        } catch {
            let final = error.code == .newer || error.code == .otherCluster
            throw StartFailure(exitStatus: final ? 78 : 73, description: error.description)
        }
        // Until slurmctld has said that failed jobs stay failed, each is asked about.
        ledger.policy = RequeuePolicy(exitCodesRequeue: true)
        switch ledger.opening {
        case .created:
            logger.notice("began a new ledger", metadata: ["path": "\(ledger.path)"])
        case .existing:
            break
        case .replaced(let aside, let why):
            logger.error(
                "the ledger was damaged: it is kept aside, a new one is rebuilt from what Slurm knows",
                metadata: ["aside": "\(aside)", "why": "\(why)"])
        }
        return ledger
    }

    // MARK: running

    private func serve(
        _ scheduler: SlurmScheduler, _ ledger: Ledger, _ gateways: [any Gateway], _ chain: ChainParts?,
        _ grid: GridParts?, _ notifier: SystemdNotifier
    ) async throws {
        let registry = PluginRegistry()
        let sink = EventSink(ledger: ledger, registry: registry, marks: try await ledger.marks())
        let retention = NIOLockedValueBox(configuration.retention)
        let bridge = try makeBridge(sink, notifier)

        var reconciler = Reconciler.Settings()
        reconciler.interval = configuration.pollInterval
        reconciler.sweepInterval = configuration.sweepInterval
        reconciler.accountingInterval = configuration.accountingInterval
        var follower = HintFollower.Settings()
        follower.vanishInterval = configuration.vanishAfter

        // Ended in the opposite order: first nothing new comes in, last goes out what is there.
        var services: [any Service] = [
            Caretaker(
                ledger: ledger, controller: scheduler.controller, notifier: notifier, retention: retention,
                logger: logger)
        ]
        services += chain?.services(configuration.chain, contracts: grid?.watched ?? [], logger: logger) ?? []
        if let grid { services.append(grid.gateway) }
        services += gateways.map { OutboxRunner(ledger: ledger, gateway: $0, logger: logger) }
        services += [
            HintFollower(ledger: ledger, scheduler: scheduler, settings: follower, logger: logger),
            Submitter(ledger: ledger, scheduler: scheduler, logger: logger),
            Reconciler(
                ledger: ledger, scheduler: scheduler, settings: reconciler, logger: logger,
                afterPoll: { SlurmController.releaseMemory() }),
            Reloader(
                file: configurationFile, running: configuration, retention: retention, notifier: notifier,
                logger: logger),
            try makeControl(ledger, registry, bridge, chain, grid),
            bridge,
        ]
        var lifecycle = ServiceGroupConfiguration(
            services: services.map { .init(service: $0) }, gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger)
        // Nothing is lost by ending in the middle: what hangs then is cancelled.
        lifecycle.maximumGracefulShutdownDuration = .seconds(40)
        try await ServiceGroup(configuration: lifecycle).run()
    }

    private func makeBridge(_ sink: EventSink, _ notifier: SystemdNotifier) throws -> BridgeServer {
        var settings = BridgeServer.Settings(socket: try socket(configuration.bridgeSocket))
        settings.mode = configuration.bridgeMode
        let path = settings.socket.path
        settings.listen = configuration.bridgeListen.flatMap(ListenAddress.init).map { ($0.host, $0.port) }
        return BridgeServer(
            settings: settings, sink: sink, opener: MungeOpener(socket: configuration.mungeSocket), logger: logger,
            onListening: { [logger] in
                logger.notice("listening for the plugins", metadata: ["socket": "\(path)"])
                notifier.ready(status: "listening for the plugins")
            })
    }

    private func makeControl(
        _ ledger: Ledger, _ registry: PluginRegistry, _ bridge: BridgeServer, _ chain: ChainParts?, _ grid: GridParts?
    ) throws -> ControlServer {
        let handlers = ControlHandlers(
            ledger: ledger, registry: registry, counters: { bridge.counters }, socket: configuration.bridgeSocket,
            chain: chain, grid: grid?.gateway)
        return ControlServer(
            socket: try socket(configuration.controlSocket), allowedUsers: [0, geteuid()], handlers: handlers.all,
            logger: logger)
    }

    /// Checks that a socket can be made there, while there is still somebody to tell.
    private func socket(_ path: String) throws -> UnixSocketPath {
        do throws(UnixSocketPath.Problem) {
            let socket = try UnixSocketPath(path)
            try socket.prepare()
            return socket
        } catch {
            throw StartFailure(exitStatus: 73, description: error.description)
        }
    }
}
