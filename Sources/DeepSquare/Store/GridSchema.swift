// SPDX-License-Identifier: GPL-3.0-or-later

internal import GRDB
internal import Persistence

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
        (
            4,
            """
            -- Logs of the chain that are in the claims, by what names them whatever becomes of the chain's file. Those up to the
            -- block `read` in meta are all in there, and forgotten some time later. `logs` is of earlier releases.
            CREATE TABLE taken (tx BLOB NOT NULL, place INTEGER NOT NULL, block INTEGER NOT NULL, PRIMARY KEY (tx, place))
                WITHOUT ROWID;
            CREATE INDEX taken_block ON taken (block);
            """
        ),
    ]

    static func file(_ path: String) -> DatabaseFile { DatabaseFile(path: path, label: "deepsquare", steps: steps) }

    static func migrate(_ database: Database, path: String) throws { try file(path).migrate(database) }
}
