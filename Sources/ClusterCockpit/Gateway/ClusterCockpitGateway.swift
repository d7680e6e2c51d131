// SPDX-License-Identifier: GPL-3.0-or-later

public import JobLifecycle
public import Logging
public import ServiceLifecycle
public import FoundationEssentials
internal import Persistence
public import Support

/// Tells ClusterCockpit's backends of every job of the cluster, once, by the ledger.
///
/// A transition is taken in when it is in this gateway's own file; each backend is told from there, in order per job, and
/// delays neither the others nor the outbox. Every request may be sent twice.
public struct ClusterCockpitGateway: Gateway, Service {
    /// Names its rows in the ledger; never changes.
    public static let gatewayName = "clustercockpit"

    public let name = Self.gatewayName
    public let scope = Ledger.Interest.Scope.everything
    public let batchLimit = 500

    let settings: CockpitSettings
    let store: CockpitStore
    let senders: [BackendSender]
    private let cluster: any CockpitCluster
    private let logger: Logger
    private let now: @Sendable () -> Int64
    /// Unix seconds before which a run that is over is old; nil: nothing is (``TrustedClock/cutoff(_:wall:)``).
    private let oldest: @Sendable () -> Int64?
    private let captureWake = WakeUp()
    /// Ends when all is known that ran before this start.
    private let caughtUp = AsyncStream.makeStream(of: Never.self)
    private let endedEarly = EndedEarly()

    /// Opens the gateway's file. Blocks.
    ///
    /// - Parameter clock: what ages count by.
    public init(
        settings: CockpitSettings, path: String, cluster: any CockpitCluster, clock: TrustedClock, logger: Logger,
        now: @escaping @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970 * 1000) }
    ) throws(CockpitError) {
        try self.init(
            settings: settings, path: path, cluster: cluster, clock: clock, logger: logger, now: now,
            transport: { backend throws(CockpitError) in
                try HTTPBackendTransport(backend, certificateAuthority: settings.certificateAuthority)
            },
            events: { backend throws(CockpitError) in try settings.publisher(of: backend) })
    }

    init(
        settings: CockpitSettings, path: String, cluster: any CockpitCluster,
        clock: TrustedClock = TrustedClock(wall: { Date() }), logger: Logger,
        now: @escaping @Sendable () -> Int64,
        transport: (CockpitSettings.Backend) throws(CockpitError) -> any BackendTransport,
        events: (CockpitSettings.Backend) throws(CockpitError) -> (any EventPublisher)? = { _ in nil }
    ) throws(CockpitError) {
        self.settings = settings
        self.cluster = cluster
        self.logger = logger
        self.now = now
        let filter = try JobFilter(settings)
        let store = try CockpitStore(path: path)
        if let aside = store.setAside {
            logger.error(
                "clustercockpit.sqlite was damaged: it is kept aside, a new one is made from the ledger and the backends",
                metadata: ["aside": "\(aside.aside)", "why": "\(aside.reason)"])
        }
        self.store = store
        let wall: @Sendable () -> Date = { Date(timeIntervalSince1970: Double(now()) / 1000) }
        let today: @Sendable () -> Int64 = { Int64(clock.trusted(wall()).timeIntervalSince1970) }
        oldest = { clock.cutoff(Self.kept, wall: wall()).map { Int64($0.timeIntervalSince1970) } }
        var senders: [BackendSender] = []
        for backend in settings.backends {
            senders.append(
                BackendSender(
                    name: backend.name, settings: settings, transport: try transport(backend), store: store,
                    cluster: cluster, filter: filter, events: try events(backend), logger: logger, now: now,
                    today: today))
        }
        self.senders = senders
    }

    /// The highest transition of the ledger that a file of the gateway has; nil: none, or not known. Blocks.
    public static func highestTransition(path: String) -> Int64? { CockpitStore.highestTransition(path: path) }

    /// Once nothing of it runs any more.
    public func close() { store.close() }

    // MARK: outbox

    public func deliver(_ transitions: [JobTransition]) async throws(GatewayUnavailable) -> [Delivery] {
        endedEarly.note(transitions)
        do throws(CockpitError) {
            if try await store.take(transitions, backends: settings.backends.map(\.name)) {
                captureWake.raise()
                for sender in senders { sender.wakeUp() }
            }
        } catch {
            throw GatewayUnavailable(error.description)
        }
        return transitions.map { _ in .delivered }
    }

    /// What nodes say when jobs begin there.
    ///
    /// - Returns: whether it is on disk. What is not the nodes are to say again.
    public func take(_ reports: [NodeReport]) async -> Bool {
        do throws(CockpitError) {
            try await store.take(reports, at: now())
        } catch {
            logger.warning(
                "what nodes said of jobs cannot be kept: they say it again",
                metadata: ["count": "\(reports.count)", "why": "\(error)"])
            return false
        }
        for sender in senders { sender.wakeUp() }
        return true
    }

    // MARK: running

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask { await captureLoop() }
                group.addTask {
                    // What runs already comes first in a job's life.
                    for await _ in caughtUp.stream {}
                    await withDiscardingTaskGroup { group in
                        for sender in senders { group.addTask { await sender.run() } }
                        group.addTask { await pruneLoop() }
                    }
                }
            }
        }
    }

    public func catchUp(_ running: [JobTransition]) async throws(GatewayUnavailable) {
        do throws(CockpitError) {
            try await store.bind(settings.backends.map(\.name))
            try await learn(running)
        } catch {
            throw GatewayUnavailable(error.description)
        }
        endedEarly.close()
        caughtUp.continuation.finish()
    }

    private func learn(_ running: [JobTransition]) async throws(CockpitError) {
        let backends = settings.backends.map(\.name)
        _ = try await store.take(running, backends: backends)
        // What ended since that list was made was delivered as the end of a run that nobody knew.
        _ = try await store.take(endedEarly.list, backends: backends)
        // Ended while the gateway was switched off: nobody has told it.
        struct Key: Hashable {
            var job: UInt32
            var submitted: Int64
        }
        let open = Set(
            running.compactMap { transition in
                transition.jobID.flatMap { id in transition.submitTime.map { Key(job: id, submitted: $0) } }
            })
        var last: Int64 = 0
        while true {
            let runs = try await store.openRuns(after: last, limit: 100)
            guard let newest = runs.last else { return }
            last = newest.id
            let gone = runs.filter { !open.contains(Key(job: $0.jobID, submitted: $0.submitTime)) }
            guard !gone.isEmpty else { continue }
            let past = try await cluster.history(of: gone.map(\.jobID))
            for run in gone {
                guard let found = past.first(where: { $0.jobID == run.jobID && $0.submitTime == run.submitTime }),
                    let end = found.endTime
                else { continue }
                try await store.end(run, at: end, found.endState ?? .failed)
            }
        }
    }

    /// Much of what Slurm holds of a job is gone soon after its end: it is asked at once, whether a backend can be told or not.
    private func captureLoop() async {
        var failures = 0
        var last: Int64 = 0
        while !Task.isCancelled {
            let outcome = await capture(after: last, limit: 50)
            last = outcome.last
            if outcome.asked > 0 { for sender in senders { sender.wakeUp() } }
            failures = outcome.failed || outcome.isIncomplete ? failures + 1 : 0
            let pause = BackendSender.jobRetry.delay(attempt: min(failures, 5))
            if outcome.failed {
                try? await Task.sleep(for: pause)
            } else if outcome.asked == 0, last == 0 {
                await captureWake.wait(atMost: outcome.isIncomplete ? pause : .seconds(60))
            }
        }
    }

    struct CaptureOutcome: Sendable, Hashable {
        /// For how many Slurm has answered.
        var asked = 0
        /// For one it did not.
        var failed = false
        /// For one it did not say all.
        var isIncomplete = false
        /// Where to go on, so that those which wait keep none of the others from being asked for; 0: at the beginning.
        var last: Int64 = 0
    }

    func capture(after id: Int64 = 0, limit: Int) async -> CaptureOutcome {
        var outcome = CaptureOutcome()
        do throws(CockpitError) {
            let runs = try await store.uncaptured(after: id, limit: limit)
            if runs.count == limit { outcome.last = runs.last?.id ?? 0 }
            for run in runs where !Task.isCancelled {
                let answer: JobCapture?
                do throws(CockpitError) {
                    answer = try await cluster.capture(
                        jobID: run.jobID, submitTime: run.submitTime, nodes: run.details.nodes,
                        withScript: settings.withScript)
                } catch {
                    if error.code == .incomplete { outcome.isIncomplete = true } else { outcome.failed = true }
                    continue
                }
                try await store.capture(run.id, answer)
                outcome.asked += 1
            }
        } catch {
            outcome.failed = true
        }
        return outcome
    }

    private static let kept = Duration.seconds(7 * 86_400)

    private func pruneLoop() async {
        while !Task.isCancelled {
            do throws(CockpitError) {
                while let oldest = oldest(), try await store.prune(before: oldest) > 0 {}
            } catch {
                logger.info("old runs stay in clustercockpit.sqlite", metadata: ["why": "\(error)"])
            }
            try? await Task.sleep(for: .seconds(3600))
        }
    }

    // MARK: for administrators

    public var status: CockpitStatus {
        get async throws(CockpitError) {
            var backends: [CockpitStatus.Backend] = []
            for (sender, backend) in zip(senders, settings.backends) {
                backends.append(try await sender.status(url: backend.url))
            }
            return CockpitStatus(cluster: settings.cluster, backends: backends)
        }
    }

    /// The newest first.
    public func jobs(jobID: UInt32? = nil, limit: Int) async throws(CockpitError) -> [CockpitJob] {
        var jobs: [CockpitJob] = []
        let shapes = (try? await cluster.shapes()) ?? [:]
        for entry in try await store.list(jobID: jobID, limit: limit) {
            guard let sender = senders.first(where: { $0.name == entry.backend }) else { continue }
            jobs.append(try await sender.shown(entry, shapes))
        }
        return jobs
    }

    /// Compares each backend with the ledger, repairs what differs, and tries again what waits or was refused.
    /// - Parameter backend: only this one.
    public func sync(
        dryRun: Bool, direction: SyncDirection, jobID: UInt32?, limit: Int, backend: String? = nil
    ) async throws(CockpitError) -> [CockpitComparison] {
        var reports: [CockpitComparison] = []
        for sender in senders where backend == nil || sender.name == backend {
            if !dryRun, direction != .stop { _ = try await store.retry(sender.name, jobID: jobID) }
            reports.append(await sender.compare(dryRun: dryRun, direction: direction, jobID: jobID, limit: limit))
        }
        return reports
    }
}
