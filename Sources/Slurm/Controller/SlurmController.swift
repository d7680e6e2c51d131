// SPDX-License-Identifier: GPL-3.0-or-later

internal import CSlurm
internal import Glibc
internal import NIOConcurrencyHelpers

/// A connection to one cluster's slurmctld through libslurm.
///
/// Calls block inside libslurm on the pool's own threads, never on the caller's; each has a deadline. Errors are
/// values: nothing that Slurm, MUNGE or slurmdbd do ends the process (what could is asked in a helper process, see
/// ``SlurmHelper``). "Not found" comes only from slurmctld's own word, never from silence.
///
/// libslurm keeps one configuration a process, so there is one cluster a process.
public final class SlurmController: Sendable {
    /// How to reach Slurm.
    public struct Configuration: Sendable {
        /// slurm.conf; nil: what libslurm finds by itself (`SLURM_CONF`, /etc/slurm/slurm.conf, configless).
        public var configurationFile: String?
        /// Calls that may be under way at once. Default 12: more than are submitted at once, so that there is always one
        /// for questions.
        public var threads = 12
        /// How long a caller waits for an answer. Default 15 s: more than Slurm's own MessageTimeout (10 s), so that
        /// libslurm's own error, which knows more, usually comes first.
        public var callTimeout: Duration = .seconds(15)
        /// slurmctld is pinged (0.2 ms) before a call when the last good answer is older. Default 1 s. Without the
        /// ping a call to a slurmctld that is down takes 9 s.
        public var pingAfter: Duration = .seconds(1)
        /// How long all threads must be stuck before `onExhausted` is called. Default 60 s.
        public var exhaustedAfter: Duration = .seconds(60)
        /// How long the helper process may take to read slurm.conf. Default 10 s.
        public var probeTimeout: Duration = .seconds(10)
        /// The program that answers to ``SlurmHelper``'s first argument. Default: this program.
        public var helper = SlurmHelper.Program.current
        public var policy = SubmitPolicy()
        /// Called once from a thread of the pool's when every thread has been stuck for `exhaustedAfter`: the process
        /// should log it and exit, to be started again.
        public var onExhausted: @Sendable (Duration) -> Void = { _ in }
        /// Called with the name of a call whose answer came after its caller had left.
        public var onLateResult: @Sendable (String) -> Void = { _ in }

        public init() {}
    }

    public let configuration: Configuration
    let pool: WorkerPool
    let feed = JobFeed()
    private let lastAnswer = NIOLockedValueBox<ContinuousClock.Instant?>(nil)
    private let clusterCache = NIOLockedValueBox<Cluster?>(nil)

    /// Reads slurm.conf (first in a helper process, since libslurm ends the process that reads a bad one) and starts
    /// the threads. Does not need slurmctld to be up.
    ///
    /// - Throws: `configuration` when slurm.conf is missing or bad, or the process already uses another one;
    ///   `helperFailed` when the helper process cannot run; `unavailable` when the threads cannot be started now.
    public static func connect(_ configuration: Configuration = .init()) async throws(SlurmError) -> SlurmController {
        shareHeap()
        try await SlurmHelper.probe(configuration)
        try Library.initialise(configuration.configurationFile)
        return try SlurmController(configuration)
    }

    private init(_ configuration: Configuration) throws(SlurmError) {
        self.configuration = configuration
        pool = try WorkerPool(
            threads: max(1, configuration.threads), exhaustedAfter: configuration.exhaustedAfter,
            onExhausted: configuration.onExhausted, onLateResult: configuration.onLateResult)
    }

    /// Ends the threads once they are idle. Calls after this are answered `cancelled`.
    public func close() {
        pool.stop()
    }

    /// How many of the pool's threads are in a call whose caller has given up.
    public var stuckThreads: Int { pool.stuckThreads }

    /// How many calls that change something are still under way although their callers were told `timedOut` or
    /// `cancelled`.
    public var unsettledChanges: Int { pool.unsettledChanges }

    /// Waits until no abandoned call can take effect any more.
    ///
    /// A call that hangs before it has sent anything (munged) goes on when the hang is over, long after its caller was
    /// told `timedOut`. So "the job is not there" says nothing before this has returned, and submitting again before
    /// it makes two jobs.
    /// - Throws: `timedOut` when such a call still hangs after `timeout`; ask again later.
    public func settled(timeout: Duration) async throws(SlurmError) {
        let end = ContinuousClock.now + timeout
        while unsettledChanges > 0 {
            guard ContinuousClock.now < end else {
                throw SlurmError(.timedOut, "\(unsettledChanges) earlier calls still hang and may yet take effect")
            }
            do {
                try await Task.sleep(for: .milliseconds(20))
            } catch {
                throw SlurmError(.cancelled, "cancelled by the caller")
            }
        }
    }

    /// Asks slurmctld (or one of its backups) for a sign of life.
    public func ping() async throws(SlurmError) {
        try await pool.run("slurm_ping", timeout: configuration.callTimeout, changes: false) {
            [self] () throws(SlurmError) in
            try pingNow()
        }
    }

    /// Runs a libslurm call on a thread of the pool, after a ping when slurmctld has not answered for a while.
    func call<Answer: Sendable>(
        _ name: String, changes: Bool = false, timeout: Duration? = nil,
        _ body: @escaping @Sendable () throws(SlurmError) -> Answer
    ) async throws(SlurmError) -> Answer {
        try await pool.run(name, timeout: timeout ?? configuration.callTimeout, changes: changes) {
            [self] () throws(SlurmError) in
            try pingIfSilent()
            do throws(SlurmError) {
                let answer = try body()
                lastAnswer.withLockedValue { $0 = .now }
                return answer
            } catch {
                // Any error that slurmctld itself sent is an answer; the next call after a failed one pings first.
                let silent = Self.silences.contains(error.code)
                lastAnswer.withLockedValue { $0 = silent ? nil : .now }
                throw error
            }
        }
    }

    private static let silences: Set<SlurmError.Code> = [.unavailable, .authentication, .timedOut, .unexpected]

    private func pingIfSilent() throws(SlurmError) {
        let fresh = lastAnswer.withLockedValue { last in
            last.map { $0.duration(to: .now) < configuration.pingAfter } ?? false
        }
        if !fresh { try pingNow() }
    }

    /// The primary controller first, then the backups.
    private func pingNow() throws(SlurmError) {
        var failure: SlurmError?
        for index in 0..<cs_controller_count() {
            do throws(SlurmError) {
                try SlurmCall.check("slurm_ping") { slurm_ping(index) }
                lastAnswer.withLockedValue { $0 = .now }
                return
            } catch {
                failure = failure ?? error
            }
        }
        if failure?.number == SlurmErrno.sendFailed { try askForReason() }
        if let failure { throw failure }
    }

    /// slurm_ping() says "send failure" when no credential could be made; any other call tells the true reason.
    private func askForReason() throws(SlurmError) {
        var answer: UnsafeMutablePointer<partition_info_msg_t>?
        defer { if let answer { slurm_free_partition_info_msg(answer) } }
        let outcome = SlurmCall.observe { slurm_load_partitions(time(nil), &answer, cs_SHOW_LOCAL) }
        if outcome.result != 0 && outcome.number != SlurmErrno.noChange {
            throw SlurmCall.failure("slurm_load_partitions", changes: false, number: outcome.number)
        }
    }

    /// One heap for all threads: to be called before the first thread, as what glibc has given a thread stays.
    public static func shareHeap() {
        cs_share_heap()
    }

    /// Whether something keeps this host's clock right, which MUNGE needs; nil where the kernel may not be asked.
    public static var isClockSynchronised: Bool? {
        let answer = cs_clock_is_synchronised()
        return answer < 0 ? nil : answer == 1
    }

    /// Gives memory that large answers took back to the system.
    public static func releaseMemory() {
        cs_release_memory()
    }

    // MARK: the cluster

    /// ClusterName of slurm.conf; needs no slurmctld.
    public var clusterName: String { String(cString: cs_cluster_name()) }

    /// What slurmctld says of itself: name, release, and the settings that matter to callers. Asked again when older
    /// than `maximumAge`.
    public func cluster(maximumAge: Duration = .seconds(300)) async throws(SlurmError) -> Cluster {
        if let known = clusterCache.withLockedValue({ $0 }), known.readAt.duration(to: .now) < maximumAge {
            return known
        }
        let fresh = try await call("slurm_load_ctl_conf") { () throws(SlurmError) in try Cluster.load() }
        clusterCache.withLockedValue { $0 = fresh }
        return fresh
    }
}

/// libslurm's process-wide state.
private enum Library {
    private enum State {
        case untouched
        case initialised(String?)
    }

    private static let state = NIOLockedValueBox<State>(.untouched)

    static func initialise(_ file: String?) throws(SlurmError) {
        let before = state.withLockedValue { state -> State in
            let before = state
            if case .untouched = before {
                // libslurm switches SIGPIPE back and forth around each send, which threads would race on.
                signal(SIGPIPE, SIG_IGN)
                slurm_init(file)
                state = .initialised(file)
            }
            return before
        }
        if case .initialised(let other) = before, other != file {
            throw SlurmError(
                .configuration,
                "this process already uses \(other ?? "the default slurm.conf"); one process serves one cluster")
        }
    }
}
