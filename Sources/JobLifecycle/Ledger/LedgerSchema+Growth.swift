// SPDX-License-Identifier: GPL-3.0-or-later

extension LedgerSchema {
    /// What is asked again and again is counted as it changes, and found by an index of just what is open, however much is
    /// over. Triggers count, so that no writer can forget to, a cascade of deletions included; those for what happens with every
    /// event are gone with the next step.
    ///
    /// Counted before the old index of what waits goes; that, and the scans for the new ones, is what takes long in a large file.
    static let growth = """
        -- gateway: '' but for 'waiting' and 'parked'.
        CREATE TABLE counters (
            name TEXT NOT NULL, gateway TEXT NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (name, gateway)
        ) WITHOUT ROWID;

        CREATE INDEX deliveries_parked ON deliveries (gateway, job) WHERE state = 2;
        \(countingTriggers)

        -- Never tried, in order; to be tried again, by time and in order.
        CREATE INDEX deliveries_fresh ON deliveries (gateway, sequence) WHERE state = 0 AND next_at = 0;
        CREATE INDEX deliveries_postponed ON deliveries (gateway, next_at) WHERE state = 0 AND next_at > 0;
        CREATE INDEX deliveries_postponed_order ON deliveries (gateway, sequence) WHERE state = 0 AND next_at > 0;
        DROP INDEX deliveries_waiting;

        CREATE INDEX jobs_open ON jobs (id) WHERE final = 0;
        CREATE INDEX jobs_ordered_number ON jobs (number) WHERE gateway IS NOT NULL;
        -- Array tasks: Slurm's own number of the record is not the one in the key.
        CREATE INDEX runs_other_number ON runs (job_id) WHERE job_id <> number;
        CREATE INDEX hints_parked ON hints (time) WHERE parked = 1;
        CREATE INDEX surplus_over ON surplus (found_at) WHERE phase IN ('cancelled', 'over');
        CREATE INDEX refused_frames_at ON refused_frames (at);
        """

    /// Each counter: its name, its gateway, and the rows that it counts.
    static let counters: [(name: String, table: String, gateway: String, condition: String)] = [
        ("jobs", "jobs", "''", "1"),
        ("open_orders", "jobs", "''", "@order_phase IN ('accepted', 'attempted', 'submitted')"),
        ("open_runs", "runs", "''", "@phase IN ('pending', 'running', 'suspended', 'closing')"),
        ("vanished", "runs", "''", "@phase = 'vanished'"),
        ("hints", "hints", "''", "@parked = 0"),
        ("parked_hints", "hints", "''", "@parked = 1"),
        ("refused_frames", "refused_frames", "''", "1"),
        ("surplus", "surplus", "''", "1"),
        ("surplus_running", "surplus", "''", "@phase = 'running'"),
        ("waiting", "deliveries", "@gateway", "@state = 0"),
        ("parked", "deliveries", "@gateway", "@state = 2"),
    ]

    private static let changing = [
        "open_orders": "order_phase", "open_runs": "phase", "vanished": "phase", "surplus_running": "phase",
        "hints": "parked",
        "parked_hints": "parked", "waiting": "state", "parked": "state",
    ]

    private static var countingTriggers: String {
        counters.map { name, table, gateway, condition in
            func of(_ row: String, _ text: String) -> String { text.replacing("@", with: row) }
            func count(_ row: String, _ by: String) -> String {
                """
                INSERT INTO counters VALUES ('\(name)', \(of(row, gateway)), \(by))
                    ON CONFLICT DO UPDATE SET value = value + excluded.value;
                """
            }
            let begin = """
                /* reads all */ INSERT INTO counters SELECT '\(name)', \(of("", gateway)), count(*) FROM \(table)
                    WHERE \(of("", condition)) GROUP BY 2;
                """
            let (old, new) = (of("OLD.", condition), of("NEW.", condition))
            var triggers = """
                CREATE TRIGGER count_\(name)_insert AFTER INSERT ON \(table) WHEN \(new) BEGIN \(count("NEW.", "1")) END;
                CREATE TRIGGER count_\(name)_delete AFTER DELETE ON \(table) WHEN \(old) BEGIN \(count("OLD.", "-1")) END;
                """
            if let column = changing[name] {
                triggers += """

                    CREATE TRIGGER count_\(name)_gain AFTER UPDATE OF \(column) ON \(table)
                        WHEN (\(new)) AND (\(old)) IS NOT 1 BEGIN \(count("NEW.", "1")) END;
                    CREATE TRIGGER count_\(name)_loss AFTER UPDATE OF \(column) ON \(table)
                        WHEN (\(old)) AND (\(new)) IS NOT 1 BEGIN \(count("OLD.", "-1")) END;
                    """
            }
            return begin + "\n" + triggers
        }.joined(separator: "\n")
    }
}
