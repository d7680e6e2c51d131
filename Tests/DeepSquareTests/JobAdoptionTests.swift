// SPDX-License-Identifier: GPL-3.0-or-later

import JobLifecycle
import Testing

@testable import DeepSquare

@Suite("Which Slurm job is the claim's")
struct JobAdoptionTests {
    static let tag = "sga:4-0123456789abcdef"

    static func job(
        _ id: UInt32, at submitted: Int64, _ state: SchedulerState.Base = .running, user: UInt32 = 1000,
        tag: String? = nil,
        _ source: JobObservation.Source = .controller
    ) -> JobObservation {
        var details = JobDetails()
        details.name = "0x01"
        details.userID = user
        details.adminComment = tag
        details.nodes = state == .pending ? nil : "n1"
        var seen = JobObservation(
            source: source, time: submitted * 1_000_000, key: JobKey(id), jobID: id, submitTime: submitted, restarts: 0,
            state: SchedulerState(state), details: details)
        if state != .pending { seen.startTime = submitted + 1 }
        return seen
    }

    struct Case: CustomTestStringConvertible {
        var testDescription: String
        var seen: [JobObservation]
        var user: UInt32? = 1000
        var former: UInt32?
        var isOwnClaim = false
        var chosen: UInt32?
        var doubtful: [UInt32] = []
    }

    static let cases = [
        Case(testDescription: "none", seen: []),
        Case(testDescription: "the agent's own", seen: [job(7, at: 10, tag: tag)], chosen: 7),
        Case(
            testDescription: "the customer plants a newer one",
            seen: [job(7, at: 10, .completed, tag: tag), job(8, at: 20)],
            chosen: 7, doubtful: [8]),
        Case(
            testDescription: "the customer plants an older one", seen: [job(6, at: 5), job(7, at: 10, tag: tag)],
            chosen: 7,
            doubtful: [6]),
        Case(
            testDescription: "somebody else plants one", seen: [job(7, at: 10, tag: tag), job(8, at: 20, user: 1001)],
            chosen: 7, doubtful: [8]),
        Case(testDescription: "there is only somebody else's", seen: [job(8, at: 20, user: 1001)], doubtful: [8]),
        Case(testDescription: "there is only one, and no such user", seen: [job(8, at: 20)], user: nil, doubtful: [8]),
        Case(
            testDescription: "the supervisor's, and a planted one beside it",
            seen: [job(9, at: 30), job(8, at: 20, .completed)],
            chosen: 8, doubtful: [9]),
        Case(
            testDescription: "the supervisor's second one, the first was cancelled",
            seen: [job(7, at: 10, .cancelled), job(8, at: 20)], chosen: 8, doubtful: [7]),
        Case(
            testDescription: "the agent claimed it itself: what has no tag is not its", seen: [job(8, at: 20)],
            isOwnClaim: true, doubtful: [8]),
        Case(
            testDescription: "its number is known still: a plugin took the tag away",
            seen: [job(7, at: 10), job(8, at: 5, tag: tag)],
            former: 7, isOwnClaim: true, chosen: 7, doubtful: [8]),
        Case(
            testDescription: "slurmdbd's rows tell of a run before",
            seen: [job(7, at: 30, tag: tag), job(7, at: 10, .nodeFail, tag: nil, .accounting)],
            chosen: 7),
    ]

    @Test("the tag decides, then owner and name, the oldest first; the rest is told", arguments: cases)
    func choice(_ row: Case) {
        let found = JobAdoption(of: row.seen, user: row.user, former: row.former, isOwnClaim: row.isOwnClaim)
        #expect(found.runs.first?.jobID == row.chosen)
        #expect(found.doubtful == row.doubtful)
        #expect(found.runs.map(\.submitTime) == found.runs.map(\.submitTime).sorted())
    }

    @Test("only a job of the agent that waits and never ran may be held by it")
    func held() {
        func found(_ seen: JobObservation) -> JobAdoption {
            JobAdoption(of: [seen], user: 1000, former: nil, isOwnClaim: false)
        }
        #expect(found(Self.job(7, at: 10, .pending, tag: Self.tag)).mayBeHeld)
        #expect(!found(Self.job(7, at: 10, .pending)).mayBeHeld)
        #expect(!found(Self.job(7, at: 10, .running, tag: Self.tag)).mayBeHeld)
    }
}
