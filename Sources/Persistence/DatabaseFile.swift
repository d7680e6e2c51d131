// SPDX-License-Identifier: GPL-3.0-or-later

internal import Dispatch
public import FoundationEssentials
public import GRDB
internal import Glibc
internal import NIOConcurrencyHelpers

/// Opens one of the state's files: checks it, for a bounded time, brings it up to date, and sets a damaged one aside, if it can be
/// made again from elsewhere. WAL, synchronous=FULL: a write that returns is on the disk.
public struct DatabaseFile: Sendable {
    /// A file that was damaged lies under this name now.
    public struct SetAside: Sendable, Hashable {
        public var aside: String
        public var reason: String
    }

    /// Why it cannot be opened, beside SQLite's own errors.
    public enum Failure: Error, Sendable, Hashable {
        /// A later release of the agent has written it.
        case newer(found: Int, current: Int)
        /// It is damaged, and this is why it cannot be moved out of the way.
        case cannotSetAside(String)
        /// Another program's database.
        case foreign(applicationID: Int)
    }

    /// One change of the schema, by the version that it leads to. One that has been released is never edited.
    public typealias Step = (version: Int, sql: String)

    /// What takes long.
    public enum Progress: Sendable, Hashable {
        case upgrading(from: Int, to: Int)
        case checking
    }

    public let path: String
    public let steps: [Step]
    /// How long the check may take; what is left of it is for later. Zero: no check.
    public var checkLimit: Duration = .seconds(1)
    public var configuration: Configuration
    public var progress: @Sendable (Progress) -> Void = { _ in }
    /// Looks at what only its owner understands; throws SQLITE_CORRUPT.
    public var inspect: @Sendable (Database) throws -> Void = { _ in }

    /// `SGAs`: of each file that the agent makes. 0: of an earlier release, or new.
    static let applicationID = 0x5347_4173

    public init(path: String, label: String, steps: [Step]) {
        self.path = path
        self.steps = steps
        configuration = Configuration()
        configuration.label = label
        configuration.busyMode = .timeout(5)
        configuration.journalMode = .wal
    }

    /// Beside the file: damage was found in it while it was in use, so all of it is checked.
    public static func suspicion(_ path: String) -> String { path + ".suspect" }

    /// - Returns: it, and whether all of it was checked.
    public func open<Writer: DatabaseWriter>(
        _ make: (String, Configuration) throws -> Writer
    ) throws -> (writer: Writer, isChecked: Bool) {
        let mask = umask(0o077)
        defer { umask(mask) }
        let writer = try make(path, configuration)
        // GRDB sets NORMAL after opening it, so this comes after that.
        try writer.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
        let isSuspect = access(Self.suspicion(path), F_OK) == 0
        if isSuspect { progress(.checking) }
        let isChecked = try check(writer, limit: isSuspect ? nil : checkLimit)
        try writer.writeWithoutTransaction { database in
            try migrate(database)
            try inspect(database)
        }
        if isSuspect { unlink(Self.suspicion(path)) }
        return (writer, isChecked)
    }

    /// The same; a damaged file is renamed and a new one made.
    public func openOrSetAside<Writer: DatabaseWriter>(
        now: Date, _ make: (String, Configuration) throws -> Writer
    ) throws -> (writer: Writer, isChecked: Bool, setAside: SetAside?) {
        do {
            let (writer, isChecked) = try open(make)
            return (writer, isChecked, nil)
        } catch let error as DatabaseError where Self.isDamage(error) {
            let aside = "\(path).damaged-\(Int64(now.timeIntervalSince1970))"
            for suffix in ["", "-wal", "-shm"] {
                guard rename(path + suffix, aside + suffix) == 0 || (errno == ENOENT && !suffix.isEmpty) else {
                    throw Failure.cannotSetAside(String(cString: strerror(errno)))
                }
            }
            unlink(Self.suspicion(path))
            let (writer, isChecked) = try open(make)
            return (writer, isChecked, SetAside(aside: aside, reason: error.message ?? "damaged"))
        }
    }

    public static func isDamage(_ error: DatabaseError) -> Bool {
        error.resultCode == .SQLITE_CORRUPT || error.resultCode == .SQLITE_NOTADB
    }

    /// - Returns: whether it came to the end within the limit.
    private func check(_ writer: some DatabaseWriter, limit: Duration?) throws -> Bool {
        if limit == .zero { return false }
        let isOver = NIOLockedValueBox(false)
        if let limit {
            DispatchQueue.global().asyncAfter(deadline: .now() + limit / .seconds(1)) { [weak writer] in
                // Under the lock: what is run after the check is not to be interrupted.
                isOver.withLockedValue { if !$0 { writer?.interrupt() } }
            }
        }
        defer { isOver.withLockedValue { $0 = true } }
        do {
            let findings = try writer.writeWithoutTransaction { try String.fetchAll($0, sql: "PRAGMA quick_check(1)") }
            guard findings == ["ok"] else {
                // SQLite's own words may be of several lines.
                let words = findings.joined(separator: "; ").split(separator: "\n").joined(separator: " ")
                throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: words)
            }
            return true
        } catch let error as DatabaseError where error.resultCode == .SQLITE_INTERRUPT {
            return false
        }
    }

    /// Brings an older file up to date, each step in a transaction of its own. An interrupted step has changed nothing.
    public func migrate(_ database: Database) throws {
        let current = steps.last?.version ?? 0
        let found = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
        guard found <= current else { throw Failure.newer(found: found, current: current) }
        let owner = try Int.fetchOne(database, sql: "PRAGMA application_id") ?? 0
        guard owner == 0 || owner == Self.applicationID else { throw Failure.foreign(applicationID: owner) }
        if found > 0, found < current { progress(.upgrading(from: found, to: current)) }
        for step in steps where step.version > found {
            try database.inTransaction {
                try database.execute(sql: step.sql)
                try database.execute(sql: "PRAGMA user_version = \(step.version)")
                return .commit
            }
        }
        if owner == 0 { try database.execute(sql: "PRAGMA application_id = \(Self.applicationID)") }
    }
}
