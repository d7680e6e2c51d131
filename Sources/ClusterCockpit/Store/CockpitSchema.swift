// SPDX-License-Identifier: GPL-3.0-or-later

internal import GRDB
internal import Persistence

/// The tables of the gateway's file, by version. A step that has been released is never edited.
enum CockpitSchema {
    private static let steps: [(version: Int, sql: String)] = [
        (
            1,
            """
            CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
            -- Runs that ran. details, capture: JSON.
            CREATE TABLE runs (
                id INTEGER PRIMARY KEY AUTOINCREMENT,
                lane INTEGER NOT NULL, job_id INTEGER NOT NULL, submit_time INTEGER NOT NULL, start_time INTEGER NOT NULL,
                job TEXT NOT NULL, sequence INTEGER NOT NULL, details TEXT NOT NULL,
                ending TEXT, end_time INTEGER, end_state TEXT, capture TEXT, is_captured INTEGER NOT NULL DEFAULT 0,
                UNIQUE (job_id, submit_time)
            );
            CREATE INDEX runs_lane ON runs (lane, id);
            CREATE INDEX runs_open ON runs (id) WHERE ending IS NULL;
            CREATE INDEX runs_uncaptured ON runs (id) WHERE is_captured = 0;
            CREATE INDEX runs_ended ON runs (end_time) WHERE ending IS NOT NULL;
            -- Jobs that ended while no run of theirs ran.
            CREATE TABLE closed (lane INTEGER PRIMARY KEY);
            -- What each backend knows of a run. open: something is to be done; next_at: not before, Unix ms.
            CREATE TABLE rows (
                backend TEXT NOT NULL, run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE, lane INTEGER NOT NULL,
                phase TEXT NOT NULL, open INTEGER NOT NULL DEFAULT 1, attempts INTEGER NOT NULL DEFAULT 0,
                next_at INTEGER NOT NULL DEFAULT 0, reason TEXT, started_at INTEGER, uncertain INTEGER NOT NULL DEFAULT 0,
                PRIMARY KEY (backend, run)
            ) WITHOUT ROWID;
            CREATE INDEX rows_due ON rows (backend, next_at, lane) WHERE open = 1;
            CREATE INDEX rows_lane ON rows (lane, backend);
            CREATE INDEX rows_run ON rows (run);
            CREATE INDEX rows_parked ON rows (backend, run) WHERE phase = 'parked';
            CREATE TABLE backends (
                name TEXT PRIMARY KEY, release TEXT, cluster TEXT NOT NULL DEFAULT '', compared_at INTEGER
            ) WITHOUT ROWID;
            """
        ),
        (
            2,
            """
            -- What nodes are made of, by their last word, and what each said of a job when it began there (JSON). seen: Unix ms.
            CREATE TABLE hardware (node TEXT PRIMARY KEY, hardware TEXT NOT NULL, seen INTEGER NOT NULL) WITHOUT ROWID;
            CREATE TABLE shares (
                id INTEGER PRIMARY KEY, job_id INTEGER NOT NULL, seen INTEGER NOT NULL, node TEXT NOT NULL, share TEXT NOT NULL
            );
            CREATE INDEX shares_job ON shares (job_id, seen);
            CREATE INDEX shares_seen ON shares (seen);
            """
        ),
        (
            3,
            """
            -- When to look up whether the backend has what was published, Unix ms; NULL: nothing is in doubt.
            ALTER TABLE rows ADD COLUMN confirm_at INTEGER;
            -- How often in a row, without its being found there.
            ALTER TABLE rows ADD COLUMN published INTEGER NOT NULL DEFAULT 0;
            CREATE INDEX rows_unconfirmed ON rows (backend, confirm_at) WHERE confirm_at IS NOT NULL;
            """
        ),
    ]

    static func file(_ path: String) -> DatabaseFile {
        DatabaseFile(path: path, label: "clustercockpit", steps: steps)
    }

    static func migrate(_ database: Database) throws { try file("").migrate(database) }
}
