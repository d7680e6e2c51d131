// SPDX-License-Identifier: GPL-3.0-or-later

extension LedgerSchema {
    /// Triggers took a tenth of what a job's end costs. What happens with every event is counted by who writes it
    /// (LedgerTransaction+Counted.swift); the triggers for what is rare, and for deletions with all that goes with a row, stay.
    static let counting = countedByWriter.map { "DROP TRIGGER count_\($0);" }.joined(separator: "\n")

    static let countedByWriter = [
        "jobs_insert", "open_orders_insert",
        "open_runs_insert", "open_runs_gain", "open_runs_loss", "vanished_insert", "vanished_gain", "vanished_loss",
        "waiting_insert", "waiting_gain", "waiting_loss", "parked_insert", "parked_gain", "parked_loss",
    ]
}
