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

    /// The last one that was kept, by this process or an earlier one.
    static func leap(_ database: Database) throws -> ClockTrust.Leap? {
        let kept = try String.fetchOne(
            database, sql: "SELECT value FROM meta WHERE name = ?", arguments: [LedgerTransaction.leapName])
        let numbers = kept.map { $0.split(separator: " ").compactMap { Double($0) } } ?? []
        guard numbers.count == 2, numbers.allSatisfy({ (0...1e11).contains($0) }) else { return nil }
        return ClockTrust.Leap(at: numbers[0], by: numbers[1])
    }
}

extension LedgerTransaction {
    fileprivate static let leapName = "clock leapt"

    /// Keeps it for the next start, once. Answers that miss a job count from now on.
    func note(_ leap: ClockTrust.Leap) throws {
        guard try Ledger.leap(database) != leap else { return }
        try database.execute(
            sql: """
                UPDATE runs SET missing_since = ? WHERE phase IN ('pending', 'running', 'suspended', 'closing')
                    AND missing_since IS NOT NULL
                """,
            arguments: [trustedNow])
        try database.execute(
            sql: "INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
            arguments: [Self.leapName, "\(leap.at) \(leap.by)"])
    }
}
