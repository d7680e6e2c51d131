// SPDX-License-Identifier: GPL-3.0-or-later

internal import JobLifecycle
internal import Logging
internal import Support

/// Tells one backend of the cluster's runs: in order per job, some jobs at once, again until it says done or never. What
/// happens here concerns no other backend.
actor BackendSender {
    let name: String
    let settings: CockpitSettings
    let client: BackendClient
    let store: CockpitStore
    let cluster: any CockpitCluster
    let filter: JobFilter
    let logger: Logger
    /// Unix milliseconds.
    let now: @Sendable () -> Int64
    /// Unix seconds that ages count by, which a wall clock that was set forward does not move.
    let today: @Sendable () -> Int64
    let wake = WakeUp()
    let compareWake = WakeUp()
    let confirmWake = WakeUp()
    /// By which it hears of jobs; nil: by HTTP.
    let events: (any EventPublisher)?
    var isWayKnown = false

    var release: BackendRelease?
    var topology: BackendTopology?
    var topologyReadAt: Int64?
    /// It was told, or the backend tells none.
    var isTopologyRead = false
    /// In a row.
    var topologyFailures = 0
    /// What Slurm believes its nodes to be made of, and when it was asked, Unix ms.
    var shapes: (known: [String: NodeShape], at: Int64)?
    /// Unix ms.
    let beganAt: Int64
    /// Runs that wait for a node that nobody has heard; nodes that were waited for in vain, and since when, Unix ms.
    var awaited: Set<Int64> = []
    var silent: [String: Int64] = [:]
    /// Jobs whose next step is being taken.
    var inFlight: Set<Int64> = []
    /// In a row, of the backend itself.
    var failures = 0
    var pausedUntil: Int64 = 0
    var problem: String?
    var comparedAt: Int64?
    /// Since it was compared last.
    var hadErrors = false
    var counters = Counters()
    private let children = ChildTasks()

    struct Counters: Sendable, Hashable {
        var starts: UInt64 = 0
        var stops: UInt64 = 0
        var refused: UInt64 = 0
        var failed: UInt64 = 0
    }

    static let jobRetry = RetryPolicy(first: .seconds(1), ceiling: .seconds(300))
    static let backendRetry = RetryPolicy(first: .milliseconds(500), ceiling: .seconds(30))
    /// Longer than anything is put off, ms.
    private static let longestWait: Int64 = 3_600_000

    init(
        name: String, settings: CockpitSettings, transport: any BackendTransport, store: CockpitStore,
        cluster: any CockpitCluster, filter: JobFilter, events: (any EventPublisher)? = nil, logger: Logger,
        now: @escaping @Sendable () -> Int64, today: (@Sendable () -> Int64)? = nil
    ) {
        self.name = name
        self.events = events
        self.settings = settings
        client = BackendClient(transport: transport, cluster: settings.cluster, timeout: settings.timeout)
        self.store = store
        self.cluster = cluster
        self.filter = filter
        self.logger = logger
        self.now = now
        beganAt = now()
        self.today = today ?? { now() / 1000 }
    }

    nonisolated func wakeUp() { wake.raise() }

    func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.sendLoop() }
            group.addTask { await self.compareLoop() }
            group.addTask { await self.nodeLoop() }
            group.addTask { await self.confirmLoop() }
        }
        await children.end()
        await client.transport.shutdown()
        await events?.shutdown()
    }

    // MARK: loops

    private func sendLoop() async {
        while !Task.isCancelled {
            let pause = await sendDue()
            if Task.isCancelled { return }
            await wake.wait(atMost: .milliseconds(min(max(pause, 5), 60_000)))
        }
    }

    /// Begins what is due, as far as there is room.
    /// - Returns: after how many milliseconds to look again.
    func sendDue() async -> Int64 {
        if pauseLeft > 0 { return pauseLeft }
        do throws(CockpitError) {
            // One request shows whether a backend that was away is back.
            let room = (failures > 0 ? 1 : settings.parallel) - inFlight.count
            guard room > 0 else { return 60_000 }
            let hasWork = try await store.nextDue(name) != nil
            // What was in trouble is looked at again though there is nothing to tell: its trouble is shown until then.
            guard hasWork || failures > 0 else { return 60_000 }
            guard await isKnown() else { return max(pauseLeft, 5) }
            guard hasWork else { return 60_000 }
            let lanes = try await store.dueLanes(name, now: now(), limit: room + inFlight.count)
            let free = lanes.filter { !inFlight.contains($0) }.prefix(room)
            for lane in free {
                inFlight.insert(lane)
                children.spawn { await self.work(lane) }
            }
            if !free.isEmpty { return inFlight.count < settings.parallel ? 5 : 60_000 }
            // Whoever works on what is due wakes this up.
            guard lanes.isEmpty else { return 250 }
            let next = try await store.nextDue(name)
            return next.map { max(5, $0 - now()) } ?? 60_000
        } catch {
            note(error)
            return 1000
        }
    }

    private func work(_ lane: Int64) async {
        do throws(CockpitError) {
            while !Task.isCancelled, try await step(lane) {}
        } catch {
            note(error)
            try? await store.delay(lane, at: name, until: now() + 1000)
        }
        inFlight.remove(lane)
        wake.raise()
    }

    /// The backend's release and topology; false: it cannot be told now.
    func isKnown() async -> Bool {
        guard await isReleaseKnown(), await isWayRight() else { return false }
        if events != nil, let release, release != .v15 {
            fail("release \(release.rawValue) takes no jobs by NATS: take the backend out of clustercockpit.nats")
            return false
        }
        guard release?.hasClusters == true, !isTopologyRead else { return true }
        if topologyFailures >= Self.topologyTries, now() - (topologyReadAt ?? 0) < 60_000 { return true }
        return await readTopology(isNeeded: true)
    }

    private func isReleaseKnown() async -> Bool {
        if release != nil { return true }
        do throws(CockpitError) {
            var record = try await store.backend(name) ?? .init(cluster: settings.cluster)
            // What the last run found is tried: a backend that was upgraded says so.
            if let known = record.release, record.cluster == settings.cluster, failures == 0 {
                release = known
            } else {
                guard let found = try await probe() else { return false }
                release = found
                record.release = found
                record.cluster = settings.cluster
                try await store.save(name, record)
                logger.notice(
                    "found the release of a backend", metadata: ["backend": "\(name)", "release": "\(found.rawValue)"])
            }
            return true
        } catch {
            switch error.code {
            case .storage: note(error)
            default: fail(error.description)
            }
            return false
        }
    }

    private func probe() async throws(CockpitError) -> BackendRelease? {
        var probe = ReleaseProbe()
        while true {
            switch probe.take(try await client.probe(probe.request)) {
            case .next: continue
            case .found(let release): return release
            case .waits(let reason):
                fail(reason)
                return nil
            }
        }
    }

    /// - Returns: whether it is another one than before.
    func probeAgain() async throws(CockpitError) -> Bool {
        let before = release
        guard let found = try await probe() else { return true }
        release = found
        var record = try await store.backend(name) ?? .init(cluster: settings.cluster)
        record.release = found
        record.cluster = settings.cluster
        try await store.save(name, record)
        guard found != before else { return false }
        logger.notice(
            "the release of a backend has changed", metadata: ["backend": "\(name)", "release": "\(found.rawValue)"])
        isTopologyRead = false
        await readTopology(isNeeded: true)
        return true
    }

    /// So often it is waited for: jobs that started without it would have no cores. Then they go on without, and it is tried
    /// each minute.
    static let topologyTries = 10

    /// - Parameter isNeeded: nothing is told before it is there.
    /// - Returns: whether jobs can be told.
    @discardableResult
    func readTopology(isNeeded: Bool) async -> Bool {
        guard release?.hasClusters == true else { return true }
        topologyReadAt = now()
        do throws(CockpitError) {
            let answer = try await client.topology()
            isTopologyRead = true
            topologyFailures = 0
            succeed()
            if answer == nil {
                logger.warning(
                    "the backend has no such cluster: set clustercockpit.cluster to the name that it has",
                    metadata: ["backend": "\(name)", "cluster": "\(settings.cluster)"])
            }
            topology = answer ?? topology
        } catch {
            topologyFailures += 1
            logger.info(
                "the backend does not tell its clusters", metadata: ["backend": "\(name)", "why": "\(error)"])
            if isNeeded, topologyFailures < Self.topologyTries {
                fail(error.description)
                return false
            }
        }
        return true
    }

    // MARK: what goes wrong

    /// For how many milliseconds nobody tries yet. Times are the wall clock's: one that was set back makes no wait longer.
    var pauseLeft: Int64 {
        let left = pausedUntil.saturatingSubtract(now())
        return left > Self.longestWait ? 0 : max(0, left)
    }

    /// Jobs that were put off by a clock that was wrong are looked at now.
    func recall() async {
        do throws(CockpitError) {
            let latest = now() + Self.longestWait
            try await store.recall(
                name, after: latest, confirmedAfter: latest + Int64(settings.confirmAfter / .milliseconds(1)))
        } catch {
            note(error)
        }
    }

    /// The backend cannot be used: nobody tries until it is time.
    func fail(_ reason: String) {
        if failures == 0 || problem != reason {
            logger.warning(
                "backend cannot be told of jobs for now", metadata: ["backend": "\(name)", "why": "\(reason)"])
        }
        problem = reason
        hadErrors = true
        counters.failed += 1
        // Requests that were under way together fail together.
        guard pauseLeft == 0 || failures == 0 else { return }
        pausedUntil = now() + Int64(Self.backendRetry.delay(attempt: failures) / .milliseconds(1))
        failures += 1
    }

    func succeed() {
        if failures > 0 {
            logger.notice("backend can be told of jobs again", metadata: ["backend": "\(name)"])
            compareWake.raise()
        }
        failures = 0
        problem = nil
    }

    func note(_ error: CockpitError) {
        guard !Task.isCancelled, problem != error.description else { return }
        problem = error.description
        logger.warning("jobs wait: the gateway's file cannot be used", metadata: ["why": "\(error)"])
    }
}
