// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import NIOConcurrencyHelpers
import Testing

@testable import JobLifecycle

/// Another scheduler, one of whose calls is late the first time, or for some time.
final class LateScheduler: Scheduler {
    enum Call: String, Sendable, CaseIterable {
        case list, look, accounting, ended, tagged, submit, release, cancel, setTimeLimit, setTag, settle, find, timing

        var isChange: Bool {
            switch self {
            case .release, .cancel, .setTimeLimit, .setTag: true
            default: false
            }
        }
    }

    enum Lateness: String, Sendable, CaseIterable {
        /// No connection, once.
        case failsOnce
        /// No answer within MessageTimeout; a change takes effect half a minute after it was asked for.
        case lateEffect
        /// The answer takes half a minute: it is true of when it was asked for.
        case lateAnswer
        /// No answer for two minutes, then right.
        case slowThenRight
    }

    struct Rule: Sendable, CustomTestStringConvertible {
        var call: Call
        var lateness: Lateness

        var testDescription: String { "\(call.rawValue) \(lateness.rawValue)" }

        static func all(_ calls: [Call]) -> [Rule] {
            calls.flatMap { call in Lateness.allCases.map { Rule(call: call, lateness: $0) } }
        }
    }

    private struct Effect: Sendable {
        var at: Double
        var run: @Sendable () async -> Void
    }

    private struct State {
        var calls = 0
        var effects: [Effect] = []
        var isDead = false
    }

    private let base: any Scheduler
    private let clock: TestClock
    private let rule: Rule?
    private let meanwhile: @Sendable () async -> Void
    private let box = NIOLockedValueBox(State())

    /// - Parameter meanwhile: what else happens while a late call is under way.
    init(
        _ base: any Scheduler, _ clock: TestClock, _ rule: Rule?, meanwhile: @escaping @Sendable () async -> Void = {}
    ) {
        self.base = base
        self.clock = clock
        self.rule = rule
        self.meanwhile = meanwhile
    }

    /// Whoever calls is dead: nothing of it reaches Slurm.
    func die() { box.withLockedValue { $0.isDead = true } }

    private var seconds: Double { clock.now().timeIntervalSince1970 }

    private func pass(_ time: Double) async {
        clock.advance(time)
        await meanwhile()
    }

    private func call<Answer: Sendable>(
        _ call: Call, _ body: @escaping @Sendable () async throws(SchedulerError) -> Answer
    ) async throws(SchedulerError) -> Answer {
        let now = seconds
        let (number, due, isDead) = box.withLockedValue { state -> (Int, [Effect], Bool) in
            let due = state.effects.filter { $0.at <= now }
            state.effects.removeAll { $0.at <= now }
            defer { if call == rule?.call { state.calls += 1 } }
            return (state.calls, due, state.isDead)
        }
        for effect in due { await effect.run() }
        let none = SchedulerError(.unavailable, "no answer", mayHaveHappened: call == .submit)
        if isDead { throw none }
        guard let rule, rule.call == call else { return try await body() }
        switch rule.lateness {
        case .failsOnce where number == 0:
            throw SchedulerError(.unavailable, "no connection")
        case .lateEffect where number == 0:
            if call.isChange {
                let effect = Effect(at: now + 30) { _ = try? await body() }
                box.withLockedValue { $0.effects.append(effect) }
            }
            await pass(10)
            throw none
        case .lateAnswer where number == 0:
            let answer = try await body()
            await pass(30)
            return answer
        case .slowThenRight where number < 12:
            await pass(10)
            throw none
        default:
            return try await body()
        }
    }

    func jobs(changedSince memory: JobListMemory) async throws(SchedulerError) -> JobList? {
        try await call(.list) { [base] () async throws(SchedulerError) in try await base.jobs(changedSince: memory) }
    }

    func look(at jobID: UInt32) async throws(SchedulerError) -> [JobObservation] {
        try await call(.look) { [base] () async throws(SchedulerError) in try await base.look(at: jobID) }
    }

    func accounting(of jobIDs: [UInt32]) async throws(SchedulerError) -> [JobObservation] {
        try await call(.accounting) { [base] () async throws(SchedulerError) in try await base.accounting(of: jobIDs) }
    }

    func accounting(endedIn window: ClosedRange<Int64>) async throws(SchedulerError) -> [JobObservation] {
        try await call(.ended) { [base] () async throws(SchedulerError) in try await base.accounting(endedIn: window) }
    }

    func accounting(tagged tag: String, since time: Int64) async throws(SchedulerError) -> [JobObservation] {
        try await call(.tagged) { [base] () async throws(SchedulerError) in
            try await base.accounting(tagged: tag, since: time)
        }
    }

    func submitHeld(_ request: [UInt8], tag: String) async throws(SchedulerError) -> UInt32 {
        try await call(.submit) { [base] () async throws(SchedulerError) in
            try await base.submitHeld(request, tag: tag)
        }
    }

    func release(_ jobID: UInt32, adminComment: String?) async throws(SchedulerError) {
        try await call(.release) { [base] () async throws(SchedulerError) in
            try await base.release(jobID, adminComment: adminComment)
        }
    }

    func cancel(_ jobID: UInt32) async throws(SchedulerError) {
        try await call(.cancel) { [base] () async throws(SchedulerError) in try await base.cancel(jobID) }
    }

    func setTimeLimit(_ jobID: UInt32, minutes: UInt64) async throws(SchedulerError) {
        try await call(.setTimeLimit) { [base] () async throws(SchedulerError) in
            try await base.setTimeLimit(jobID, minutes: minutes)
        }
    }

    func setTag(_ tag: String, of jobID: UInt32, beside adminComment: String?) async throws(SchedulerError) {
        try await call(.setTag) { [base] () async throws(SchedulerError) in
            try await base.setTag(tag, of: jobID, beside: adminComment)
        }
    }

    func settle() async throws(SchedulerError) {
        try await call(.settle) { [base] () async throws(SchedulerError) in try await base.settle() }
    }

    func jobs(of request: [UInt8], tag: String) async throws(SchedulerError) -> [JobObservation] {
        try await call(.find) { [base] () async throws(SchedulerError) in try await base.jobs(of: request, tag: tag) }
    }

    func timing() async throws(SchedulerError) -> SchedulerTiming {
        try await call(.timing) { [base] () async throws(SchedulerError) in try await base.timing() }
    }
}
