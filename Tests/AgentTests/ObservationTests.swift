// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials
import JobLifecycle
import Slurm
import Testing

@testable import Agent

@Suite("What Slurm says, in the core's words")
struct ObservationTests {
    @Test(
        "states and flags",
        arguments: [
            (UInt32(0), "PENDING", ""), (1, "RUNNING", ""), (0x8003, "COMPLETED", "completing"),
            (0x400, "PENDING", "requeueing"), (0x8000, "PENDING", "completing"),
            (0x2001, "RUNNING", "resizing"), (0x80004, "CANCELLED", "revoked"), (0x1000, "PENDING", ""),
            (0x1005, "FAILED", "requeueing"),
        ])
    func states(_ raw: UInt32, _ base: String, _ flag: String) throws {
        let state = try #require(SchedulerState(JobState(rawValue: raw)))
        #expect(state.base.rawValue == base)
        let flags = [
            (state.isCompleting, "completing"), (state.isRequeueing, "requeueing"), (state.isResizing, "resizing"),
            (state.isRevoked, "revoked"),
        ].filter(\.0).map(\.1)
        #expect(flags == (flag.isEmpty ? [] : [flag]))
    }

    @Test("an unknown base state is no observation, least of all an end")
    func unknown() {
        #expect(SchedulerState(JobState(rawValue: 12)) == nil)
        #expect(SchedulerState(JobState(rawValue: 0xff)) == nil)
    }

    @Test(
        "the time a run took leaves suspensions out",
        arguments: [
            (Int64(100), Int64(150), Int64?.none, Int64(0), Int64(50)), (100, 150, 120, 10, 40),
            (100, 150, 150, 12, 12), (100, 90, nil, 0, 0),
            // A frame may hold any number.
            (0, .max, 1, .max, .max), (0, .max, .max, .max, .max), (.min, .max, nil, 0, .max), (.max, .min, nil, 0, 0),
            (0, .min, 1, .max, .max),
        ])
    func elapsed(_ start: Int64, _ end: Int64, _ suspended: Int64?, _ before: Int64, _ expected: Int64) {
        #expect(JobObservation.elapsed(start: start, end: end, suspended: suspended, before: before) == expected)
    }

    @Test("of a row without its submission only the end is believed, not slurmdbd's name and user")
    func halfRow() throws {
        let text = #"""
            {"id":7,"databaseIndex":7,"name":"allocation","userID":0,"groupID":0,"state":4,"exit":{"raw":0},
             "derivedExit":{"raw":0},"submitTime":100,"endTime":101,"elapsed":0,"suspended":0}
            """#
        var row = try JSONDecoder().decode(AccountingJob.self, from: Data(text.utf8))
        let half = try #require(JobObservation.accounting([row], asked: 102).first)
        #expect(half.state.base == .cancelled && half.endTime == 101)
        #expect(half.details.name == nil && half.details.userID == nil)
        // A number that was used twice, as slurmctld does when it was killed before it saved the first: no requeue.
        var next = row
        next.submitTime = 200
        #expect(!JobObservation.accounting([row, next], asked: 202).contains { $0.state.isRequeueing })
        row.userName = "someone"  // by its association, which comes with the end
        #expect(JobObservation.accounting([row], asked: 102).first?.details.userName == "someone")
        row.partition = "main"
        row.name = "job"
        row.userID = 1001
        let whole = try #require(JobObservation.accounting([row], asked: 102).first)
        #expect(whole.details.name == "job" && whole.details.userID == 1001)
    }

    @Test("a submission that failed: what may have happened is never a refusal")
    func submissions() {
        #expect(SchedulerError(submission: SlurmError(.rejected, "no")).code == .refused)
        #expect(SchedulerError(submission: SlurmError(.rejected, "no", mayHaveHappened: true)).code == .unavailable)
        for code in [SlurmError.Code.unavailable, .timedOut, .authentication, .cancelled] {
            #expect(SchedulerError(submission: SlurmError(code, "no")).code == .unavailable)
        }
    }
}
