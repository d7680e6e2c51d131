// SPDX-License-Identifier: GPL-3.0-or-later

internal import GRDB
internal import Persistence

/// The tables, by version. A step that has been released is never edited; `docs/ledger.md` describes them.
enum LedgerSchema {
    static let steps: [(version: Int, sql: String)] = [
        (
            1,
            """
            CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

            -- A job: what came in through one submission. An order's number is unknown until it is submitted.
            CREATE TABLE jobs (
                id INTEGER PRIMARY KEY AUTOINCREMENT,
                number INTEGER, part INTEGER,
                final INTEGER NOT NULL DEFAULT 0,
                created_at INTEGER NOT NULL,
                gateway TEXT, external_id TEXT, claim INTEGER,
                tag TEXT UNIQUE, request BLOB, order_phase TEXT, attempted_at INTEGER, tries INTEGER NOT NULL DEFAULT 0,
                next_at INTEGER NOT NULL DEFAULT 0, last_error TEXT,
                UNIQUE (gateway, external_id, claim)
            );
            CREATE INDEX jobs_open_orders ON jobs (next_at)
                WHERE order_phase IN ('accepted', 'attempted', 'submitted');

            -- A run of it. slurmctld gives a requeued job a new submit time.
            CREATE TABLE runs (
                id INTEGER PRIMARY KEY AUTOINCREMENT,
                job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
                number INTEGER NOT NULL, part INTEGER NOT NULL, submit_time INTEGER NOT NULL,
                job_id INTEGER NOT NULL, restarts INTEGER,
                phase TEXT NOT NULL, state TEXT,
                start_time INTEGER, end_time INTEGER, elapsed INTEGER, exit_status INTEGER,
                details TEXT NOT NULL, as_of INTEGER NOT NULL, told_running INTEGER NOT NULL,
                missing_since INTEGER, missing_answers INTEGER NOT NULL DEFAULT 0,
                UNIQUE (number, part, submit_time)
            );
            CREATE INDEX runs_job ON runs (job);
            CREATE INDEX runs_open ON runs (job_id) WHERE phase IN ('pending', 'running', 'suspended', 'closing');

            CREATE TABLE transitions (
                sequence INTEGER PRIMARY KEY AUTOINCREMENT,
                job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
                kind TEXT NOT NULL, final INTEGER NOT NULL, recorded_at INTEGER NOT NULL,
                body TEXT NOT NULL
            );
            CREATE INDEX transitions_job ON transitions (job);

            -- The outbox. state: 0 waiting, 1 delivered, 2 parked.
            CREATE TABLE deliveries (
                gateway TEXT NOT NULL, sequence INTEGER NOT NULL REFERENCES transitions (sequence) ON DELETE CASCADE,
                job INTEGER NOT NULL, state INTEGER NOT NULL DEFAULT 0,
                attempts INTEGER NOT NULL DEFAULT 0, next_at INTEGER NOT NULL DEFAULT 0, error TEXT,
                PRIMARY KEY (gateway, sequence)
            ) WITHOUT ROWID;
            CREATE INDEX deliveries_waiting ON deliveries (gateway, sequence) WHERE state = 0;
            CREATE INDEX deliveries_held ON deliveries (gateway, job, sequence) WHERE state <> 1;
            CREATE INDEX deliveries_sequence ON deliveries (sequence);

            -- "Look at this job", until somebody has.
            CREATE TABLE hints (
                job_id INTEGER NOT NULL, reason TEXT NOT NULL, time INTEGER NOT NULL,
                tries INTEGER NOT NULL DEFAULT 0, next_at INTEGER NOT NULL DEFAULT 0,
                parked INTEGER NOT NULL DEFAULT 0, note TEXT,
                PRIMARY KEY (job_id, reason)
            ) WITHOUT ROWID;
            CREATE INDEX hints_due ON hints (next_at) WHERE parked = 0;

            -- The last frame of each plugin process that is in here.
            CREATE TABLE marks (
                boot_id BLOB PRIMARY KEY, sequence INTEGER NOT NULL, dropped INTEGER NOT NULL DEFAULT 0,
                heard_at INTEGER NOT NULL
            ) WITHOUT ROWID;

            CREATE TABLE refused_frames (
                id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, peer TEXT NOT NULL, reason TEXT NOT NULL,
                bytes BLOB NOT NULL
            );
            """
        ),
        (
            2,
            """
            -- Of an order: how often slurmctld was asked for it (0: an older release asked), what is known of a submission
            -- without an answer (JSON), the submit time of its job as it was read back, and why it is to become none.
            ALTER TABLE jobs ADD COLUMN asks INTEGER NOT NULL DEFAULT 0;
            ALTER TABLE jobs ADD COLUMN doubt TEXT;
            ALTER TABLE jobs ADD COLUMN submit_time INTEGER;
            ALTER TABLE jobs ADD COLUMN withdrawn TEXT;
            CREATE INDEX jobs_order_number ON jobs (number) WHERE order_phase IS NOT NULL;

            -- Slurm jobs with an order's tag and another number than the order's: one too many. phase: found, running,
            -- cancelled, over.
            CREATE TABLE surplus (
                job_id INTEGER NOT NULL, submit_time INTEGER NOT NULL, ledger_job INTEGER NOT NULL,
                found_at INTEGER NOT NULL, phase TEXT NOT NULL DEFAULT 'found', started INTEGER NOT NULL DEFAULT 0,
                tries INTEGER NOT NULL DEFAULT 0, next_at INTEGER NOT NULL DEFAULT 0,
                PRIMARY KEY (job_id, submit_time)
            ) WITHOUT ROWID;
            CREATE INDEX surplus_due ON surplus (next_at) WHERE phase IN ('found', 'running');

            -- Earlier releases took them for runs of the order's job.
            INSERT OR IGNORE INTO surplus (job_id, submit_time, ledger_job, found_at, started)
                SELECT r.number, r.submit_time, j.id, j.created_at, r.start_time IS NOT NULL FROM runs r
                JOIN jobs j ON j.id = r.job
                WHERE j.tag IS NOT NULL AND j.number <> r.number
                    AND r.phase IN ('pending', 'running', 'suspended', 'closing');
            /* reads all */ INSERT INTO jobs (number, part, created_at) SELECT job_id, -1, found_at FROM surplus;
            /* reads all */ UPDATE runs SET job = (SELECT max(id) FROM jobs n WHERE n.number = runs.number AND n.tag IS NULL)
                WHERE EXISTS (SELECT 1 FROM surplus s WHERE s.job_id = runs.number AND s.submit_time = runs.submit_time
                    AND s.ledger_job = runs.job);
            """
        ),
        (
            3,
            """
            -- Jobs that may have started are looked at first; each lane in the order in which it is due.
            DROP INDEX hints_due;
            CREATE INDEX hints_due_starts ON hints (next_at, time) WHERE parked = 0 AND reason IN ('start', 'superseded');
            CREATE INDEX hints_due_others ON hints (next_at, time)
                WHERE parked = 0 AND reason NOT IN ('start', 'superseded');
            """
        ),
        (4, growth),
        (5, counting),
        (
            6,
            """
            -- Only of what was asked for more than once there can be one too many.
            CREATE INDEX jobs_asked_again ON jobs (id) WHERE asks > 1;
            """
        ),
        (
            7,
            """
            -- Few, and counted apart from what waits for an answer.
            CREATE INDEX hints_vanished ON hints (job_id) WHERE reason = 'vanished' AND parked = 0;
            """
        ),
        (
            8,
            """
            -- When an order's job was released, Unix microseconds; NULL: not yet, or an older release did it.
            ALTER TABLE jobs ADD COLUMN released_at INTEGER;
            """
        ),
        (
            9,
            """
            -- What gateways want done with their jobs in Slurm. kind: cancel, time-limit. argument: why; minutes. state: open,
            -- done, impossible. error: of the last try, or why it is impossible.
            CREATE TABLE commands (
                job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE, kind TEXT NOT NULL, argument TEXT NOT NULL,
                state TEXT NOT NULL, asked_at INTEGER NOT NULL,
                tries INTEGER NOT NULL DEFAULT 0, next_at INTEGER NOT NULL DEFAULT 0, error TEXT,
                PRIMARY KEY (job, kind)
            ) WITHOUT ROWID;
            CREATE INDEX commands_due ON commands (next_at) WHERE state = 'open';
            """
        ),
        (
            10,
            """
            -- When slurmctld said that it was done, Unix microseconds, as long as one that is killed may lose that.
            ALTER TABLE commands ADD COLUMN done_at INTEGER;
            DROP INDEX commands_due;
            CREATE INDEX commands_due ON commands (next_at) WHERE state = 'open' OR done_at IS NOT NULL;
            """
        ),
    ]

    static var current: Int { steps.last?.version ?? 0 }

    /// Brings an older file up to date. Of 20 million transitions a step that makes an index takes minutes.
    static func migrate(_ database: Database) throws {
        try DatabaseFile(path: "", label: "ledger", steps: steps).migrate(database)
    }
}
