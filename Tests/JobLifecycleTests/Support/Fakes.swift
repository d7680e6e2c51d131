// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Logging
import NIOConcurrencyHelpers
import Testing

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
        try await ledger.checkRunningRuns()
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

extension Ledger {
    /// What is in memory is what the file has.
    func checkRunningRuns(_ place: SourceLocation = #_sourceLocation) async throws {
        func entries(_ runs: RunningRuns) -> [Int64: [String]] {
            Dictionary(
                uniqueKeysWithValues: runs.all.map { row in
                    var record = row.record
                    // Of no use but to the fold.
                    record.asOf = 0
                    return (row.id, ["\(row.job)", "\(record)"])
                })
        }
        let stored = RunningRuns()
        try await read { try stored.load($0) }
        #expect(entries(running) == entries(stored), sourceLocation: place)
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
