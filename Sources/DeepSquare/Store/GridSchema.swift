// SPDX-License-Identifier: GPL-3.0-or-later

internal import GRDB

/// The tables of the gateway's file, by version. A step that has been released is never edited.
enum GridSchema {
    private static let steps: [(version: Int, sql: String)] = [
        (
            1,
            """
            CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
            -- body: JSON of a GridClaim.
            CREATE TABLE claims (
                job TEXT NOT NULL, number INTEGER NOT NULL, revision INTEGER NOT NULL, open INTEGER NOT NULL,
                changed_at REAL NOT NULL, body TEXT NOT NULL, PRIMARY KEY (job, number)
            ) WITHOUT ROWID;
            CREATE INDEX claims_open ON claims (open) WHERE open = 1;
            CREATE INDEX claims_changed ON claims (changed_at);
            -- Logs of the chain, by the feed's number, that are in the claims.
            CREATE TABLE logs (sequence INTEGER PRIMARY KEY);
            """
        ),
        (
            2,
            """
            -- Over, and the chain has not been asked yet when it was requested, started and ended.
            ALTER TABLE claims ADD COLUMN lacks_times INTEGER NOT NULL DEFAULT 0;
            CREATE INDEX claims_without_times ON claims (changed_at) WHERE lacks_times = 1;
            -- What the contract paid. at: Unix seconds; credits: wei, decimal; place: of the transaction's transfers to us.
            CREATE TABLE payments (
                tx TEXT NOT NULL, place INTEGER NOT NULL, job TEXT NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL,
                block INTEGER NOT NULL, credits TEXT NOT NULL, PRIMARY KEY (tx, place)
            ) WITHOUT ROWID;
            CREATE INDEX payments_at ON payments (at);
            """
        ),
        (
            3,
            """
            -- Who paid: the claim's customer. Empty: not known.
            ALTER TABLE payments ADD COLUMN customer TEXT NOT NULL DEFAULT '';
            UPDATE payments SET customer = coalesce((
                SELECT json_extract(body, '$.customer') FROM claims
                WHERE claims.job = payments.job AND claims.number = payments.number), '');
            """
        ),
    ]

    static var current: Int { steps.last?.version ?? 0 }

    /// Checks a file and brings it up to date, each step in a transaction of its own.
    static func migrate(_ database: Database, path: String) throws {
        let findings = try String.fetchAll(database, sql: "PRAGMA quick_check(1)")
        if findings != ["ok"] {
            throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: findings.joined(separator: "; "))
        }
        let found = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
        guard found <= current else {
            throw GridError(
                .configuration,
                "\(path) has format \(found), this release reads up to \(current): install the later release again")
        }
        for step in steps where step.version > found {
            try database.inTransaction {
                try database.execute(sql: step.sql)
                try database.execute(sql: "PRAGMA user_version = \(step.version)")
                return .commit
            }
        }
    }
}
