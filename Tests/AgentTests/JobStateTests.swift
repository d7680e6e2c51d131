// SPDX-License-Identifier: GPL-3.0-or-later

import JobLifecycle
import Testing

@testable import Agent
@testable import Slurm

@Suite("What becomes of a job, for people and for `wait`")
struct JobStateTests {
    @Test("a word for people: REVOKED, and how the job ended on the cluster that has it")
    func words() {
        #expect(JobState(.pending, .revoked).text == "REVOKED")
        #expect(JobState(.failed, .revoked).text == "REVOKED (FAILED on another cluster)")
        #expect(JobState(.failed, .completing).text == "FAILED+COMPLETING")
    }

    @Test("`wait` ends when nothing can put the job back")
    func over() {
        let plain = RequeuePolicy()
        let codes = RequeuePolicy(exitCodesRequeue: true)
        #expect(JobState(.completed, .completing).isOver(codes))
        #expect(JobState(.failed, .completing).isOver(plain) && !JobState(.failed, .completing).isOver(codes))
        #expect(JobState(.failed).isOver(codes) && JobState(.nodeFail).isOver(plain))
        #expect(!JobState(.nodeFail, .completing).isOver(plain))
        #expect(!JobState(.pending, .revoked).isOver(plain) && JobState(.failed, .revoked).isOver(codes))
    }
}
