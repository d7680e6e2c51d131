// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import DeepSquare
@testable import JobLifecycle

/// What the ledger tells of a requeue that slurmctld lost, and what the gateway makes of it.
@Suite("A requeue that slurmctld takes back, at the gateway")
struct RestoredRequeueTests {
    private static func seen(
        _ source: JobObservation.Source, _ state: SchedulerState, at time: Int64, submit: Int64 = 480,
        restarts: UInt32? = 0, start: Int64? = nil, end: Int64? = nil
    ) -> JobObservation {
        var details = JobDetails()
        details.name = "job"
        details.userID = 1000
        details.nodes = start == nil ? nil : "n1"
        return JobObservation(
            source: source, time: time, key: JobKey(7), jobID: 7, submitTime: submit, restarts: restarts, state: state,
            startTime: start, endTime: end, elapsed: end.flatMap { end in start.map { end - $0 } },
            exitStatus: end == nil ? nil : 0, details: details)
    }

    /// The job of slurmdbd's one row: submitted and started at 480, over at 673.
    @Test("the time of slurmdbd's row is paid once, and the status is its", arguments: [true, false])
    func seconds(_ isSeenRunning: Bool) async throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger(path: folder.path + "/ledger.sqlite", cluster: "lab")
        let later: Int64 = 4_000_000_000_000_000
        var row = Self.seen(
            .accounting, SchedulerState(.cancelled), at: later + 2, restarts: nil, start: 480, end: 673)
        row.isForgotten = true
        let observations =
            [
                Self.seen(.controller, SchedulerState(.running), at: 1000, start: 480),
                Self.seen(
                    .plugin, SchedulerState(.pending, isRequeueing: true), at: 2000, start: 480, end: 483),
                Self.seen(.controller, SchedulerState(.pending), at: 3000, submit: 484, restarts: 1),
            ] + (isSeenRunning ? [Self.seen(.controller, SchedulerState(.running), at: later, start: 480)] : [])
            + [row]
        for one in observations { try await ledger.fold(Ledger.Intake(observations: [one])) }
        var claim = ClaimStage([.accepted]).claim
        let told = try await ledger.transitions(after: 0, limit: 100)
        for transition in told + told { claim.take(transition, now: 1000) }
        #expect(told.map(\.kind) == [.running, .requeued, .pending, .restored, .ended])
        #expect(told.filter(\.isFinal).map(\.kind) == [.ended])
        #expect(claim.slurm.seconds == 193)
        #expect(claim.slurm.ending?.state == .cancelled)
    }
}
