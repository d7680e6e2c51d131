// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import Dispatch
internal import Glibc
internal import JobLifecycle
internal import Logging
internal import NIOConcurrencyHelpers
internal import ServiceLifecycle
internal import Slurm
internal import SlurmAdapter
internal import SpankBridge
internal import Support

/// Everything that needs slurm.conf, which says whose ledger it is: waits for it, opens the ledger, listens for the plugins,
/// and follows the cluster's jobs. slurmctld itself may be down all the while.
struct SlurmPart: Service {
    let configuration: AgentConfiguration
    /// The locked state folder.
    let folder: String
    let parts: RunningParts
    let notifier: SystemdNotifier
    /// SIGHUP may change it.
    let retention: NIOLockedValueBox<Duration>
    let logger: Logger

    /// Those that are configured.
    private var gateways: [any GatewayModule] { parts.modules.filter { $0.isConfigured(in: configuration) } }

    func run() async throws {
        guard let controller = try await connectPatiently() else { return }
        defer { controller.close() }
        let ledger = try await openLedger(cluster: controller.clusterName)
        defer { ledger.close() }
        let scheduler = SlurmScheduler(
            controller: controller, accounting: SlurmAccounting(configurationFile: configuration.slurmConf))
        if gateways.contains(where: \.wantsNodeReports) { parts.nodeReports.want() }
        let sink = EventSink(
            ledger: ledger, registry: parts.registry, nodeReports: parts.nodeReports,
            marks: try await ledger.marks())
        let bridge = try makeBridge(sink)
        parts.change {
            $0.scheduler = scheduler
            $0.slurmTrouble = nil
            $0.ledger = ledger
            $0.bridge = bridge
        }
        // Nobody finds what is about to be closed.
        defer {
            parts.change {
                $0.scheduler = nil
                $0.ledger = nil
                $0.bridge = nil
            }
        }
        try await ServiceGroup(services(scheduler, ledger, bridge)).run()
    }

    // MARK: opening

    /// Idle is a state to be in, not a failure: systemd is told that all is ready, and what to do next.
    private func connectPatiently() async throws -> SlurmController? {
        // libslurm may look for a configless slurmctld in the DNS, for as long as that takes.
        let impatience = Task { [notifier] in
            try await Task.sleep(for: .milliseconds(700))
            notifier.ready(status: "idle: reading slurm.conf")
        }
        defer { impatience.cancel() }
        return try await Patience().open(
            waiting: { trouble in
                let words = trouble.description
                parts.change { $0.slurmTrouble = trouble }
                logger.warning("waits for Slurm", metadata: ["why": "\(words)"])
                notifier.ready(status: "idle: \(words)")
            }, { try await connect() })
    }

    /// Where libslurm looks by itself (slurm.conf(5); the second is where a configless slurmd leaves it).
    private static let usualFiles = ["/etc/slurm/slurm.conf", "/run/slurm/conf/slurm.conf"]

    private func connect() async throws -> SlurmController {
        var settings = SlurmController.Configuration()
        settings.configurationFile = configuration.slurmConf
        let logger = logger
        settings.onExhausted = { lasted in
            logger.critical(
                "every thread that talks to Slurm has been stuck; giving up so that systemd starts the agent again",
                metadata: ["for": "\(lasted)"])
            leave(70)
        }
        do throws(SlurmError) {
            return try await SlurmController.connect(settings)
        } catch {
            throw Self.absence(configuration.slurmConf) ?? Patience.Trouble(description: error.description)
        }
    }

    /// A host that is not set up yet is no failure.
    static func absence(_ configured: String?) -> Patience.Trouble? {
        guard configured == nil, getenv("SLURM_CONF") == nil,
            !usualFiles.contains(where: { access($0, F_OK) == 0 })
        else { return nil }
        return Patience.Trouble(
            description:
                "there is no \(usualFiles[0]): set up slurmctld on this host, or name its file (key slurm.conf)",
            level: .warning)
    }

    private func openLedger(cluster: String) async throws -> Ledger {
        let interests = parts.modules.compactMap { module in
            module.interest(in: configuration).map { Ledger.Interest(gateway: module.name, scope: $0) }
        }
        let path = folder + "/ledger.sqlite"
        let opened = await Self.open(
            path, cluster: cluster, interests,
            { [logger, notifier] step in
                // systemd waits for TimeoutStartSec= only, and what comes of plugins meanwhile waits in their spool.
                notifier.ready(status: step.words)
                logger.notice("the ledger takes a while to open", metadata: ["why": "\(step.words)"])
            })
        let ledger: Ledger
        do throws(LedgerError) {
            ledger = try opened.get()
        } catch {
            let final = error.code == .newer || error.code == .otherCluster
            throw Daemon.StartFailure(exitStatus: final ? 78 : 73, description: error.description)
        }
        try await numberAboveOthers(ledger)
        // Until slurmctld has said that jobs that are over stay so, each is asked about.
        ledger.policy = RequeuePolicy(exitCodesRequeue: true, successRequeues: true)
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

    /// What a gateway knows by its number is not told under that number again, also when the ledger is a new one.
    private func numberAboveOthers(_ ledger: Ledger) async throws {
        let answers = await parts.answers.all(parts.modules, "last transition", within: .seconds(10)) { module in
            await module.lastTransition(configuration, folder: folder)
        }
        let told = answers.compactMap { $0.answer ?? nil }.max() ?? 0
        do throws(LedgerError) {
            guard try await ledger.number(above: told) else { return }
        } catch {
            throw Daemon.StartFailure(exitStatus: 73, description: error.description)
        }
        guard ledger.wasBound else { return }
        logger.warning(
            "the ledger is older than what was told from it: an old copy, or it lost its end; what it lacks comes from Slurm",
            metadata: ["path": "\(ledger.path)"])
    }

    /// On a thread of its own: it may take minutes.
    private static func open(
        _ path: String, cluster: String, _ interests: [Ledger.Interest],
        _ progress: @escaping @Sendable (Ledger.OpeningStep) -> Void
    ) async -> Result<Ledger, LedgerError> {
        await withCheckedContinuation { continuation in
            DispatchQueue(label: "ledger-open").async {
                continuation.resume(
                    returning: Result { () throws(LedgerError) in
                        try Ledger(
                            path: path, cluster: cluster, interests: interests, steady: SteadyClock.now,
                            progress: progress)
                    })
            }
        }
    }

    private func makeBridge(_ sink: EventSink) throws -> BridgeServer {
        var settings = BridgeServer.Settings(socket: try Daemon.socket(configuration.bridgeSocket))
        settings.mode = configuration.bridgeMode
        let path = settings.socket.path
        settings.listen = configuration.bridgeListen.flatMap(ListenAddress.init).map { ($0.host, $0.port) }
        return BridgeServer(
            settings: settings, sink: sink, opener: MungeOpener(socket: configuration.mungeSocket), logger: logger,
            onListening: { [logger, notifier, parts] in
                logger.notice("listening for the plugins", metadata: ["socket": "\(path)"])
                parts.change { $0.isListening = true }
                notifier.ready()
            },
            onTrouble: { [parts] place, why in
                parts.door(place == .socket ? "bridge.socket" : "bridge.listen", why)
            })
    }

    // MARK: running

    /// Ended in the opposite order: first nothing new comes in, last goes out what is there.
    private func services(
        _ scheduler: SlurmScheduler, _ ledger: Ledger, _ bridge: BridgeServer
    ) -> [any Service] {
        var reconciler = Reconciler.Settings()
        reconciler.interval = configuration.pollInterval
        reconciler.sweepInterval = configuration.sweepInterval
        reconciler.accountingInterval = configuration.accountingInterval
        var follower = HintFollower.Settings()
        follower.vanishInterval = configuration.vanishAfter

        let care = LedgerCare(
            ledger: ledger, controller: scheduler.controller, retention: retention, logger: logger)
        let runners = gateways.map { module in
            GatewayRunner(
                module: module, configuration: configuration, folder: folder, parts: parts, ledger: ledger,
                scheduler: scheduler, slurm: scheduler, logger: logger)
        }
        return [care] + runners + [
            HintFollower(ledger: ledger, scheduler: scheduler, settings: follower, logger: logger),
            Submitter(ledger: ledger, scheduler: scheduler, logger: logger),
            JobCommander(ledger: ledger, scheduler: scheduler, logger: logger),
            Reconciler(
                ledger: ledger, scheduler: scheduler, settings: reconciler, logger: logger,
                pluginsWork: { [parts] in parts.registry.pluginsWork },
                afterPoll: { SlurmController.releaseMemory() }),
            bridge,
        ]
    }
}
