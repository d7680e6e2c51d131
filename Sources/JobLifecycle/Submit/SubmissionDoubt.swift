// SPDX-License-Identifier: GPL-3.0-or-later

/// A submission without an answer: whether slurmctld may be asked again. No I/O.
///
/// A job_submit plugin, a throttle or load may delay the job for longer than the caller waits (MessageTimeout), so that it
/// comes about when its answer has long been given up. Only many looks, far enough apart and over a time that is long
/// against what was seen before, say that it will not.
struct SubmissionDoubt: Sendable, Hashable, Codable {
    /// When slurmctld was last asked. All times: Unix microseconds.
    var askedAt: Int64
    /// When the call was known to be over: a slurmctld that was started later knows nothing of it.
    var since: Int64?
    /// Looks that found nothing and stand at least a MessageTimeout apart.
    var looks = 0
    var countedAt: Int64?
    var lookedAt: Int64?
    /// The longest time without a look. What came and was ended by hand in it may have been forgotten.
    var gap: Int64 = 0

    enum Verdict: Sendable, Hashable {
        case look(at: Int64)
        /// It is not there and will not come.
        case askAgain
        /// It is not there, but may have been.
        case unknowable
    }

    /// MessageTimeouts that have to pass, at least.
    static let patience: Int64 = 12
    /// Looks that have to find nothing, at least: a clock that is set forward makes no time pass.
    static let looksWanted = 6
    /// How often the longest time that a submission is known to have taken has to pass.
    static let multiple: Int64 = 4
    /// Whatever a submission took once.
    static let longestWait: Int64 = 3600 * 1_000_000

    init(askedAt: Int64, since: Int64? = nil) {
        self.askedAt = askedAt
        self.since = since
    }

    /// An authoritative look, begun at `now`, found nothing.
    /// - Parameters:
    ///   - longest: the longest time, in microseconds, that a submission is known to have taken.
    ///   - hangs: a call of ours was still stuck when the look began, and may send the request yet.
    mutating func found(
        nothingAt now: Int64, _ timing: SchedulerTiming, longest: Int64, hangs: Bool = false
    ) -> Verdict {
        let second: Int64 = 1_000_000
        beginAgain(ifAfter: now)
        let timeout = min(max(timing.messageTimeout, 1), 3600) * second
        let memory = timing.minimumJobAge > 0 ? min(timing.minimumJobAge, 1 << 31) * second : Int64.max
        gap = max(gap, now - (lookedAt ?? askedAt))
        lookedAt = now
        if hangs {
            // Nobody knows which request it is.
            askedAt = now
            countedAt = nil
            since = nil
            looks = 0
        } else if now - (countedAt ?? askedAt) >= timeout {
            looks += 1
            countedAt = now
        }
        // Of an agent that was started again, whatever call it was is over.
        if !hangs { since = since ?? now }
        let wait = max(Self.patience * timeout, min(longest, Self.longestWait / Self.multiple) * Self.multiple)
        // Often enough to see what is remembered for a shorter time than that.
        let next = now + min(timeout, max(second, memory / 2))
        let isOver = looks >= Self.looksWanted && now - askedAt >= wait
        guard isOver || diedWithItsSlurmctld(now, timeout, timing) else { return .look(at: next) }
        return gap < memory ? .askAgain : .unknowable
    }

    /// The clock was set back since: what would have to pass until then again would be years.
    private mutating func beginAgain(ifAfter now: Int64) {
        askedAt = min(askedAt, now)
        since = since.map { min($0, now) }
        countedAt = countedAt.map { min($0, now) }
        lookedAt = lookedAt.map { min($0, now) }
    }

    /// slurmctld was started again after the call was over: nothing of it is on its way any more. One look after that must have
    /// found nothing.
    private func diedWithItsSlurmctld(_ now: Int64, _ timeout: Int64, _ timing: SchedulerTiming) -> Bool {
        guard let since, let runningFor = timing.runningFor, (0..<1 << 31).contains(runningFor) else { return false }
        let started = now - runningFor * 1_000_000
        // Both are whole seconds.
        return started - since > 2_000_000 && now - started >= 2 * timeout && looks > 0
    }
}

/// Which of several jobs of one order is the order's.
enum SubmissionChoice {
    /// The one that started first, since it cannot be undone; else the oldest that lives; else the oldest. nil for none.
    static func keep(_ jobs: [JobObservation]) -> JobObservation? {
        jobs.min { order($0) < order($1) }
    }

    private static func order(_ job: JobObservation) -> (Int, Int64, UInt32) {
        if job.hasStarted { return (0, job.startTime ?? .max, job.orderNumber) }
        return (job.state.base.isEnd ? 2 : 1, job.submitTime, job.orderNumber)
    }
}

extension JobObservation {
    /// By which a submission knows its job: of an array the array's number, of a component the leader's.
    public var orderNumber: UInt32 { details.hetJobID ?? key.number }

    /// It runs, or ran.
    public var hasStarted: Bool {
        switch state.base {
        case .pending: restarts ?? 0 > 0
        case .running, .suspended: true
        default: startTime != nil && wasPlaced
        }
    }
}
