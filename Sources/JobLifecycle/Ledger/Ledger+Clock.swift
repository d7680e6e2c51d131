// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import GRDB
internal import Support

/// The newest time that was believed is kept: whether the wall clock was set while the agent was not running, nothing else says.
extension Ledger {
    private static let clockName = "clock"

    /// nil: the ledger is a new one.
    static func newestTime(_ database: Database) throws -> Date? {
        if let kept = try String.fetchOne(
            database, sql: "SELECT value FROM meta WHERE name = ?", arguments: [clockName]
        ).flatMap({ Int64($0) }) {
            return Date(timeIntervalSince1970: Double(kept))
        }
        // An earlier release kept none.
        return try Int64.fetchOne(
            database,
            sql: "SELECT recorded_at FROM transitions WHERE sequence = (SELECT max(sequence) FROM transitions)"
        ).map { Date(timeIntervalSince1970: Double($0) / 1_000_000) }
    }

    static func note(_ time: Date, _ database: Database) throws {
        try database.execute(
            sql: "INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
            arguments: [clockName, String(Int64(time.timeIntervalSince1970))])
    }

    /// For the next start.
    func noteClock() async throws(LedgerError) {
        let time = clock.now()
        try await transact { try Self.note(time, $0.database) }
    }

    /// How long a wall clock that was behind has been right again, by `now`, Unix microseconds; nil: it never was. What was recorded before
    /// may be younger than its date says.
    func rightSince(_ now: Int64) async throws(LedgerError) -> Int64? {
        try await read { database in
            try String.fetchOne(
                database, sql: "SELECT value FROM meta WHERE name = ?", arguments: [LedgerTransaction.putRightName]
            ).flatMap { Int64($0) }.map { now - $0 * 1_000_000 }
        }
    }
}

extension LedgerTransaction {
    static let putRightName = "clock put right"

    /// The clock that ages count by has moved on beyond the time that passed. Answers that miss a job count from now on.
    /// - Parameter leap: seconds.
    func noteLeap(_ leap: Double) throws {
        try database.execute(
            sql: """
                UPDATE runs SET missing_since = ? WHERE phase IN ('pending', 'running', 'suspended', 'closing')
                    AND missing_since IS NOT NULL
                """,
            arguments: [trustedNow])
        guard leap > ClockTrust.slackOfRestart else { return }
        try database.execute(
            sql: "INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
            arguments: [Self.putRightName, String(trustedNow / 1_000_000)])
    }
}
