// SPDX-License-Identifier: GPL-3.0-or-later

public import FoundationEssentials
internal import GRDB
internal import Glibc
internal import NIOConcurrencyHelpers
internal import Support

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

    public let path: String
    public let opening: Opening
    let interests: [Interest]
    let now: @Sendable () -> Date
    let policyBox: NIOLockedValueBox<RequeuePolicy>
    let reader: any DatabaseReader
    /// nil: opened to be looked at.
    let writer: LedgerWriter?
    let gate = ClosingGate()
    /// Told what has just been committed.
    public let feed = LedgerFeed()

    /// How many tokens of an admin comment may be ours begins with this.
    static let tagPrefix = "sga:"

    /// Opens or makes the ledger. Blocks; not for a cooperative thread once the agent runs.
    ///
    /// - Parameters:
    ///   - cluster: the cluster that it belongs to; another one than at first is refused.
    ///   - now: the clock for what the ledger dates itself.
    public init(
        path: String, cluster: String, interests: [Interest] = [], now: @escaping @Sendable () -> Date = { Date() }
    ) throws(LedgerError) {
        self.path = path
        self.interests = interests
        self.now = now
        policyBox = NIOLockedValueBox(RequeuePolicy())
        let existed = access(path, F_OK) == 0
        do {
            let (pool, damage) = try Self.openOrSetAside(path, now: now())
            reader = pool
            opening = damage ?? (existed ? .existing : .created)
            writer = LedgerWriter(pool)
            try pool.write { try Self.bind($0, cluster: cluster) }
        } catch {
            throw Self.translate(error, path: path)
        }
    }

    /// Opens a ledger to look at it, also beside the agent that writes it. Makes and changes nothing.
    public init(reading path: String) throws(LedgerError) {
        self.path = path
        interests = []
        now = { Date() }
        policyBox = NIOLockedValueBox(RequeuePolicy())
        opening = .existing
        writer = nil
        guard access(path, R_OK) == 0 else {
            throw LedgerError(
                .unusable, "\(path): \(String(cString: strerror(errno))): is this the agent's state folder?")
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

    // MARK: opening

    private static func openOrSetAside(_ path: String, now: Date) throws -> (DatabasePool, Opening?) {
        do {
            return (try openChecked(path), nil)
        } catch let error as DatabaseError
            where error.resultCode == .SQLITE_CORRUPT || error.resultCode == .SQLITE_NOTADB
        {
            let aside = "\(path).damaged-\(Int64(now.timeIntervalSince1970))"
            for suffix in ["", "-wal", "-shm"] {
                guard rename(path + suffix, aside + suffix) == 0 || (errno == ENOENT && !suffix.isEmpty) else {
                    throw LedgerError(
                        .unusable,
                        "\(path) is damaged and cannot be renamed (\(String(cString: strerror(errno)))): move it away")
                }
            }
            let why = error.message ?? "damaged"
            return (try openChecked(path), .replaced(aside: aside, why: why))
        }
    }

    private static func openChecked(_ path: String) throws -> DatabasePool {
        var configuration = Configuration()
        configuration.label = "ledger"
        configuration.maximumReaderCount = 2
        configuration.busyMode = .timeout(5)
        // 256 pages of 4 KiB a connection: the open jobs are few, the rest is read once.
        configuration.prepareDatabase { try $0.execute(sql: "PRAGMA cache_size = 256; PRAGMA temp_store = MEMORY") }
        let mask = umask(0o077)
        defer { umask(mask) }
        let pool = try DatabasePool(path: path, configuration: configuration)
        // GRDB sets NORMAL on its writer after opening it, so this comes after that.
        try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
        try pool.writeWithoutTransaction { database in
            let findings = try String.fetchAll(database, sql: "PRAGMA quick_check(1)")
            if findings != ["ok"] {
                throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: findings.joined(separator: "; "))
            }
            try LedgerSchema.migrate(database)
        }
        return pool
    }

    private static func bind(_ database: Database, cluster: String) throws {
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
    }

    static func translate(_ error: any Error, path: String) -> LedgerError {
        if let error = error as? LedgerError { return error }
        if error is ClosingGate.Closed { return LedgerError(.closed, "\(path): \(error)") }
        guard let error = error as? DatabaseError else { return LedgerError(.failed, "\(path): \(error)") }
        let detail = error.message ?? "SQLite error \(error.resultCode.rawValue)"
        switch error.resultCode {
        case .SQLITE_FULL, .SQLITE_READONLY:
            return LedgerError(.full, "\(path): \(detail): make room on its file system")
        case .SQLITE_IOERR:
            return LedgerError(.full, "\(path): \(detail): the disk is full or fails")
        case .SQLITE_CANTOPEN, .SQLITE_PERM, .SQLITE_AUTH:
            return LedgerError(.unusable, "\(path): \(detail): its folder must exist and belong to this user")
        default:
            return LedgerError(.failed, "\(path): \(detail)")
        }
    }
}
