// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@testable import JobLifecycle

/// What happens to a job in Slurm, by the clock: what slurmctld has, what slurmdbd has, and what the plugin tells.
struct LateWorld: Sendable {
    /// From so many seconds after the start on.
    struct Moment: Sendable {
        var at: Double
        var list: [JobObservation]
        var rows: [JobObservation] = []
    }

    var name: String
    var moments: [Moment]
    /// The job completion plugin's records, and when each is made.
    var records: [(at: Double, seen: JobObservation)] = []
    /// Transitions of the job, those left out that a party that is late may keep from everybody.
    var end: [String]

    static let start: Int64 = 1_000_000

    /// Of job 7, submitted at the start; times are seconds after it.
    static func job(
        _ base: SchedulerState.Base, _ source: JobObservation.Source = .controller, submit: Int64 = 0,
        start began: Int64? = nil, end: Int64? = nil, restarts: UInt32 = 0, completing: Bool = false,
        requeueing: Bool = false, key: JobKey = JobKey(7), tasks: String? = nil
    ) -> JobObservation {
        seen(
            base, source, key: key, submit: start + submit, restarts: source == .accounting ? nil : restarts,
            completing: completing, requeueing: requeueing, start: began.map { start + $0 },
            end: end.map { start + $0 },
            tasks: tasks)
    }
}

/// The Slurm of a ``LateWorld``: each answer is of the moment in which it is asked for.
final class WorldScheduler: Scheduler {
    private let world: LateWorld
    private let clock: TestClock

    init(_ world: LateWorld, _ clock: TestClock) {
        self.world = world
        self.clock = clock
    }

    private var now: (index: Int, list: [JobObservation], rows: [JobObservation]) {
        let seconds = clock.now().timeIntervalSince1970
        let index = world.moments.lastIndex { Double(LateWorld.start) + $0.at <= seconds } ?? 0
        func dated(_ seen: [JobObservation]) -> [JobObservation] { seen.map { $0.at(Int64(seconds * 1_000_000)) } }
        return (index, dated(world.moments[index].list), dated(world.moments[index].rows))
    }

    func jobs(changedSince memory: JobListMemory) async throws(SchedulerError) -> JobList? {
        let now = now
        // slurmctld's own stamps are seconds, too: what changes after them is in a later one.
        return memory.stamp == Int64(now.index) ? nil : JobList(stamp: Int64(now.index), jobs: now.list, since: memory)
    }

    func look(at jobID: UInt32) async throws(SchedulerError) -> [JobObservation] {
        now.list.filter { $0.jobID == jobID }
    }

    func accounting(of jobIDs: [UInt32]) async throws(SchedulerError) -> [JobObservation] {
        now.rows.filter { jobIDs.contains($0.jobID) }
    }

    func accounting(endedIn window: ClosedRange<Int64>) async throws(SchedulerError) -> [JobObservation] {
        now.rows.filter { $0.endTime.map(window.contains) ?? false }
    }

    func accounting(tagged tag: String, since time: Int64) async throws(SchedulerError) -> [JobObservation] { [] }
    func submitHeld(_ request: [UInt8], tag: String) async throws(SchedulerError) -> UInt32 {
        throw SchedulerError(.refused, "not for this test")
    }
    func release(_ jobID: UInt32, adminComment: String?) async throws(SchedulerError) {}
    func cancel(_ jobID: UInt32) async throws(SchedulerError) {}
    func setTimeLimit(_ jobID: UInt32, minutes: UInt64) async throws(SchedulerError) {}
    func setTag(_ tag: String, of jobID: UInt32, beside comment: String?) async throws(SchedulerError) {}
    func settle() async throws(SchedulerError) {}
    func jobs(of request: [UInt8], tag: String) async throws(SchedulerError) -> [JobObservation] { [] }
    func timing() async throws(SchedulerError) -> SchedulerTiming { SchedulerTiming() }
}

extension LateWorld: CustomTestStringConvertible {
    var testDescription: String { name }

    /// What may become of a job, each as it must be told in the end.
    static let all: [LateWorld] = [
        LateWorld(
            name: "runs to its end",
            moments: [
                Moment(at: 0, list: [job(.pending)]),
                Moment(at: 10, list: [job(.running, start: 10)]),
                Moment(at: 15, list: [job(.running, start: 10)], rows: [job(.running, .accounting, start: 10)]),
                Moment(
                    at: 70, list: [job(.completed, start: 10, end: 70, completing: true)],
                    rows: [job(.running, .accounting, start: 10)]),
                Moment(
                    at: 75, list: [job(.completed, start: 10, end: 70)],
                    rows: [job(.completed, .accounting, start: 10, end: 70)]),
                Moment(at: 130, list: [], rows: [job(.completed, .accounting, start: 10, end: 70)]),
            ],
            records: [(70, job(.completed, .plugin, start: 10, end: 70, completing: true))],
            end: ["7 running", "7 ended COMPLETED final"]),
        LateWorld(
            name: "over and forgotten before anybody looked",
            moments: [
                Moment(at: 0, list: []),
                Moment(at: 21, list: [job(.running, start: 21)]),
                Moment(at: 24, list: [], rows: [job(.running, .accounting, start: 21)]),
                Moment(at: 40, list: [], rows: [job(.failed, .accounting, start: 21, end: 23)]),
            ],
            records: [(23, job(.failed, .plugin, start: 21, end: 23))], end: ["7 running", "7 ended FAILED final"]),
        LateWorld(
            name: "its node fails, and it goes on",
            moments: [
                Moment(at: 0, list: [job(.pending)]),
                Moment(at: 10, list: [job(.running, start: 10)], rows: [job(.running, .accounting, start: 10)]),
                Moment(
                    at: 40, list: [job(.nodeFail, start: 10, end: 40, completing: true)],
                    rows: [job(.nodeFail, .accounting, start: 10, end: 40)]),
                Moment(
                    at: 70, list: [job(.pending, submit: 70, restarts: 1)],
                    rows: [
                        job(.nodeFail, .accounting, start: 10, end: 40, requeueing: true),
                        job(.pending, .accounting, submit: 70),
                    ]),
                Moment(
                    at: 90, list: [job(.running, submit: 70, start: 90, restarts: 1)],
                    rows: [
                        job(.nodeFail, .accounting, start: 10, end: 40, requeueing: true),
                        job(.running, .accounting, submit: 70, start: 90),
                    ]),
                Moment(
                    at: 150, list: [job(.completed, submit: 70, start: 90, end: 150, restarts: 1)],
                    rows: [
                        job(.nodeFail, .accounting, start: 10, end: 40, requeueing: true),
                        job(.completed, .accounting, submit: 70, start: 90, end: 150),
                    ]),
                Moment(
                    at: 210, list: [],
                    rows: [
                        job(.nodeFail, .accounting, start: 10, end: 40, requeueing: true),
                        job(.completed, .accounting, submit: 70, start: 90, end: 150),
                    ]),
            ],
            records: [
                (40, job(.nodeFail, .plugin, start: 10, end: 40, completing: true)),
                (150, job(.completed, .plugin, submit: 70, start: 90, end: 150, restarts: 1)),
            ],
            end: ["7 running", "7 requeued NODE_FAIL", "7 running", "7 ended COMPLETED final"]),
        LateWorld(
            name: "its node fails for good",
            moments: [
                Moment(at: 0, list: [job(.pending)]),
                Moment(at: 10, list: [job(.running, start: 10)], rows: [job(.running, .accounting, start: 10)]),
                Moment(
                    at: 40, list: [job(.nodeFail, start: 10, end: 40, completing: true)],
                    rows: [job(.nodeFail, .accounting, start: 10, end: 40)]),
                Moment(
                    at: 100, list: [job(.nodeFail, start: 10, end: 40)],
                    rows: [job(.nodeFail, .accounting, start: 10, end: 40)]),
                Moment(at: 160, list: [], rows: [job(.nodeFail, .accounting, start: 10, end: 40)]),
            ],
            records: [(40, job(.nodeFail, .plugin, start: 10, end: 40, completing: true))],
            end: ["7 running", "7 ended NODE_FAIL final"]),
        LateWorld(
            name: "cancelled in the queue",
            moments: [
                Moment(at: 0, list: [job(.pending)]),
                Moment(at: 30, list: [job(.cancelled, start: 30, end: 30)]),
                Moment(
                    at: 35, list: [job(.cancelled, start: 30, end: 30)],
                    rows: [job(.cancelled, .accounting, start: nil, end: 30)]),
                Moment(at: 90, list: [], rows: [job(.cancelled, .accounting, start: nil, end: 30)]),
            ],
            records: [(30, job(.cancelled, .plugin, start: 30, end: 30))], end: ["7 ended CANCELLED final"]),
        LateWorld(
            name: "suspended and resumed",
            moments: [
                Moment(at: 0, list: [job(.running, start: 0)], rows: [job(.running, .accounting, start: 0)]),
                Moment(at: 40, list: [job(.suspended, start: 0)], rows: [job(.suspended, .accounting, start: 0)]),
                Moment(at: 90, list: [job(.running, start: 0)], rows: [job(.running, .accounting, start: 0)]),
                Moment(
                    at: 140, list: [job(.completed, start: 0, end: 140)],
                    rows: [job(.completed, .accounting, start: 0, end: 140)]),
                Moment(at: 200, list: [], rows: [job(.completed, .accounting, start: 0, end: 140)]),
            ],
            records: [(140, job(.completed, .plugin, start: 0, end: 140))],
            end: ["7 running", "7 ended COMPLETED final"]),
        LateWorld(
            name: "lost by a slurmctld that was killed",
            moments: [
                Moment(at: 0, list: [job(.running, start: 0)], rows: [job(.running, .accounting, start: 0)]),
                Moment(at: 400, list: [], rows: [job(.running, .accounting, start: 0)]),
            ],
            end: ["7 running", "7 vanished RUNNING final"]),
        LateWorld(
            name: "the pending rest of an array is cancelled",
            moments: [
                Moment(at: 0, list: [job(.pending, key: JobKey(7, .rest), tasks: "1-2")]),
                Moment(at: 30, list: [job(.cancelled, start: 30, end: 30, key: JobKey(7, .rest), tasks: "1-2")]),
                Moment(
                    at: 35, list: [job(.cancelled, start: 30, end: 30, key: JobKey(7, .rest), tasks: "1-2")],
                    rows: [job(.cancelled, .accounting, start: nil, end: 30, key: JobKey(7, .rest))]),
                Moment(
                    at: 90, list: [], rows: [job(.cancelled, .accounting, start: nil, end: 30, key: JobKey(7, .rest))]),
            ],
            records: [(30, job(.cancelled, .plugin, start: 30, end: 30, key: JobKey(7, .rest), tasks: "1-2"))],
            end: ["7_[] ended CANCELLED final"]),
    ]
}
