// SPDX-License-Identifier: GPL-3.0-or-later

extension JobObservation {
    /// slurmdbd's rows of ends as they may be taken in, slurmctld having been asked of the same job.
    ///
    /// slurmdbd is told of the end of each run before slurmctld has decided whether the job goes on: its row is the end of
    /// the job only once slurmctld has the job no more.
    /// - Parameter seen: slurmctld's answer; empty when it knows no such job.
    static func ends(_ rows: [JobObservation], after seen: [JobObservation]) -> [JobObservation] {
        rows.compactMap { row in
            // What slurmdbd has of a run that slurmctld still has is older than slurmctld's.
            guard row.tellsEnd, !seen.contains(where: { $0.isSameRun(as: row) }) else { return nil }
            var end = row
            // A later run of the same number: of the same job, or of another. That is the ledger's to decide.
            end.isForgotten = !seen.contains { $0.key == row.key }
            return end
        }
    }

    private func isSameRun(as row: JobObservation) -> Bool {
        submitTime == row.submitTime && (key == row.key || (row.isOnlyEnd && jobID == row.jobID))
    }
}

extension Ledger.OpenRun {
    /// slurmctld's answer says nothing of it, and nobody else has said how it ended: slurmdbd has to be asked.
    func isUnexplained(by seen: [JobObservation]) -> Bool {
        if seen.contains(where: { $0.isOf(self) }) { return false }
        return !knowsEnd || !seen.contains { $0.key == key }
    }
}
