// SPDX-License-Identifier: GPL-3.0-or-later

import NIOConcurrencyHelpers

@testable import JobLifecycle

/// Slurm, each of whose parties takes as long as a test says.
final class SlowScheduler: Scheduler {
    struct State {
        var list: [JobObservation] = []
        var rows: [JobObservation] = []
        var lookTime: [UInt32: Duration] = [:]
        var listTime = Duration.zero
        var accountingTime = Duration.zero
        /// slurmdbd gives up after its time.
        var accountingFails = false
        var asked: [String] = []
        var looks = 0
        var mostLooks = 0
    }

    private let box = NIOLockedValueBox(State())
    private let clock: VirtualClock

    init(_ clock: VirtualClock) { self.clock = clock }

    var state: State {
        get { box.withLockedValue { $0 } }
        set { box.withLockedValue { $0 = newValue } }
    }

    private func note(_ what: String, taking time: Duration) async throws(SchedulerError) {
        // A test that sees the question may move the clock at once.
        let end = clock.now.advanced(by: time)
        box.withLockedValue { $0.asked.append(what) }
        if time == .zero { return }
        do { try await clock.sleep(until: end, tolerance: nil) } catch {
            throw SchedulerError(.unavailable, "cancelled")
        }
    }

    func jobs(changedSince memory: JobListMemory) async throws(SchedulerError) -> JobList? {
        let before = state
        try await note("list", taking: before.listTime)
        return JobList(stamp: 1, jobs: before.list, since: memory)
    }

    func look(at jobID: UInt32) async throws(SchedulerError) -> [JobObservation] {
        let before = box.withLockedValue { state in
            state.looks += 1
            state.mostLooks = max(state.mostLooks, state.looks)
            return state
        }
        defer { box.withLockedValue { $0.looks -= 1 } }
        try await note("look \(jobID)", taking: before.lookTime[jobID] ?? .zero)
        return before.list.filter { $0.jobID == jobID }
    }

    func accounting(of jobIDs: [UInt32]) async throws(SchedulerError) -> [JobObservation] {
        try await rows("accounting \(jobIDs.sorted())").filter { jobIDs.contains($0.jobID) }
    }

    func accounting(endedIn window: ClosedRange<Int64>) async throws(SchedulerError) -> [JobObservation] {
        try await rows("ended in \(window)").filter { $0.endTime.map(window.contains) ?? false }
    }

    func accounting(tagged tag: String, since time: Int64) async throws(SchedulerError) -> [JobObservation] { [] }

    private func rows(_ what: String) async throws(SchedulerError) -> [JobObservation] {
        try await note(what, taking: state.accountingTime)
        if state.accountingFails { throw SchedulerError(.unavailable, "slurmdbd does not answer") }
        return state.rows
    }

    func submitHeld(_ request: [UInt8], tag: String) async throws(SchedulerError) -> UInt32 {
        throw SchedulerError(.refused, "not for this test")
    }

    func release(_ jobID: UInt32, adminComment: String?) async throws(SchedulerError) {}
    func settle() async throws(SchedulerError) {}
    func cancel(_ jobID: UInt32) async throws(SchedulerError) {}
    func setTimeLimit(_ jobID: UInt32, minutes: UInt64) async throws(SchedulerError) {}
    func setTag(_ tag: String, of jobID: UInt32, beside comment: String?) async throws(SchedulerError) {}
    func jobs(of request: [UInt8], tag: String) async throws(SchedulerError) -> [JobObservation] { [] }
    func timing() async throws(SchedulerError) -> SchedulerTiming {
        SchedulerTiming(messageTimeout: 10, minimumJobAge: 300)
    }
}

extension Ledger {
    /// Of both lanes, for tests that look at what waits.
    func dueHints(limit: Int) async throws -> [PendingHint] {
        try await dueHints(starts: limit, others: limit).hints
    }
}
