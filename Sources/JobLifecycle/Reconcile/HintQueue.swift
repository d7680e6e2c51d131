// SPDX-License-Identifier: GPL-3.0-or-later

internal import Support

/// Which question about hinted jobs is asked next, given what is being asked already. No input or output: told what is due
/// and what came of a question, it says what to ask now.
///
/// Three lanes, none of which waits for another: jobs that may have started, all other jobs, and those of which slurmctld
/// has not said all, which slurmdbd is asked about. A party that fails is asked one question at a time, each later than
/// the one before, until it answers.
struct HintQueue: Sendable {
    struct Limits: Sendable {
        /// Questions to slurmctld at once.
        var looks = 4
        /// More of them, for jobs that may have started.
        var startLooks = 1
        /// With so many jobs waiting, slurmctld's whole list is asked for in place of each of them, if that is cheaper.
        var listFrom = 200
        var accountingQuestions = 2
        var accountingJobs = 200
        /// Jobs that wait for slurmdbd; what is beyond comes again by itself.
        var unclearJobs = 20_000
        /// How long a start waits for what slurmdbd knows of the job's runs before.
        var startPatience: Duration = .seconds(2)
        /// Jobs in memory below which more are fetched.
        var lowWater = 1024
    }

    enum Question: Sendable {
        case look(HintedJob)
        /// One answer for all of these.
        case list([HintedJob])
        case accounting(number: Int, [UnclearJob])
        /// No question: the start is to be reported as slurmctld tells it. The job stays where it waits.
        case report(UnclearJob)
    }

    private struct Entry {
        var job: HintedJob
        var isStart: Bool
        var isAsked = false
        /// A hint came after the question was put.
        var isOutdated = false
    }

    private struct Open {
        var since: Duration
        var jobs: [UnclearJob]
    }

    let limits: Limits
    private var entries: [UInt32: Entry] = [:]
    private var starts = WaitingLine()
    private var others = WaitingLine()
    private var controller = PartyState(retry: RetryPolicy(first: .milliseconds(50), ceiling: .seconds(2)))
    private var looks = 0
    private var otherLooks = 0
    private var isListing = false
    private var lookTime = Duration.milliseconds(1)
    private var listTime: Duration?

    private var accounting = PartyState(retry: RetryPolicy(first: .seconds(1), ceiling: .seconds(60)))
    private var unclear: [UInt32: UnclearJob] = [:]
    /// Of the starts among them.
    private var startsSince: [UInt32: Duration] = [:]
    private var unclearLine = WaitingLine()
    private var open: [Int: Open] = [:]
    private var nextNumber = 0

    /// The ledger may have hints that are due and not here.
    private(set) var needsFetch = true
    /// Taken in by the ledger since a fetch began: what the fetch says of these may be older than that. nil: none is under way.
    private var appliedInFetch: Set<UInt32>?

    init(limits: Limits = Limits()) {
        self.limits = limits
    }

    // MARK: what is due

    /// How many due hints of each lane the ledger is to be asked for; those that are here already are among them.
    var fetchLimits: (starts: Int, others: Int) {
        let here = entries.values.reduce(into: (starts: 0, others: 0)) { count, entry in
            if entry.isStart { count.starts += entry.job.hints.count } else { count.others += entry.job.hints.count }
        }
        return (here.starts + limits.lowWater, here.others < limits.lowWater ? here.others + 2 * limits.lowWater : 0)
    }

    /// The ledger is being asked.
    mutating func beginFetch() { appliedInFetch = [] }

    /// What the ledger has answered.
    mutating func add(_ hints: [Ledger.PendingHint], isComplete: Bool) {
        needsFetch = !isComplete
        let outdated = appliedInFetch ?? []
        appliedInFetch = nil
        for hint in hints {
            if outdated.contains(hint.jobID) {
                // Asked about again if it is still there.
                needsFetch = true
                continue
            }
            add(hint)
        }
    }

    /// Hints that are on their way to the ledger, which the next fetch finds as well.
    mutating func addEarly(_ hints: [JobHint]) {
        for hint in hints {
            add(Ledger.PendingHint(jobID: hint.jobID, reason: hint.reason, time: hint.time, tries: 0))
        }
    }

    private mutating func add(_ hint: Ledger.PendingHint) {
        guard var entry = entries[hint.jobID] else {
            let job = HintedJob(jobID: hint.jobID, hints: [hint])
            entries[hint.jobID] = Entry(job: job, isStart: job.mayHaveStarted)
            enqueue(hint.jobID, isStart: job.mayHaveStarted)
            return
        }
        if entry.isAsked {
            if !entry.job.hints.contains(where: { $0.reason == hint.reason && $0.time >= hint.time }) {
                entry.isOutdated = true
            }
        } else {
            entry.job.merge([hint])
            if !entry.isStart, entry.job.mayHaveStarted {
                entry.isStart = true
                others.remove(hint.jobID)
                enqueue(hint.jobID, isStart: true)
            }
        }
        entries[hint.jobID] = entry
    }

    private mutating func enqueue(_ jobID: UInt32, isStart: Bool) {
        if isStart { starts.append(jobID) } else { others.append(jobID) }
    }

    // MARK: what is asked

    /// - Parameter now: of a clock that never jumps.
    mutating func next(now: Duration) -> [Question] {
        var questions: [Question] = reportsOfStarts(now: now).map { .report($0) }
        let width = controller.width(limits.looks + limits.startLooks, now: now)
        if width > 1, let jobs = takeList() { questions.append(.list(jobs)) }
        while looks < width, let job = take(from: \.starts) {
            looks += 1
            questions.append(.look(job))
        }
        // However many start, the others go on.
        while looks < min(width, limits.looks) || (width > 1 && otherLooks == 0), let job = take(from: \.others) {
            looks += 1
            otherLooks += 1
            questions.append(.look(job))
        }
        while open.count < accounting.width(limits.accountingQuestions, now: now), !unclearLine.isEmpty {
            questions.append(askAccounting(now: now))
        }
        return questions
    }

    private mutating func take(from line: WritableKeyPath<HintQueue, WaitingLine>) -> HintedJob? {
        guard let jobID = self[keyPath: line].popFirst(), var entry = entries[jobID] else { return nil }
        entry.isAsked = true
        entries[jobID] = entry
        return entry.job
    }

    private mutating func takeList() -> [HintedJob]? {
        let lines: [WritableKeyPath<HintQueue, WaitingLine>] =
            starts.count > limits.listFrom ? [\.starts, \.others] : [\.others]
        let count = lines.reduce(0) { $0 + self[keyPath: $1].count }
        guard !isListing, count > limits.listFrom else { return nil }
        // 5 ms at 1,000 jobs and 56 ms at 10,000, against 1 ms and more for each look (Slurm 22.05).
        if let listTime, listTime > lookTime * count / limits.looks { return nil }
        isListing = true
        var jobs: [HintedJob] = []
        for line in lines {
            while let job = take(from: line) { jobs.append(job) }
        }
        return jobs
    }

    private mutating func askAccounting(now: Duration) -> Question {
        var jobs: [UnclearJob] = []
        while jobs.count < limits.accountingJobs, let jobID = unclearLine.popFirst() {
            startsSince[jobID] = nil
            if let job = unclear.removeValue(forKey: jobID) { jobs.append(job) }
        }
        nextNumber += 1
        open[nextNumber] = Open(since: now, jobs: jobs)
        return .accounting(number: nextNumber, jobs)
    }

    /// Starts that have waited for slurmdbd for long enough, each once.
    private mutating func reportsOfStarts(now: Duration) -> [UnclearJob] {
        var reports: [UnclearJob] = []
        func isOver(_ since: Duration) -> Bool { accounting.failures > 0 || now - since >= limits.startPatience }
        for (jobID, since) in startsSince where isOver(since) {
            if let job = unclear[jobID] { reports.append(job) }
            unclear[jobID]?.isStart = false
            startsSince[jobID] = nil
        }
        for (number, question) in open where isOver(question.since) {
            for index in question.jobs.indices where question.jobs[index].isStart {
                reports.append(question.jobs[index])
                open[number]?.jobs[index].isStart = false
            }
        }
        return reports.sorted { $0.job.jobID < $1.job.jobID }
    }

    // MARK: what came of it

    /// slurmctld has answered, or not. The job stays until what was learned is in the ledger.
    /// - Returns: for a failure, how long the job's hints are to wait.
    mutating func returned(_ job: HintedJob, succeeded: Bool, took: Duration, now: Duration) -> Duration {
        looks -= 1
        if !job.mayHaveStarted { otherLooks -= 1 }
        controller.record(succeeded: succeeded, now: now)
        if succeeded {
            lookTime = (lookTime * 7 + took) / 8
            // A list that took long once is tried again after some thousand looks.
            listTime = listTime.map { $0 * 8191 / 8192 }
        }
        let patience = job.mayHaveStarted ? RetryPolicy.starts : .hints
        return patience.delay(attempt: controller.failures - 1)
    }

    mutating func returnedList(_ jobs: [HintedJob], succeeded: Bool, took: Duration, now: Duration) {
        isListing = false
        controller.record(succeeded: succeeded, now: now)
        if succeeded {
            listTime = took
            return
        }
        for job in jobs {
            guard var entry = entries[job.jobID] else { continue }
            entry.isAsked = false
            entries[job.jobID] = entry
            enqueue(job.jobID, isStart: entry.isStart)
        }
    }

    /// What was learned of these jobs is in the ledger.
    mutating func applied(_ jobIDs: some Sequence<UInt32>) {
        appliedInFetch?.formUnion(jobIDs)
        for jobID in jobIDs {
            if entries.removeValue(forKey: jobID)?.isOutdated == true { needsFetch = true }
        }
    }

    /// slurmdbd has to be asked about these.
    mutating func addUnclear(_ jobs: [UnclearJob], now: Duration) {
        for job in jobs where unclear.count < limits.unclearJobs || unclear[job.job.jobID] != nil {
            let jobID = job.job.jobID
            var job = job
            if let before = unclear[jobID] {
                job.job.merge(before.job.hints)
            } else {
                unclearLine.append(jobID)
            }
            startsSince[jobID] = job.isStart ? startsSince[jobID] ?? now : nil
            unclear[jobID] = job
        }
    }

    /// slurmdbd has answered, or not: then the jobs wait for the next question.
    /// - Returns: the jobs that the answer is for.
    mutating func returnedAccounting(_ number: Int, succeeded: Bool, now: Duration) -> [UnclearJob] {
        guard let question = open.removeValue(forKey: number) else { return [] }
        accounting.record(succeeded: succeeded, now: now)
        if succeeded { return question.jobs }
        for job in question.jobs where unclear[job.job.jobID] == nil {
            unclear[job.job.jobID] = job
            if job.isStart { startsSince[job.job.jobID] = question.since }
            unclearLine.append(job.job.jobID)
        }
        return []
    }

    /// The ledger could not be written: its hints are still there.
    mutating func forget(_ jobIDs: some Sequence<UInt32>) {
        for jobID in jobIDs { entries[jobID] = nil }
        needsFetch = true
    }

    // MARK: waiting

    /// Something is being asked, or its answer is not in the ledger yet.
    var isBusy: Bool { isListing || !open.isEmpty || entries.values.contains { $0.isAsked } }

    /// Many jobs wait for slurmctld, or for the ledger to take in what it said.
    var isInBurst: Bool { entries.count > 4 * (limits.looks + limits.startLooks) }

    /// When there may be something to ask without anything having come before.
    func nextTime(now: Duration) -> Duration? {
        var times: [Duration] = []
        if !starts.isEmpty || !others.isEmpty { times.append(controller.pausedUntil) }
        if !unclearLine.isEmpty { times.append(accounting.pausedUntil) }
        times += startsSince.values.map { $0 + limits.startPatience }
        for question in open.values where question.jobs.contains(where: \.isStart) {
            times.append(question.since + limits.startPatience)
        }
        return times.filter { $0 > now }.min()
    }

    /// Whether slurmdbd does not answer.
    var accountingFails: Bool { accounting.failures > 0 }
}
