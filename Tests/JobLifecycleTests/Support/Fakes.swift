// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Logging
import NIOConcurrencyHelpers

@testable import JobLifecycle

/// A time that stands still until it is moved.
final class TestClock: Sendable {
    private let seconds: NIOLockedValueBox<Double>

    init(_ start: Double = 1_000_000) {
        seconds = NIOLockedValueBox(start)
    }

    func advance(_ by: Double) { seconds.withLockedValue { $0 += by } }

    var now: @Sendable () -> Date {
        { [seconds] in Date(timeIntervalSince1970: seconds.withLockedValue { $0 }) }
    }
}

/// A folder that goes with the value.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/lifecycle-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    var ledger: String { path + "/ledger.sqlite" }
}

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// A ledger in a folder of its own, with a clock that the test moves.
struct Bench {
    let folder: TemporaryFolder
    let clock = TestClock()
    let ledger: Ledger

    init(_ interests: [Ledger.Interest] = [.init(gateway: "all", scope: .everything)]) throws {
        folder = try TemporaryFolder()
        ledger = try Ledger(path: folder.ledger, cluster: "lab", interests: interests, now: clock.now)
    }

    func see(_ observations: JobObservation..., force: Bool = false) async throws {
        for one in observations { try await ledger.fold(Ledger.Intake(observations: [one]), force: force) }
    }

    /// All transitions in order, as words: `7 running`, `7 ended COMPLETED final`.
    func story() async throws -> [String] {
        try await ledger.transitions(after: 0, limit: 10_000).map { transition in
            ([transition.job ?? "-", transition.kind.rawValue]
                + [transition.kind == .running || transition.kind == .pending ? nil : transition.state?.rawValue]
                .compactMap { $0 } + (transition.isFinal ? ["final"] : [])).joined(separator: " ")
        }
    }
}

/// An observation of job 7, submitted at 489, with what a test wants otherwise.
func seen(
    _ base: SchedulerState.Base, _ source: JobObservation.Source = .controller, key: JobKey = JobKey(7),
    id: UInt32? = nil, submit: Int64 = 489, restarts: UInt32? = 0, completing: Bool = false,
    requeueing: Bool = false, resizing: Bool = false, revoked: Bool = false, start: Int64? = nil, end: Int64? = nil,
    exit: UInt32? = nil, at time: Int64 = 1000, name: String = "job", nodes: String? = nil, tag: String? = nil,
    tasks: String? = nil
) -> JobObservation {
    let state = SchedulerState(
        base, isCompleting: completing, isRequeueing: requeueing, isResizing: resizing, isRevoked: revoked)
    var details = JobDetails()
    details.name = name
    details.userID = 1000
    details.nodes = nodes ?? (start != nil && end != start ? "n1" : nil)
    details.adminComment = tag
    details.arrayTasks = tasks
    var observation = JobObservation(
        source: source, time: time, key: key, jobID: id ?? key.number, submitTime: submit, restarts: restarts,
        state: state, startTime: start, details: details)
    if base.isEnd || requeueing {
        observation.endTime = end
        observation.elapsed = end.flatMap { end in start.map { end - $0 } }
        observation.exitStatus = exit ?? (base.isEnd ? 0 : nil)
    }
    return observation
}

/// Slurm, as a test says it is.
final class FakeScheduler: Scheduler {
    struct State {
        var list: [JobObservation] = []
        var stamp: Int64 = 1
        var listCost = Duration.zero
        var accounting: [JobObservation]? = []
        var reachable = true
        var accountingReachable = true
        var minimumJobAge: Int64 = 300
        var nextID: UInt32 = 100
        /// Jobs by their tag, held or released.
        var submitted: [(id: UInt32, tag: String)] = []
        var released: [UInt32] = []
        /// What the next submission does.
        var submission = Submission.works
        var asked: [String] = []
    }

    enum Submission {
        case works
        /// The job is made, its number never arrives.
        case answerLost
        /// Nothing is made, and nobody can know.
        case requestLost
        case refused
    }

    private let box = NIOLockedValueBox(State())

    var state: State {
        get { box.withLockedValue { $0 } }
        set { box.withLockedValue { $0 = newValue } }
    }

    private func ask(_ what: String) throws(SchedulerError) -> State {
        let state = box.withLockedValue { state in
            state.asked.append(what)
            return state
        }
        guard state.reachable else { throw SchedulerError(.unavailable, "slurmctld is away") }
        return state
    }

    func jobs(changedSince memory: JobListMemory) async throws(SchedulerError) -> JobList? {
        let state = try ask("jobs")
        return memory.stamp == state.stamp
            ? nil : JobList(stamp: state.stamp, jobs: state.list, since: memory, cost: state.listCost)
    }

    func look(at jobID: UInt32) async throws(SchedulerError) -> [JobObservation] {
        try ask("look \(jobID)").list.filter { $0.jobID == jobID }
    }

    func accounting(of jobIDs: [UInt32]) async throws(SchedulerError) -> [JobObservation] {
        try rows("accounting \(jobIDs.sorted())").filter { jobIDs.contains($0.jobID) }
    }

    func accounting(endedSince time: Int64) async throws(SchedulerError) -> [JobObservation] {
        try rows("ended since \(time)").filter { ($0.endTime ?? 0) >= time }
    }

    func accounting(tagged tag: String, since time: Int64) async throws(SchedulerError) -> [JobObservation] {
        try rows("accounting tagged").filter { $0.details.adminComment == tag && $0.submitTime >= time }
    }

    private func rows(_ what: String) throws(SchedulerError) -> [JobObservation] {
        let state = box.withLockedValue { state in
            state.asked.append(what)
            return state
        }
        guard let rows = state.accounting else { throw SchedulerError(.noAccounting, "no slurmdbd") }
        guard state.accountingReachable else { throw SchedulerError(.unavailable, "slurmdbd is away") }
        return rows
    }

    func submitHeld(_ request: [UInt8], tag: String) async throws(SchedulerError) -> UInt32 {
        let how = try ask("submit").submission
        if how == .refused { throw SchedulerError(.refused, "no such partition") }
        guard how != .requestLost else { throw SchedulerError(.unavailable, "no answer") }
        let id = box.withLockedValue { state in
            state.nextID += 1
            state.submitted.append((state.nextID, tag))
            return state.nextID
        }
        if how == .answerLost { throw SchedulerError(.unavailable, "no answer") }
        return id
    }

    func release(_ jobID: UInt32) async throws(SchedulerError) {
        _ = try ask("release \(jobID)")
        box.withLockedValue { $0.released.append(jobID) }
    }

    func settle() async throws(SchedulerError) { _ = try ask("settle") }

    func jobs(tagged tag: String) async throws(SchedulerError) -> [UInt32] {
        try ask("tagged").submitted.filter { $0.tag == tag }.map(\.id)
    }

    func minimumJobAge() async throws(SchedulerError) -> Int64 { try ask("age").minimumJobAge }
}
