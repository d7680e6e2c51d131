// SPDX-License-Identifier: GPL-3.0-or-later

import CSlurm
import FoundationEssentials
import Glibc
import Testing

@testable import Slurm

@Suite struct JobStateTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var raw: UInt32
        var base: JobState.Base?
        var flags: JobState.Flags = []
        var hasEnded: Bool
        var text: String

        var testDescription: String { text }
    }

    /// Numbers that slurmctld 22.05.8 gave for jobs.
    @Test(arguments: [
        Row(raw: 0x0, base: .pending, hasEnded: false, text: "PENDING"),
        Row(raw: 0x1, base: .running, hasEnded: false, text: "RUNNING"),
        Row(raw: 0x2, base: .suspended, hasEnded: false, text: "SUSPENDED"),
        Row(raw: 0x3, base: .completed, hasEnded: true, text: "COMPLETED"),
        Row(raw: 0x4, base: .cancelled, hasEnded: true, text: "CANCELLED"),
        Row(raw: 0x5, base: .failed, hasEnded: true, text: "FAILED"),
        Row(raw: 0x6, base: .timeout, hasEnded: true, text: "TIMEOUT"),
        Row(raw: 0x7, base: .nodeFail, hasEnded: true, text: "NODE_FAIL"),
        Row(raw: 0x8003, base: .completed, flags: .completing, hasEnded: true, text: "COMPLETED+COMPLETING"),
        Row(raw: 0x8004, base: .cancelled, flags: .completing, hasEnded: true, text: "CANCELLED+COMPLETING"),
    ])
    func decodesRealNumbers(_ row: Row) {
        check(row)
    }

    /// Numbers of slurm.h that no lab made.
    @Test(arguments: [
        Row(raw: 8, base: .preempted, hasEnded: true, text: "PREEMPTED"),
        Row(raw: 9, base: .bootFail, hasEnded: true, text: "BOOT_FAIL"),
        Row(raw: 10, base: .deadline, hasEnded: true, text: "DEADLINE"),
        Row(raw: 11, base: .outOfMemory, hasEnded: true, text: "OUT_OF_MEMORY"),
        Row(raw: 0x400, base: .pending, flags: .requeue, hasEnded: false, text: "PENDING+REQUEUED"),
        Row(raw: 0x404, base: .cancelled, flags: .requeue, hasEnded: false, text: "CANCELLED+REQUEUED"),
        Row(raw: 0x805, base: .failed, flags: .requeueHold, hasEnded: false, text: "FAILED+REQUEUE_HOLD"),
        Row(raw: 0x1005, base: .failed, flags: .specialExit, hasEnded: false, text: "FAILED+SPECIAL_EXIT"),
        Row(raw: 0x2003, base: .completed, flags: .resizing, hasEnded: false, text: "COMPLETED+RESIZING"),
        Row(raw: 0x4001, base: .running, flags: .configuring, hasEnded: false, text: "RUNNING+CONFIGURING"),
        Row(raw: 0x10001, base: .running, flags: .stopped, hasEnded: false, text: "RUNNING+STOPPED"),
        Row(
            raw: 0x8404, base: .cancelled, flags: [.requeue, .completing], hasEnded: false,
            text: "CANCELLED+REQUEUED+COMPLETING"),
        Row(raw: 0x80, base: nil, hasEnded: true, text: "STATE_128"),
        Row(raw: 12, base: nil, hasEnded: true, text: "STATE_12"),
    ])
    func decodesOtherNumbers(_ row: Row) {
        check(row)
    }

    private func check(_ row: Row) {
        let state = JobState(rawValue: row.raw)
        #expect(state.base == row.base)
        #expect(state.flags == row.flags)
        #expect(state.hasEnded == row.hasEnded)
        #expect(state.description == row.text)
        if let base = row.base { #expect(JobState(base, row.flags) == state) }
    }

    @Test("A job that another cluster of the federation has is over when it is over there")
    func revoked() {
        #expect(!JobState(.pending, .revoked).hasEnded)
        #expect(JobState(.cancelled, .revoked).hasEnded)
        #expect(JobState(.failed, .revoked).hasEnded)
    }

    /// libslurm's own words for the base states.
    @Test(arguments: JobState.Base.allCases)
    func baseNamesAreSlurms(_ base: JobState.Base) throws {
        #expect(try LibslurmWords.jobState(base.rawValue) == base.description)
    }

    @Test func eachFlagHasItsOwnNameAndBit() {
        let flags = JobState.Flags.names
        #expect(Set(flags.map(\.1)).count == flags.count)
        #expect(flags.reduce(0) { $0 + $1.0.rawValue.nonzeroBitCount } == flags.count)
        #expect(Set(flags.map(\.0)).count == flags.count)
        #expect(flags.allSatisfy { $0.0.rawValue & cs_JOB_STATE_BASE == 0 })
    }

    @Test func isOneNumberInJSON() throws {
        let state = JobState(.cancelled, .completing)
        #expect(String(decoding: try JSONEncoder().encode([state]), as: UTF8.self) == "[32772]")
        #expect(try JSONDecoder().decode([JobState].self, from: Data("[32772]".utf8)) == [state])
    }
}
