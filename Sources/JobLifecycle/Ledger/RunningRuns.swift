// SPDX-License-Identifier: GPL-3.0-or-later

internal import GRDB
internal import NIOConcurrencyHelpers

/// The runs that consumers were told of as running and that are not over, in memory, as the last commit left them: who needs all
/// of them again and again asks neither slurmctld nor the file.
///
/// Fed by the writer in the order of its commits, before whoever made one has its answer.
final class RunningRuns: Sendable {
    enum Change: Sendable {
        case written(LedgerTransaction.RunRow)
        /// All runs of a job are another one's.
        case moved(from: Int64, to: Int64)
    }

    /// By the ledger's number of the run.
    private let runs = NIOLockedValueBox<[Int64: LedgerTransaction.RunRow]>([:])

    var all: [LedgerTransaction.RunRow] { runs.withLockedValue { Array($0.values) } }

    static func holds(_ run: RunRecord) -> Bool { run.phase.isOpen && run.toldRunning }

    /// As the file has them, before anything is written.
    func load(_ database: Database) throws {
        let rows = try Row.fetchCursor(
            database,
            sql: """
                SELECT \(LedgerTransaction.runColumns) FROM runs INDEXED BY runs_open
                WHERE phase IN ('pending', 'running', 'suspended', 'closing') AND told_running = 1
                """)
        var found: [Int64: LedgerTransaction.RunRow] = [:]
        while let row = try rows.next() {
            let run = try LedgerTransaction.run(row)
            found[run.id] = run
        }
        runs.withLockedValue { $0 = found }
    }

    func take(_ changes: [Change]) {
        guard !changes.isEmpty else { return }
        runs.withLockedValue { runs in
            for change in changes {
                switch change {
                case .written(let run): runs[run.id] = Self.holds(run.record) ? run : nil
                case .moved(let from, let to):
                    for (id, run) in runs where run.job == from {
                        var moved = run
                        moved.job = to
                        runs[id] = moved
                    }
                }
            }
        }
    }
}
