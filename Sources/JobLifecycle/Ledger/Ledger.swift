// SPDX-License-Identifier: GPL-3.0-or-later

public import FoundationEssentials
internal import GRDB
internal import Glibc
internal import NIOConcurrencyHelpers
internal import Persistence
public import Support

/// Everything the agent must not forget, in one SQLite file.
///
/// One writer: what callers hand over while a commit is under way shares the next one, so a burst costs few fsyncs. A
/// call that returns has been committed to the disk (WAL, synchronous=FULL); one that throws has changed nothing.
public final class Ledger: Sendable {
    /// What `open` found.
    public enum Opening: Sendable, Equatable {
        case created
        case existing
        /// The file was damaged: it lies under this name now, and a new one was begun.
        case replaced(aside: String, why: String)
    }

    /// Which transitions a gateway gets.
    public struct Interest: Sendable, Hashable {
        public enum Scope: Sendable, Hashable {
            /// Those of every job of the cluster, from the first on that the ledger sees.
            case everything
            /// Those of the jobs that it ordered.
            case ownJobs
        }

        public var gateway: String
        public var scope: Scope

        public init(gateway: String, scope: Scope) {
            self.gateway = gateway
            self.scope = scope
        }
    }

    /// What takes long at the opening of a large file.
    public enum OpeningStep: Sendable, Equatable {
        /// An earlier release wrote it.
        case upgrading(from: Int, to: Int)
        /// Damage was found in it while it was open: all of it is read.
        case checking
    }

    public let path: String
    public let opening: Opening
    /// Whether all of the file was checked; if not, the rest waits for ``check(_:)``.
    public let wasChecked: Bool
    /// It had been used when it was opened: it is no new one.
    public let wasBound: Bool
    /// Orders that were open when it was opened. It may be an old copy: what it does not know of may have been done.
    let fromBefore: NIOLockedValueBox<Set<Int64>>
    let interests: [Interest]
    let now: @Sendable () -> Date
    /// By which what is old may be deleted, and what waits for too long given up.
    public let clock: TrustedClock
    /// The leap of ``clock`` that is in the file.
    let keptLeap: NIOLockedValueBox<ClockTrust.Leap?>
    let policyBox: NIOLockedValueBox<RequeuePolicy>
    let storageBox = NIOLockedValueBox<String?>(nil)
    let spokenOf = SpokenOf()
    let earlyHints = EarlyHints()
    let reader: any DatabaseReader
    /// nil: opened to be looked at.
    let writer: LedgerWriter?
    let gate = ClosingGate()
    let commandWatch = CommandWatch()
    let running = RunningRuns()
    /// Told what has just been committed.
    public let feed = LedgerFeed()

    /// Opens or makes the ledger. Blocks, for minutes when a large file is brought up to date: not for a cooperative thread.
    ///
    /// - Parameters:
    ///   - cluster: the cluster that it belongs to; another one than at first is refused.
    ///   - checkLimit: how long the file is checked before it is used.
    ///   - now: the clock for what the ledger dates itself.
    ///   - steady: a clock that never jumps, for ``clock``; nil: `now` does not jump either.
    ///   - progress: told before a step that may take long.
    public convenience init(
        path: String, cluster: String, interests: [Interest] = [], checkLimit: Duration = .seconds(1),
        now: @escaping @Sendable () -> Date = { Date() }, steady: (@Sendable () -> Date)? = nil,
        progress: @escaping @Sendable (OpeningStep) -> Void = { _ in }
    ) throws(LedgerError) {
        try self.init(
            path: path, cluster: cluster, interests: interests, checkLimit: checkLimit, now: now, steady: steady,
            progress: progress, trace: nil)
    }

    /// - Parameter trace: told of each statement that is run.
    init(
        path: String, cluster: String, interests: [Interest], checkLimit: Duration = .seconds(1),
        now: @escaping @Sendable () -> Date, steady: (@Sendable () -> Date)? = nil,
        progress: @escaping @Sendable (OpeningStep) -> Void = { _ in },
        trace: (@Sendable (String) -> Void)?
    ) throws(LedgerError) {
        self.path = path
        self.interests = interests
        self.now = now
        policyBox = NIOLockedValueBox(RequeuePolicy())
        let existed = access(path, F_OK) == 0
        do {
            let file = LedgerFile(path: path, checkLimit: checkLimit, progress: progress, trace: trace)
            let (pool, isChecked, damage) = try file.openOrSetAside(now: now())
            reader = pool
            wasChecked = isChecked
            opening = damage ?? (existed ? .existing : .created)
            writer = LedgerWriter(pool)
            let seconds = Int64(now().timeIntervalSince1970)
            (wasBound, fromBefore, clock) = try pool.write { [running] database in
                let wasBound = try Self.bind(database, cluster: cluster)
                try Self.noteUnconfigured(database, interests, at: seconds)
                let clock = TrustedClock(
                    wall: now, steady: steady, newestKnown: try Self.newestTime(database),
                    leap: try Self.leap(database))
                try Self.note(clock.now(), database)
                try running.load(database)
                return (wasBound, NIOLockedValueBox(try Self.openOrders(database)), clock)
            }
            keptLeap = NIOLockedValueBox(clock.leap)
        } catch {
            throw Self.translate(error, path: path)
        }
    }

    /// Opens a ledger to look at it, also beside the agent that writes it. Makes and changes nothing.
    public init(reading path: String) throws(LedgerError) {
        self.path = path
        interests = []
        now = { Date() }
        clock = TrustedClock(wall: { Date() })
        keptLeap = NIOLockedValueBox(nil)
        policyBox = NIOLockedValueBox(RequeuePolicy())
        opening = .existing
        wasChecked = true
        wasBound = true
        fromBefore = NIOLockedValueBox([])
        writer = nil
        guard access(path, R_OK) == 0 else {
            let number = errno
            throw LedgerError(
                .unusable,
                "\(path): \(String(cString: strerror(number))): "
                    + (number == EACCES
                        ? FileFault.advice(writing: path) ?? "run this as the agent's user"
                        : "is this the agent's state folder?"))
        }
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        do {
            let queue = try DatabaseQueue(path: path, configuration: configuration)
            let version = try queue.read { try Int.fetchOne($0, sql: "PRAGMA user_version") ?? 0 }
            guard version == LedgerSchema.current else {
                throw LedgerError(
                    .newer, "\(path) has format \(version), this release reads format \(LedgerSchema.current)")
            }
            reader = queue
        } catch {
            throw Self.translate(error, path: path)
        }
    }

    /// Closes the file once what is under way is done; from now on all else throws `.closed`.
    public func close() {
        gate.close { [writer, reader] in
            writer?.finish()
            try? reader.close()
        }
    }

    /// What Slurm may do with failed jobs; from slurm.conf, may change while the agent runs.
    public var policy: RequeuePolicy {
        get { policyBox.withLockedValue { $0 } }
        set { policyBox.withLockedValue { $0 = newValue } }
    }

    var microseconds: Int64 { Int64((now().timeIntervalSince1970 * 1_000_000).rounded()) }

    /// By ``clock``.
    var trustedMicroseconds: Int64 { Int64((clock.now().timeIntervalSince1970 * 1_000_000).rounded()) }

    // MARK: opening

    /// - Returns: whether it was bound before.
    private static func bind(_ database: Database, cluster: String) throws -> Bool {
        let bound = try String.fetchOne(database, sql: "SELECT value FROM meta WHERE name = 'cluster'")
        if let bound, bound != cluster {
            throw LedgerError(
                .otherCluster,
                "the ledger belongs to cluster \"\(bound)\", slurm.conf names \"\(cluster)\": give this cluster a state "
                    + "folder of its own")
        }
        if bound == nil {
            try database.execute(sql: "INSERT INTO meta VALUES ('cluster', ?)", arguments: [cluster])
        }
        return bound != nil
    }

    static func translate(_ error: any Error, path: String) -> LedgerError {
        if let error = error as? LedgerError { return error }
        let fault = DatabaseFault(error, path: path)
        return switch fault.kind {
        case .closed: LedgerError(.closed, fault.words)
        case .damaged: LedgerError(.damaged, fault.words)
        case .full: LedgerError(.full, fault.words)
        case .unusable: LedgerError(.unusable, fault.words)
        case .newer: LedgerError(.newer, fault.words)
        case .failed: LedgerError(.failed, fault.words)
        }
    }
}
