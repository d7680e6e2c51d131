// SPDX-License-Identifier: GPL-3.0-or-later

internal import Dispatch
internal import FoundationEssentials
internal import GRDB
internal import Glibc
internal import NIOConcurrencyHelpers

/// Opens a ledger's file: checks it, for a bounded time, brings it up to date, and sets a damaged one aside.
struct LedgerFile {
    let path: String
    /// How long the check may take; what is left of it is for later. Zero: no check.
    let checkLimit: Duration
    let progress: @Sendable (Ledger.OpeningStep) -> Void
    let trace: (@Sendable (String) -> Void)?

    /// Beside the ledger: damage was found in it while it was in use.
    static func suspicion(_ path: String) -> String { path + ".suspect" }

    func openOrSetAside(now: Date) throws -> (DatabasePool, isChecked: Bool, Ledger.Opening?) {
        do {
            let (pool, isChecked) = try open()
            return (pool, isChecked, nil)
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
            unlink(Self.suspicion(path))
            let why = error.message ?? "damaged"
            let (pool, isChecked) = try open()
            return (pool, isChecked, .replaced(aside: aside, why: why))
        }
    }

    private func open() throws -> (DatabasePool, isChecked: Bool) {
        var configuration = Configuration()
        configuration.label = "ledger"
        configuration.maximumReaderCount = 2
        configuration.busyMode = .timeout(5)
        // 256 pages of 4 KiB a connection: the open jobs are few, the rest is read once.
        configuration.prepareDatabase { [trace] database in
            try database.execute(sql: "PRAGMA cache_size = 256; PRAGMA temp_store = MEMORY")
            guard let trace else { return }
            database.trace { event in
                if case .statement(let statement) = event { trace(statement.sql) }
            }
        }
        let mask = umask(0o077)
        defer { umask(mask) }
        let pool = try DatabasePool(path: path, configuration: configuration)
        // GRDB sets NORMAL on its writer after opening it, so this comes after that.
        try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
        let isSuspect = access(Self.suspicion(path), F_OK) == 0
        if isSuspect { progress(.checking) }
        let isChecked = try check(pool, limit: isSuspect ? nil : checkLimit)
        try pool.writeWithoutTransaction { database in
            let found = try LedgerSchema.version(database)
            if found > 0, found < LedgerSchema.current {
                progress(.upgrading(from: found, to: LedgerSchema.current))
            }
            try LedgerSchema.migrate(database)
        }
        if isSuspect { unlink(Self.suspicion(path)) }
        return (pool, isChecked)
    }

    /// - Returns: whether it came to the end within the limit.
    private func check(_ pool: DatabasePool, limit: Duration?) throws -> Bool {
        if limit == .zero { return false }
        let isOver = NIOLockedValueBox(false)
        if let limit {
            DispatchQueue.global().asyncAfter(deadline: .now() + limit / .seconds(1)) { [weak pool] in
                // Under the lock: what is run after the check is not to be interrupted.
                isOver.withLockedValue { if !$0 { pool?.interrupt() } }
            }
        }
        defer { isOver.withLockedValue { $0 = true } }
        do {
            let findings = try pool.writeWithoutTransaction { try String.fetchAll($0, sql: "PRAGMA quick_check(1)") }
            guard findings == ["ok"] else {
                throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: findings.joined(separator: "; "))
            }
            return true
        } catch let error as DatabaseError where error.resultCode == .SQLITE_INTERRUPT {
            return false
        }
    }
}
