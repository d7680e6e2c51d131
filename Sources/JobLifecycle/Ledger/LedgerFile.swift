// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import GRDB
internal import Persistence

/// Opens a ledger's file: checks it, for a bounded time, brings it up to date, and sets a damaged one aside.
struct LedgerFile {
    let path: String
    /// How long the check may take; what is left of it is for later. Zero: no check.
    let checkLimit: Duration
    let progress: @Sendable (Ledger.OpeningStep) -> Void
    let trace: (@Sendable (String) -> Void)?

    /// Beside the ledger: damage was found in it while it was in use.
    static func suspicion(_ path: String) -> String { DatabaseFile.suspicion(path) }

    func openOrSetAside(now: Date) throws -> (DatabasePool, isChecked: Bool, Ledger.Opening?) {
        let (pool, isChecked, setAside) = try file.openOrSetAside(now: now) {
            try DatabasePool(path: $0, configuration: $1)
        }
        return (pool, isChecked, setAside.map { .replaced(aside: $0.aside, why: $0.reason) })
    }

    private var file: DatabaseFile {
        var file = DatabaseFile(path: path, label: "ledger", steps: LedgerSchema.steps)
        file.checkLimit = checkLimit
        file.configuration.maximumReaderCount = 2
        // 256 pages of 4 KiB a connection: the open jobs are few, the rest is read once.
        file.configuration.prepareDatabase { [trace] database in
            try database.execute(sql: "PRAGMA cache_size = 256; PRAGMA temp_store = MEMORY")
            guard let trace else { return }
            database.trace { event in
                if case .statement(let statement) = event { trace(statement.sql) }
            }
        }
        file.progress = { [progress] step in
            switch step {
            case .checking: progress(.checking)
            case .upgrading(let from, let to): progress(.upgrading(from: from, to: to))
            }
        }
        return file
    }
}
