// SPDX-License-Identifier: GPL-3.0-or-later

internal import GRDB
internal import NIOConcurrencyHelpers

extension Ledger {
    /// Why nothing can be written to the disk, since a commit failed for it or somebody saw that there is no room; nil: it can.
    /// Meanwhile nobody takes on new work, of which nothing could be remembered.
    public var storageTrouble: String? { storageBox.withLockedValue { $0 } }

    /// From whoever watches the disk. A commit that has failed stays a reason until ``tryStorage()`` has written again.
    public func noteStorage(_ why: String) { storageBox.withLockedValue { $0 = why } }

    /// Whether a failure says that nothing can be written, and not what is wrong with what was to be.
    static func isOfStorage(_ error: any Error) -> Bool {
        if let error = error as? LedgerError { return error.code == .full }
        guard let error = error as? DatabaseError else { return false }
        return [
            .SQLITE_FULL, .SQLITE_READONLY, .SQLITE_IOERR, .SQLITE_CANTOPEN, .SQLITE_PERM, .SQLITE_AUTH, .SQLITE_BUSY,
            .SQLITE_LOCKED, .SQLITE_NOMEM,
        ].contains(error.resultCode)
    }

    /// Writes a line of its own, to know whether that can be done; when it can, the trouble is over.
    public func tryStorage() async throws(LedgerError) {
        try await transact { transaction in
            try transaction.database.execute(
                sql: "INSERT INTO meta VALUES ('tried', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                arguments: ["\(transaction.now)"])
        }
        storageBox.withLockedValue { $0 = nil }
    }
}
