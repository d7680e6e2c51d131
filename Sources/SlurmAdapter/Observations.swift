// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
package import JobLifecycle
package import Slurm
internal import Support

extension SchedulerState {
    /// nil for a base state that this release does not know: what is not understood is never taken for an end.
    package init?(_ state: JobState) {
        guard let base = state.base.flatMap({ Base(rawValue: $0.description) }) else { return nil }
        self.init(
            base, isCompleting: state.flags.contains(.completing),
            isRequeueing: !state.flags.isDisjoint(with: [.requeue, .requeueHold, .specialExit]),
            isResizing: state.flags.contains(.resizing), isRevoked: state.flags.contains(.revoked),
            isConfiguring: state.flags.contains(.configuring), isPoweringUp: state.flags.contains(.powerUpNode))
        // An ended job that was held after a requeue by exit code is pending again; the flag stays for show.
        if base == .pending, !state.flags.contains(.requeue), !state.flags.contains(.completing) {
            isRequeueing = false
        }
    }

    /// The run that such a record speaks of is over.
    package var isOver: Bool { base.isEnd || isRequeueing }
}

extension JobObservation {
    /// What slurmctld answered. nil for a record that names no run (no submit time) or an unknown state.
    package init?(_ job: Job, asked: Int64) {
        guard let submitted = job.submitTime, let state = SchedulerState(job.state) else { return nil }
        var details = JobDetails()
        details.name = job.name
        details.userID = job.userID
        details.userName = job.userName
        details.account = job.account
        details.partition = job.partition
        // A part of them is no answer to where it ran.
        details.nodes = job.namesAllNodes ? job.nodes : nil
        details.tres = job.allocatedTRES?.description
        if case .minutes(let minutes) = job.timeLimit { details.timeLimit = minutes }
        details.adminComment = job.adminComment
        details.hetJobID = job.heterogeneous?.leaderID
        details.hetJobOffset = job.heterogeneous?.offset
        var key = JobKey(job.id)
        if let array = job.array {
            key = JobKey(array.jobID, array.taskID.map { .task($0) } ?? .rest)
            if array.taskID == nil { details.arrayTasks = array.pendingTasks }
        }
        self.init(
            source: .controller, time: asked, key: key, jobID: job.id,
            submitTime: submitted.unixSeconds, restarts: job.restartCount, state: state,
            details: details)
        hasUnnamedNodes = job.nodes != nil && details.nodes == nil
        session = job.session.flatMap { OrderTag.isSession($0) ? $0 : nil }
        isHeld = job.isHeld
        isHeldByAdministrator = job.isHeldByAdministrator
        // slurmctld's guesses at the start of a pending and the end of a running job are no facts.
        guard state.base != .pending else { return }
        startTime = job.startTime.map { $0.unixSeconds }
        guard state.isOver else { return }
        endTime = job.endTime.map { $0.unixSeconds }
        exitStatus = job.exit.raw
        elapsed = Self.elapsed(
            start: startTime, end: endTime, suspended: job.suspendTime.map { $0.unixSeconds },
            before: Int64(clamping: job.runTimeBeforeSuspension))
    }

    /// Seconds that a run took, as Slurm counts: what it ran before it was last suspended, and since it was resumed.
    package static func elapsed(start: Int64?, end: Int64?, suspended: Int64?, before: Int64) -> Int64? {
        guard let end else { return nil }
        if let suspended, suspended > 0 {
            return max(0, end.saturatingSubtract(suspended)).saturatingAdd(max(0, before))
        }
        return start.map { max(0, end.saturatingSubtract($0)) }
    }

    /// slurmdbd's rows, oldest first. A run that is followed by another one of the same job was put back into the
    /// queue, whatever its own row says.
    package static func accounting(_ rows: [AccountingJob], asked: Int64) -> [JobObservation] {
        let sorted = rows.sorted { ($0.submitTime ?? 0, $0.id) < ($1.submitTime ?? 0, $1.id) }
        var observations = joinResized(sorted.compactMap { JobObservation($0, asked: asked) })
        var later: [JobKey: JobObservation] = [:]
        for index in observations.indices.reversed() {
            let this = observations[index]
            if let next = later[this.key], let user = this.details.userID, next.details.userID == user,
                next.details.name == this.details.name
            {
                observations[index].state.isRequeueing = true
            }
            later[this.key] = this
        }
        return observations
    }

    /// slurmdbd begins a new row when a running job changes its size, with that moment as submit time. It is one run.
    private static func joinResized(_ rows: [JobObservation]) -> [JobObservation] {
        var joined: [JobObservation] = []
        var resized: [JobKey: JobObservation] = [:]
        for var row in rows {
            if let before = resized.removeValue(forKey: row.key), before.details.userID == row.details.userID {
                row.submitTime = before.submitTime
                row.startTime = before.startTime
                // The second in which it changed is in both rows.
                if let first = before.elapsed, let second = row.elapsed, let start = row.startTime,
                    let end = row.endTime
                {
                    row.elapsed = min(first.saturatingAdd(second), end.saturatingSubtract(start))
                }
            }
            if row.state.isResizing {
                resized[row.key] = row
            } else {
                joined.append(row)
            }
        }
        return joined
    }

    private init?(_ row: AccountingJob, asked: Int64) {
        guard let submitted = row.submitTime, let state = SchedulerState(row.state) else { return nil }
        var details = JobDetails()
        if row.isWhole {
            details.name = row.name
            details.userID = row.userID
            details.partition = row.partition
            details.timeLimit = row.timeLimit
        }
        details.userName = row.userName
        details.account = row.account
        details.nodes = row.nodes.flatMap { $0.isEmpty || $0 == "None assigned" ? nil : $0 }
        details.adminComment = row.adminComment
        details.hetJobID = row.hetJobID
        details.hetJobOffset = row.hetJobOffset
        var key = JobKey(row.id)
        if let array = row.arrayJobID { key = JobKey(array, row.arrayTaskID.map { .task($0) } ?? .rest) }
        self.init(
            source: .accounting, time: asked, key: key, jobID: row.id, submitTime: submitted,
            restarts: row.restartCount.flatMap { UInt32(exactly: $0) }, state: state, startTime: row.startTime,
            details: details)
        guard tellsEnd || state.isResizing else { return }
        endTime = row.endTime
        elapsed = Int64(row.elapsed)
        exitStatus = row.exit.raw
    }
}

extension Date {
    /// Also of a time that Slurm cannot mean.
    fileprivate var unixSeconds: Int64 {
        Int64(exactly: timeIntervalSince1970.rounded(.down)) ?? (timeIntervalSince1970 < 0 ? .min : .max)
    }
}
