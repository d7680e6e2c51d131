// SPDX-License-Identifier: GPL-3.0-or-later

public import FoundationEssentials
public import JobLifecycle
public import Logging
internal import NIOConcurrencyHelpers
internal import Support

/// The gateway of a JARVICE upstream: it asks, and this answers. Nothing is sent to upstream by itself; what jobs become comes
/// to the ledger, and is told when upstream asks.
///
/// A submission is a row of the ledger first; the core makes exactly one Slurm job of it. Its external id is
/// `uid/number/name`, its claim the Unix second in which it was asked for.
public final class JarviceGateway: Sendable {
    /// Of its rows in the ledger.
    public static let gatewayName = "jarvice"
    /// A submission that is asked for again within this time is the same one. Seconds.
    static let day: Int64 = 86_400

    let settings: JarviceSettings
    let ledger: Ledger
    let cluster: any JarviceCluster
    let verifier: TokenVerifier
    let index: QueueIndex
    let nodes: NodeAddresses
    let relays = JobRelays()
    let removals = RemovalTries()
    let machine: String
    /// nil: what jobs write is not read.
    let files: (any JobFiles)?
    /// nil: what was told is not kept.
    let answers: (any KeptAnswers)?
    let ended = EndedJobs()
    let logger: Logger
    let now: @Sendable () -> Date
    let counters = GatewayCounters()
    private let rule: NIOLockedValueBox<UserRule>
    private let keySource: TokenKeySource?
    private let waiters = NIOLockedValueBox<[Int64: [ObjectIdentifier: WakeUp]]>([:])
    let submissions = SubmissionGate()

    /// - Parameter machine: the architecture of the cluster's machines, as `uname -m` says it.
    public convenience init(
        settings: JarviceSettings, ledger: Ledger, cluster: any JarviceCluster, machine: String,
        files: (any JobFiles)? = nil, answers: (any KeptAnswers)? = nil, logger: Logger,
        now: @escaping @Sendable () -> Date = { Date() }
    ) {
        let start = ContinuousClock.now
        let tokens = settings.tokens
        let source = tokens.keys.map { keys in
            TokenKeySource(
                timing: Self.timing(keys), logger: logger, now: { start.duration(to: .now) },
                load: { try await TokenKeyLoader.load(keys, authority: tokens.authority) })
        }
        self.init(
            settings: settings, ledger: ledger, cluster: cluster, machine: machine, keySource: source, files: files,
            answers: answers, logger: logger, now: now)
    }

    init(
        settings: JarviceSettings, ledger: Ledger, cluster: any JarviceCluster, machine: String,
        keySource: TokenKeySource?, files: (any JobFiles)? = nil, answers: (any KeptAnswers)? = nil, logger: Logger,
        now: @escaping @Sendable () -> Date = { Date() }
    ) {
        self.settings = settings
        rule = NIOLockedValueBox(settings.users)
        self.ledger = ledger
        self.cluster = cluster
        self.machine = machine
        self.keySource = keySource
        self.files = files
        self.answers = answers
        self.logger = logger
        self.now = now
        verifier = TokenVerifier(settings: settings.tokens, source: keySource, now: now)
        index = QueueIndex(cluster, limit: settings.slurmTimeout)
        nodes = NodeAddresses(cluster)
    }

    /// A file costs nothing to read again.
    private static func timing(_ keys: TokenSettings.Keys) -> TokenKeySource.Timing {
        var timing = TokenKeySource.Timing()
        if case .file = keys {
            timing.refresh = .seconds(5)
            timing.pause = .zero
        }
        return timing
    }

    /// Who a token's user is here.
    var users: UserRule { rule.withLockedValue { $0 } }

    /// For the next submissions.
    public func change(users: UserRule) { rule.withLockedValue { $0 = users } }

    var seconds: Int64 { Int64(now().timeIntervalSince1970) }
    /// By which ages count: a wall clock that was set forward makes nothing old.
    var trustedSeconds: Int64 { Int64(ledger.clock.trusted(now()).timeIntervalSince1970) }

    // MARK: what it tells of itself

    public struct Status: Sendable, Equatable {
        public var counts: JarviceCounts
        public var refusals: [TokenRefusal]
        /// Seconds; nil: none have come.
        public var keyAge: Int64?
        public var keyCount: Int

        public init(counts: JarviceCounts, refusals: [TokenRefusal], keyAge: Int64?, keyCount: Int) {
            self.counts = counts
            self.refusals = refusals
            self.keyAge = keyAge
            self.keyCount = keyCount
        }
    }

    public func status() async -> Status {
        Status(
            counts: counters.counts, refusals: counters.refusals, keyAge: await keySource?.age,
            keyCount: await keySource?.count ?? 0)
    }

    // MARK: waiting for the core

    /// Until the ledger has news of a job, or for a time.
    func news(of ledgerJob: Int64, atMost pause: Duration, _ isDone: () async throws -> Bool) async throws -> Bool {
        let wake = WakeUp()
        let id = ObjectIdentifier(wake)
        waiters.withLockedValue { $0[ledgerJob, default: [:]][id] = wake }
        defer {
            waiters.withLockedValue { waiters in
                waiters[ledgerJob]?[id] = nil
                if waiters[ledgerJob]?.isEmpty == true { waiters[ledgerJob] = nil }
            }
        }
        let end = ContinuousClock.now + pause
        while true {
            if try await isDone() { return true }
            let left = ContinuousClock.now.duration(to: end)
            guard left > .zero, !Task.isCancelled else { return false }
            // Deliveries may be late; the ledger knows.
            await wake.wait(atMost: min(left, .milliseconds(500)))
        }
    }

    fileprivate func wake(_ ledgerJob: Int64) {
        for wake in waiters.withLockedValue({ $0[ledgerJob].map { Array($0.values) } ?? [] }) { wake.raise() }
    }
}

extension JarviceGateway: Gateway {
    public var name: String { Self.gatewayName }
    public var scope: Ledger.Interest.Scope { .ownJobs }
    public var batchLimit: Int { 200 }

    /// Upstream asks by itself: only those are told who wait here.
    public func deliver(_ transitions: [JobTransition]) async throws(GatewayUnavailable) -> [Delivery] {
        for transition in transitions {
            if transition.kind == .ended { counters.count(\.ended) }
            // What listens on its node from now on is not the job's page.
            if let jobID = transition.jobID, [.ended, .requeued, .vanished].contains(transition.kind) {
                relays.cut(jobID)
                if answers != nil, transition.kind == .ended, transition.isFinal { ended.add(.init(jobID: jobID)) }
            }
            wake(transition.ledgerJob)
        }
        return transitions.map { _ in .delivered }
    }
}
