// SPDX-License-Identifier: GPL-3.0-or-later

internal import GRDB

/// What the record for an array's pending tasks, and those tasks, have to do with each other.
extension LedgerTransaction {
    /// The last task of an array takes the array's number, and with it the record of those that wait. What slurmctld says
    /// later of such a record is that it has taken it back; what slurmdbd says has no time of its own.
    mutating func disperse(array: UInt32, by task: JobObservation) throws {
        let time = task.source == .accounting ? 0 : task.time
        try disperse(array: array, at: time, submittedBy: task.submitTime)
    }

    mutating func endTasks(_ tasks: ArrayTasks, of rest: RunRecord, _ seen: JobObservation) throws {
        for var run in try runs("number = ? AND part >= 0 AND phase = 'pending'", [rest.key.number]) {
            guard case .task(let task) = run.record.key.part, tasks.contains(task) else { continue }
            run.record.phase = .ended
            run.record.state = rest.state
            run.record.endTime = rest.endTime
            run.record.elapsed = 0
            run.record.exitStatus = rest.exitStatus
            try update(run)
            var job = try job(run.job)
            try append(.ended, &job, run: run.record, source: seen.source)
        }
    }
}
