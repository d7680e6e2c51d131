// SPDX-License-Identifier: GPL-3.0-or-later

internal import Logging
internal import Support

/// Puts the questions of a ``HintQueue``, each in a task of its own, and takes what the answers bring to the ledger.
actor HintDriver {
    private let ledger: Ledger
    private let scheduler: any Scheduler
    private let settings: HintFollower.Settings
    private let logger: Logger
    private let elapsed: Stopwatch
    private let wakeUp: WakeUp

    private var queue: HintQueue
    /// Came back, and are not in the ledger yet.
    private var starts = Answers()
    private var others = Answers()
    private var lastFetch: Duration?
    private var failure: LedgerError?
    private var pausedUntil = Duration.zero
    private var accountingFailed = false

    private struct Answers {
        var waiting: [Ledger.HintAnswer] = []
        var isBeingApplied = false

        var isEmpty: Bool { waiting.isEmpty && !isBeingApplied }

        /// nil: there is nothing, or the batch before is still under way.
        mutating func next(_ limit: Int) -> [Ledger.HintAnswer]? {
            guard !isBeingApplied, !waiting.isEmpty else { return nil }
            isBeingApplied = true
            defer { waiting.removeFirst(min(limit, waiting.count)) }
            return Array(waiting.prefix(limit))
        }
    }

    /// A burst is fetched in few pieces.
    private static let fetchInterval = Duration.milliseconds(5)
    /// The next commit, which may be a start's, waits for this one.
    private static let answersPerCommit = 64

    init(
        ledger: Ledger, scheduler: any Scheduler, settings: HintFollower.Settings, limits: HintQueue.Limits,
        logger: Logger, clock: any Clock<Duration>
    ) {
        self.ledger = ledger
        self.scheduler = scheduler
        self.settings = settings
        self.logger = logger
        elapsed = Stopwatch(clock)
        wakeUp = ledger.feed.wakeUp()
        queue = HintQueue(limits: limits)
        ledger.earlyHints.follow(wakeUp)
    }

    func run() async {
        // Whoever was asked about them before the agent ended will not answer.
        do { try await ledger.makeHintsDue() } catch { pause(for: error) }
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled {
                let time = await turn(&group)
                await wakeUp.wait(until: time, of: elapsed)
            }
            group.cancelAll()
        }
    }

    func followDue() async throws(LedgerError) -> Bool {
        failure = nil
        var didSomething = false
        await withDiscardingTaskGroup { group in
            while failure == nil {
                lastFetch = nil
                pausedUntil = .zero
                _ = await turn(&group)
                if isIdle { break }
                didSomething = true
                await wakeUp.wait(until: elapsed() + .seconds(60), of: elapsed)
            }
            group.cancelAll()
        }
        if let failure { throw failure }
        return didSomething
    }

    private var isIdle: Bool { starts.isEmpty && others.isEmpty && !queue.isBusy && !queue.needsFetch }

    /// - Returns: until when nothing is to be done unless something comes.
    private func turn(_ group: inout DiscardingTaskGroup) async -> Duration {
        let now = elapsed()
        if now < pausedUntil { return pausedUntil }
        apply(&group)
        let early = ledger.earlyHints.take()
        if !early.isEmpty {
            queue.addEarly(early)
            for question in queue.next(now: now) { put(question, &group) }
        }
        var next = now + .seconds(60)
        do throws(LedgerError) {
            if let last = lastFetch, now - last < Self.fetchInterval, queue.isInBurst {
                next = last + Self.fetchInterval
            } else {
                lastFetch = now
                let wanted = queue.fetchLimits
                queue.beginFetch()
                let due = try await ledger.dueHints(starts: wanted.starts, others: wanted.others)
                queue.add(due.hints, isComplete: due.isComplete)
                if let time = due.next {
                    next = min(next, elapsed() + max(.milliseconds(5), .microseconds(time - ledger.microseconds)))
                }
            }
        } catch {
            pause(for: error)
            return pausedUntil
        }
        for question in queue.next(now: elapsed()) { put(question, &group) }
        apply(&group)
        if let time = queue.nextTime(now: elapsed()) { next = min(next, max(now + .milliseconds(1), time)) }
        return next
    }

    /// The ledger could not be used.
    var isPaused: Bool { elapsed() < pausedUntil }

    private func pause(for error: LedgerError) {
        failure = error
        pausedUntil = elapsed() + .seconds(1)
        if Task.isCancelled { return }
        logger.warning("hints wait: the ledger cannot be used", metadata: ["why": "\(error)"])
    }

    // MARK: asking

    private func put(_ question: HintQueue.Question, _ group: inout DiscardingTaskGroup) {
        switch question {
        case .look(let job): group.addTask { await self.look(at: job) }
        case .list(let jobs): group.addTask { await self.list(jobs) }
        case .accounting(let number, let jobs): group.addTask { await self.askAccounting(number, jobs) }
        case .report(let job): take([.init(job: job.job, content: .start(job))])
        }
    }

    private func look(at job: HintedJob) async {
        let (asked, began) = (ledger.microseconds, elapsed())
        let answer = await Self.answer { [scheduler] () async throws(SchedulerError) in
            try await scheduler.look(at: job.jobID)
        }
        let delay = queue.returned(job, succeeded: answer.isSuccess, took: elapsed() - began, now: elapsed())
        switch answer {
        case .success(let records):
            take([.init(job: job, content: .records(records, asked: asked))])
        case .failure(let error):
            take([.init(job: job, content: .failed(error.message, delay))])
        }
    }

    private func list(_ jobs: [HintedJob]) async {
        let (asked, began) = (ledger.microseconds, elapsed())
        let answer = await Self.answer { [scheduler] () async throws(SchedulerError) in
            // Nothing is made of the other 100,000.
            try await scheduler.jobs(changedSince: JobListMemory(of: Set(jobs.map(\.jobID))))
        }
        let list = (try? answer.get()) ?? nil
        queue.returnedList(jobs, succeeded: list != nil, took: elapsed() - began, now: elapsed())
        if let list {
            let records = list.records(of: Set(jobs.map(\.jobID)))
            take(jobs.map { .init(job: $0, content: .records(records[$0.jobID] ?? [], asked: asked)) })
        } else {
            wakeUp.raise()
        }
    }

    private func askAccounting(_ number: Int, _ jobs: [UnclearJob]) async {
        let answer = await Self.answer { [scheduler] () async throws(SchedulerError) in
            try await scheduler.accounting(of: jobs.map(\.job.jobID))
        }
        var rows: [UInt32: [JobObservation]]? = [:]
        var isAnswer = true
        switch answer {
        case .success(let found): rows = Dictionary(grouping: found, by: \.jobID)
        case .failure(let error) where error.code == .noAccounting: rows = nil
        case .failure(let error):
            isAnswer = false
            if !accountingFailed, !Task.isCancelled {
                logger.warning(
                    "slurmdbd does not answer; what only it knows has to wait", metadata: ["why": "\(error)"])
            }
        }
        if isAnswer, accountingFailed { logger.notice("slurmdbd answers again") }
        accountingFailed = !isAnswer
        take(
            queue.returnedAccounting(number, succeeded: isAnswer, now: elapsed()).map { job in
                .init(job: job.job, content: .accounting(job, rows: rows.map { $0[job.job.jobID] ?? [] }))
            })
    }

    private static func answer<Answer: Sendable>(
        _ question: @Sendable () async throws(SchedulerError) -> Answer
    ) async -> Result<Answer, SchedulerError> {
        do throws(SchedulerError) {
            return .success(try await question())
        } catch {
            return .failure(error)
        }
    }

    // MARK: taking in

    private func take(_ answers: [Ledger.HintAnswer]) {
        for answer in answers {
            if answer.job.mayHaveStarted { starts.waiting.append(answer) } else { others.waiting.append(answer) }
        }
        wakeUp.raise()
    }

    /// Whatever has come back goes into the ledger, many answers in one transaction, while the next questions are asked.
    private func apply(_ group: inout DiscardingTaskGroup) {
        if let batch = starts.next(Self.answersPerCommit) {
            group.addTask { await self.commit(batch, isStarts: true) }
        }
        if let batch = others.next(Self.answersPerCommit) {
            group.addTask { await self.commit(batch, isStarts: false) }
        }
    }

    private func commit(_ batch: [Ledger.HintAnswer], isStarts: Bool) async {
        let looked = batch.filter(\.content.isOfController).map(\.job.jobID)
        do throws(LedgerError) {
            let outcome = try await ledger.apply(batch, settings)
            for jobID in outcome.unknown {
                logger.notice("a plugin spoke of a job that Slurm does not know", metadata: ["slurm": "\(jobID)"])
            }
            queue.applied(looked)
            queue.addUnclear(outcome.unclear, now: elapsed())
        } catch {
            pause(for: error)
            queue.forget(looked)
        }
        if isStarts { starts.isBeingApplied = false } else { others.isBeingApplied = false }
        wakeUp.raise()
    }
}

extension Result {
    fileprivate var isSuccess: Bool {
        if case .success = self { true } else { false }
    }
}

extension JobList {
    /// Of a whole list, what a question about each of these numbers would have brought: of an array all its tasks, of a heterogeneous job all its
    /// components.
    func records(of jobIDs: Set<UInt32>) -> [UInt32: [JobObservation]] {
        var records: [UInt32: [JobObservation]] = [:]
        for job in changed {
            for jobID in Set([job.jobID, job.key.number, job.details.hetJobID ?? job.jobID])
            where jobIDs.contains(jobID) {
                records[jobID, default: []].append(job)
            }
        }
        return records
    }
}
