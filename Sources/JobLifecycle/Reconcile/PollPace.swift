// SPDX-License-Identifier: GPL-3.0-or-later

/// When slurmctld's list is asked for again. No I/O.
///
/// A list is packed under slurmctld's lock; of 100,000 jobs that takes most of a second. While the plugins tell of starts and
/// ends by themselves, the lists may cost slurmctld one hundredth of a thread and no more. When they do not, a list is the
/// only way to learn of them.
struct PollPace: Sendable {
    /// Between two polls that cost nothing, or when the plugins do not work.
    var interval: Duration
    /// Of one thread of slurmctld.
    static let share = 0.01

    private var lastPoll: ContinuousClock.Instant?
    /// When the last list had come, and what a list costs.
    private var lastList: (end: ContinuousClock.Instant, cost: Duration)?
    /// Of the list before. One of two may have waited for a lock that somebody else held.
    private var costBefore: Duration?
    /// A list told what a plugin should have told long before: they are not relied on until then.
    private var distrustUntil: ContinuousClock.Instant?
    static let distrust = Duration.seconds(600)

    init(interval: Duration) {
        self.interval = interval
    }

    func isDue(_ now: ContinuousClock.Instant, pluginsWork: Bool) -> Bool {
        guard let lastPoll else { return true }
        guard now >= lastPoll + interval else { return false }
        guard pluginsWork, let lastList, distrustUntil.map({ now >= $0 }) ?? true else { return true }
        return now >= lastList.end + pause(after: lastList.cost)
    }

    /// slurmctld's time a list takes is a hundredth of the pause and the list together.
    private func pause(after cost: Duration) -> Duration { cost * ((1 - Self.share) / Self.share) }

    /// An answer has come; nil: nothing had changed, which costs half a millisecond.
    mutating func polled(_ now: ContinuousClock.Instant, list cost: Duration?) {
        lastPoll = now
        guard let cost else { return }
        lastList = (now, min(cost, costBefore ?? cost))
        costBefore = cost
    }

    /// The list told of a start or an end that nobody had told.
    mutating func missed(_ now: ContinuousClock.Instant) { distrustUntil = now + Self.distrust }

    /// No answer: again after the interval.
    mutating func failed(_ now: ContinuousClock.Instant) { lastPoll = now }
}
