// SPDX-License-Identifier: GPL-3.0-or-later

internal import Persistence

/// The tables of `benchmark.sqlite`. A step that was released is never edited.
enum BenchmarkSchema {
    static let steps: [DatabaseFile.Step] = [
        (
            1,
            """
            CREATE TABLE runs (
                id INTEGER PRIMARY KEY AUTOINCREMENT,
                token TEXT NOT NULL,
                begun_at INTEGER NOT NULL,
                ended_at INTEGER,
                cancelled INTEGER NOT NULL DEFAULT 0
            ) STRICT;
            CREATE INDEX runs_open ON runs (id) WHERE ended_at IS NULL;
            CREATE TABLE parts (
                id INTEGER PRIMARY KEY AUTOINCREMENT,
                run INTEGER NOT NULL REFERENCES runs (id),
                part TEXT NOT NULL,
                hardware TEXT NOT NULL,
                state TEXT NOT NULL,
                request BLOB,
                user_id INTEGER,
                output TEXT,
                job_id INTEGER,
                job_state TEXT,
                message TEXT,
                sequence INTEGER NOT NULL DEFAULT 0,
                submitted_at INTEGER,
                started_at INTEGER,
                ended_at INTEGER
            ) STRICT;
            CREATE INDEX parts_run ON parts (run);
            CREATE INDEX parts_done ON parts (part, hardware, id) WHERE state = 'done';
            CREATE TABLE labels (
                part INTEGER NOT NULL REFERENCES parts (id),
                key TEXT NOT NULL,
                value TEXT NOT NULL,
                PRIMARY KEY (part, key)
            ) STRICT, WITHOUT ROWID;
            CREATE INDEX labels_key ON labels (key, part);
            """
        ),
        (
            2,
            """
            CREATE TABLE results (
                part INTEGER NOT NULL REFERENCES parts (id),
                name TEXT NOT NULL,
                content TEXT NOT NULL,
                PRIMARY KEY (part, name)
            ) STRICT, WITHOUT ROWID;
            """
        ),
        // The part's place in its run, by which its job posts; NULL: its output is read.
        (3, "ALTER TABLE parts ADD COLUMN post INTEGER;"),
        // Of open parts whose jobs leave their results in their comments.
        (
            4,
            """
            CREATE TABLE transfers (
                part INTEGER PRIMARY KEY REFERENCES parts (id),
                attempt INTEGER NOT NULL DEFAULT 0,
                number INTEGER NOT NULL DEFAULT 0,
                text TEXT NOT NULL DEFAULT ''
            ) STRICT;
            """
        ),
    ]
}
