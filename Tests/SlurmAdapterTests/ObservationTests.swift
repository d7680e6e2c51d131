// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials
import JobLifecycle
import Testing

@testable import Slurm
@testable import SlurmAdapter

@Suite("What Slurm says, in the core's words")
struct ObservationTests {
    @Test(
        "states and flags",
        arguments: [
            (UInt32(0), "PENDING", ""), (1, "RUNNING", ""), (0x8003, "COMPLETED", "completing"),
            (0x400, "PENDING", "requeueing"), (0x8000, "PENDING", "completing"),
            (0x2001, "RUNNING", "resizing"), (0x80004, "CANCELLED", "revoked"), (0x1000, "PENDING", ""),
            (0x1005, "FAILED", "requeueing"), (0x4001, "RUNNING", "configuring"), (0x80000, "PENDING", "revoked"),
        ])
    func states(_ raw: UInt32, _ base: String, _ flag: String) throws {
        let state = try #require(SchedulerState(JobState(rawValue: raw)))
        #expect(state.base.rawValue == base)
        let flags = [
            (state.isCompleting, "completing"), (state.isRequeueing, "requeueing"), (state.isResizing, "resizing"),
            (state.isRevoked, "revoked"), (state.isConfiguring, "configuring"),
        ].filter(\.0).map(\.1)
        #expect(flags == (flag.isEmpty ? [] : [flag]))
    }

    @Test("nodes that are started: slurmctld will set the start again")
    func poweringUp() throws {
        let state = try #require(SchedulerState(JobState(.running, [.configuring, .powerUpNode])))
        #expect(state.isConfiguring && state.isPoweringUp)
        #expect(try #require(SchedulerState(JobState(.running, .configuring))).isPoweringUp == false)
    }

    @Test("slurmdbd's row of a job that another cluster has tells of an end, and of nothing else")
    func revokedRow() throws {
        let text = #"""
            {"id":7,"databaseIndex":7,"name":"job","userID":1001,"groupID":0,"state":524288,"exit":{"raw":0},
             "derivedExit":{"raw":0},"submitTime":100,"endTime":160,"elapsed":0,"suspended":0,"partition":"main"}
            """#
        let row = try JSONDecoder().decode(AccountingJob.self, from: Data(text.utf8))
        let seen = try #require(JobObservation.accounting([row], asked: 200).first)
        #expect(seen.tellsEnd && seen.state.isRevoked && seen.state.base == .pending && seen.endTime == 160)
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

    @Test(
        "a refusal has nothing of what an administrator should do",
        arguments: [2045, 2057, 2066, 2010, 2000, 2105] as [Int32])
    func refusals(_ number: Int32) {
        let error = SlurmCall.failure("slurm_submit_batch_job", changes: true, number: number)
        #expect(error.message.hasPrefix(error.reason + "; "))
        let refused = SchedulerError(submission: error)
        #expect(refused.code == .refused && !refused.message.isEmpty)
        for words in ["sacctmgr", "`", "slurm_submit", "SlurmUser", "\(number)"] {
            #expect(!refused.message.contains(words))
        }
    }

    @Test("a slurmctld whose disk is full refuses nothing: the request waits")
    func fullDisk() {
        let error = SlurmCall.failure("slurm_submit_batch_job", changes: true, number: 2019)
        let waits = SchedulerError(submission: error)
        #expect(waits.code == .unavailable && !waits.mayHaveHappened)
    }

    @Test("a submission that failed: what may have happened is never a refusal")
    func submissions() {
        #expect(SchedulerError(submission: SlurmError(.rejected, "no")).code == .refused)
        #expect(SchedulerError(submission: SlurmError(.rejected, "no", mayHaveHappened: true)).code == .unavailable)
        for code in [SlurmError.Code.unavailable, .timedOut, .authentication, .cancelled] {
            let error = SchedulerError(submission: SlurmError(code, "no"))
            #expect(error.code == .unavailable && !error.mayHaveHappened)
        }
    }

    @Test(
        "a submission that may have been sent: an answer that cannot be verified, a connection that breaks",
        arguments: [
            (SlurmError.Code.unavailable, 5004, true, true), (.unavailable, 1800, false, false),
            (.authentication, 1007, false, true), (.configuration, 1005, false, true), (.unexpected, 104, false, true),
            (.unexpected, 32, false, true), (.unexpected, 0, false, true), (.unexpected, 9999, false, false),
            (.unexpected, 24, false, true), (.unexpected, 23, false, true), (.unavailable, 2019, false, false),
            (.limit, 2050, false, false), (.rejected, -1, false, false),
        ] as [(SlurmError.Code, Int32, Bool, Bool)])
    func doubtfulSubmissions(_ code: SlurmError.Code, _ number: Int32, _ broke: Bool, _ may: Bool) {
        let error = SlurmError(
            code, "no", number: number, call: "slurm_submit_batch_job", mayHaveHappened: broke)
        #expect(SchedulerError(submission: error).mayHaveHappened == may)
        // What failed before it was not sent.
        let before = SlurmError(code, "no", number: number, call: "slurm_ping")
        #expect(!SchedulerError(submission: before).mayHaveHappened)
    }
}
