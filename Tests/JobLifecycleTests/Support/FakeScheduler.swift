// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import NIOConcurrencyHelpers

@testable import JobLifecycle

/// Slurm, as a test says it is. With a clock it can be late: a job comes about when its submission has long been given up.
final class FakeScheduler: Scheduler {
    struct State {
        var list: [JobObservation] = []
        var stamp: Int64 = 1
        var listCost = Duration.zero
        /// Told of each part of a list before it is made.
        var onPart: @Sendable (Range<Int>) -> Void = { _ in }
        var accounting: [JobObservation]? = []
        var reachable = true
        var accountingReachable = true
        var timing = SchedulerTiming()
        /// When slurmctld was started, by the test's clock.
        var startedAt: Int64?
        var nextID: UInt32 = 100
        /// All that were ever made, or will be.
        var submitted: [SubmittedJob] = []
        var released: [UInt32] = []
        var cancelled: [UInt32] = []
        /// Admin comments that were set.
        var comments: [UInt32: String] = [:]
        /// What the next submissions do; the last one goes on.
        var submissions: [Submission] = [.works]
        /// A call of ours still hangs.
        var unsettled = false
        /// Lets nobody change an admin comment with a release.
        var refusesComments = false
        /// Does not cancel.
        var refusesToCancel = false
        /// Says no to every time limit.
        var refusesLimits = false
        /// What time limits were set, in their order.
        var limits: [UInt64] = []
        /// Whether a job_submit plugin gives each job a priority, so that it starts as it comes about.
        var startsAtOnce = false
        /// What a job_submit plugin makes of an admin comment.
        var rewrites: @Sendable (String) -> String? = { $0 }
        /// How many submissions are under way, and the most there ever were.
        var underWay = 0
        var widest = 0
        var asked: [String] = []

        var submission: Submission {
            get { submissions[0] }
            set { submissions = [newValue] }
        }
    }

    /// A job in slurmctld.
    struct SubmittedJob {
        var id: UInt32
        var tag: String
        /// From then on it is there, Unix seconds.
        var appearsAt: Int64
        var comment: String?
        var state = SchedulerState.Base.pending
        var startedAt: Int64?
        var endedAt: Int64?
        /// slurmctld has forgotten it.
        var isGone = false
        var isHeld = true
        var isHeldByAdministrator = false
        /// Minutes.
        var limit: UInt64 = 30

        var observation: JobObservation {
            var seen = JobLifecycleTests.seen(
                state, key: JobKey(id), submit: appearsAt, start: startedAt ?? endedAt, end: endedAt, tag: comment)
            seen.details.nodes = startedAt == nil ? nil : "n1"
            seen.details.timeLimit = UInt32(limit)
            seen.session = OrderTag.session(of: tag)
            seen.isHeld = state == .pending && isHeld
            seen.isHeldByAdministrator = seen.isHeld && isHeldByAdministrator
            return seen
        }
    }

    enum Submission {
        case works
        /// The job is made, its number never arrives.
        case answerLost
        /// Nothing is made, and nobody can know.
        case requestLost
        /// slurmctld was not even reached.
        case notSent
        case refused
        /// No answer within MessageTimeout; the job is there so many seconds after it was asked for.
        case lateEffect(Double)
        /// The answer takes so many seconds.
        case lateAnswer(Double)
        /// Stands until the test lets it go on.
        case gate(Gate)
        /// Stands until the test lets it go on, and ends without an answer.
        case gateWithoutAnswer(Gate)
    }

    /// Holds calls up until it is opened.
    final class Gate: Sendable {
        private let state = NIOLockedValueBox<(open: Bool, waiting: [CheckedContinuation<Void, Never>])>((false, []))

        func open() {
            let waiting = state.withLockedValue { state in
                state.open = true
                defer { state.waiting = [] }
                return state.waiting
            }
            waiting.forEach { $0.resume() }
        }

        func wait() async {
            await withCheckedContinuation { continuation in
                let isOpen = state.withLockedValue { state in
                    if !state.open { state.waiting.append(continuation) }
                    return state.open
                }
                if isOpen { continuation.resume() }
            }
        }
    }

    private let box = NIOLockedValueBox(State())
    private let clock: TestClock?

    init(clock: TestClock? = nil) {
        self.clock = clock
    }

    var state: State {
        get { box.withLockedValue { $0 } }
        set { box.withLockedValue { $0 = newValue } }
    }

    func change(_ body: (inout State) -> Void) { box.withLockedValue { body(&$0) } }

    private var now: Int64 { clock.map { Int64($0.now().timeIntervalSince1970) } ?? 1_000_000 }

    /// What slurmctld has now.
    var jobs: [SubmittedJob] {
        let now = now
        return state.submitted.filter { $0.appearsAt <= now && !$0.isGone }
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
        guard memory.stamp != state.stamp else { return nil }
        let list = JobList(stamp: state.stamp, jobs: state.list, since: memory, cost: state.listCost)
        return JobList(memory: list.memory, gone: list.gone, count: list.count, cost: list.cost) { part in
            state.onPart(part)
            return Array(list.changed[part])
        }
    }

    func look(at jobID: UInt32) async throws(SchedulerError) -> [JobObservation] {
        try ask("look \(jobID)").list.filter { $0.jobID == jobID }
            + jobs.filter { $0.id == jobID }.map(\.observation)
    }

    func accounting(of jobIDs: [UInt32]) async throws(SchedulerError) -> [JobObservation] {
        try rows("accounting \(jobIDs.sorted())").filter { jobIDs.contains($0.jobID) }
    }

    func accounting(endedIn window: ClosedRange<Int64>) async throws(SchedulerError) -> [JobObservation] {
        try rows("ended in \(window)").filter { $0.endTime.map(window.contains) ?? false }
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

    // MARK: submissions

    func submitHeld(_ request: [UInt8], tag: String) async throws(SchedulerError) -> UInt32 {
        let state = try ask("submit")
        let how = state.submission
        change {
            if $0.submissions.count > 1 { $0.submissions.removeFirst() }
            $0.underWay += 1
            $0.widest = max($0.widest, $0.underWay)
        }
        defer { change { $0.underWay -= 1 } }
        let timeout = Double(state.timing.messageTimeout)
        switch how {
        case .works:
            return make(tag, at: now)
        case .answerLost:
            _ = make(tag, at: now)
        case .requestLost:
            break
        case .notSent:
            throw SchedulerError(.unavailable, "slurmctld is away")
        case .refused:
            throw SchedulerError(.refused, "no such partition")
        case .lateEffect(let seconds):
            _ = make(tag, at: now + Int64(seconds))
            clock?.advance(timeout)
        case .lateAnswer(let seconds):
            clock?.advance(seconds)
            return make(tag, at: now)
        case .gate(let gate):
            await gate.wait()
            return make(tag, at: now)
        case .gateWithoutAnswer(let gate):
            await gate.wait()
        }
        throw SchedulerError(.unavailable, "no answer", mayHaveHappened: true)
    }

    private func make(_ tag: String, at time: Int64) -> UInt32 {
        box.withLockedValue { state in
            state.nextID += 1
            var job = SubmittedJob(id: state.nextID, tag: tag, appearsAt: time, comment: state.rewrites(tag))
            if state.startsAtOnce {
                job.state = .running
                job.startedAt = time
            }
            state.submitted.append(job)
            return state.nextID
        }
    }

    private func change(_ jobID: UInt32, _ body: (inout SubmittedJob) -> Void) {
        box.withLockedValue { state in
            for index in state.submitted.indices where state.submitted[index].id == jobID {
                body(&state.submitted[index])
            }
        }
    }

    /// As somebody does it by hand.
    func scancel(_ jobID: UInt32) {
        let now = now
        change(jobID) { job in
            guard job.endedAt == nil else { return }
            job.state = .cancelled
            job.endedAt = now
        }
    }

    func start(_ jobID: UInt32) {
        let now = now
        change(jobID) { job in
            job.state = .running
            job.startedAt = now
        }
    }

    func forget(_ jobID: UInt32) { change(jobID) { $0.isGone = true } }

    func release(_ jobID: UInt32, adminComment: String?) async throws(SchedulerError) {
        if adminComment != nil, state.refusesComments { throw SchedulerError(.refused, "a job_submit plugin says no") }
        _ = try ask("release \(jobID)")
        box.withLockedValue { $0.released.append(jobID) }
        change(jobID) { job in
            job.isHeld = false
            job.comment = adminComment ?? job.comment
        }
    }

    /// slurmctld was killed before it saved that it had let the job go, or ended it.
    func lose(_ jobID: UInt32, comment: String?) {
        change(jobID) { job in
            (job.isHeld, job.comment, job.state, job.endedAt) = (true, comment, .pending, nil)
        }
    }

    /// slurmctld was killed before it saved what had become of the job since: it is as it was.
    func takeBack(_ jobID: UInt32, to before: SubmittedJob) { change(jobID) { $0 = before } }

    /// As somebody does it by hand.
    func hold(_ jobID: UInt32, byAdministrator: Bool = false) {
        change(jobID) { ($0.isHeld, $0.isHeldByAdministrator) = (true, byAdministrator) }
    }

    func cancel(_ jobID: UInt32) async throws(SchedulerError) {
        guard try !ask("cancel \(jobID)").refusesToCancel else {
            throw SchedulerError(.unavailable, "slurmctld is away")
        }
        box.withLockedValue { $0.cancelled.append(jobID) }
        scancel(jobID)
    }

    func setTimeLimit(_ jobID: UInt32, minutes: UInt64) async throws(SchedulerError) {
        guard try !ask("limit \(jobID) \(minutes)").refusesLimits else {
            throw SchedulerError(.refused, "a job_submit plugin says no")
        }
        change { $0.limits.append(minutes) }
        change(jobID) { $0.limit = minutes }
    }

    func setTag(_ tag: String, of jobID: UInt32, beside adminComment: String?) async throws(SchedulerError) {
        _ = try ask("tag \(jobID)")
        let comment = [adminComment, tag].compactMap { $0 }.joined(separator: ",")
        change(jobID) { $0.comment = comment }
        change { $0.comments[jobID] = comment }
    }

    func settle() async throws(SchedulerError) {
        if try ask("settle").unsettled { throw SchedulerError(.unavailable, "1 call still hangs") }
    }

    /// By the tag as it was given, which stands for the second mark.
    func jobs(of request: [UInt8], tag: String) async throws(SchedulerError) -> [JobObservation] {
        _ = try ask("tagged")
        return jobs.filter { $0.tag == tag }.map(\.observation)
    }

    func timing() async throws(SchedulerError) -> SchedulerTiming {
        let state = try ask("timing")
        var timing = state.timing
        timing.runningFor = state.startedAt.map { now - $0 }
        return timing
    }
}
