// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import Support

/// What is being done for one claim, what of it waits for its next try, and when the claim is looked at again. Says what may
/// begin; does nothing.
struct ClaimRunner: Sendable {
    /// What takes its time.
    enum Work: Sendable, Hashable, CaseIterable {
        case examine, decide, withdraw, cancel, setLimit, read, send, recall, close

        /// What must not be under way when it begins, nor begin while it is: itself, for whatever is to be done twice is done
        /// one after the other. What is under way belongs to the claim, so one is closed when nothing else is.
        var excluded: Set<Work> { self == .close ? Set(Work.allCases) : [self, .close] }
    }

    /// Whether something may begin.
    enum Answer: Sendable, Hashable {
        case now
        /// When that is over the claim is looked at again.
        case after(Work)
        /// After a failure not before its time.
        case later(Date)
    }

    private struct Retry: Sendable {
        var tries = 0
        var notBefore = Date.distantPast
        var why = ""

        /// Nothing waits for longer than an hour: what is further off was so by a clock that has been set back since.
        func waits(at now: Date) -> Bool { notBefore > now && notBefore.timeIntervalSince(now) <= 3600 }
    }

    private(set) var underWay: Set<Work> = []
    private var retries: [Work: Retry] = [:]
    /// When the claim is to be looked at without being told anything.
    private(set) var lookAt: Date?
    /// Its end waits for the chain's clock.
    var hold: GridStatus.Hold?

    var isIdle: Bool { underWay.isEmpty }

    // MARK: looks

    /// The claim is being looked at: what it waits for is said again.
    mutating func beginLook() {
        lookAt = nil
        hold = nil
    }

    /// At the latest.
    mutating func look(at time: Date) { lookAt = lookAt.map { min($0, time) } ?? time }

    // MARK: work

    func mayBegin(_ work: Work, at now: Date) -> Answer {
        if let other = Work.allCases.first(where: { underWay.contains($0) && work.excluded.contains($0) }) {
            return .after(other)
        }
        if let retry = retries[work], retry.waits(at: now) { return .later(retry.notBefore) }
        return .now
    }

    /// Begins it if it may; looks again when its time has come.
    mutating func begin(_ work: Work, at now: Date) -> Answer {
        let answer = mayBegin(work, at: now)
        switch answer {
        case .now: underWay.insert(work)
        case .after: break
        case .later(let time): look(at: time)
        }
        return answer
    }

    mutating func end(_ work: Work) { underWay.remove(work) }

    // MARK: tries

    private static let policy = RetryPolicy(first: .milliseconds(500), ceiling: .seconds(30))

    /// It is done, or is to be tried at once.
    mutating func forget(_ work: Work) { retries[work] = nil }

    /// - Returns: how often in a row.
    mutating func failed(_ work: Work, why: String, at now: Date) -> Int {
        let tries = retries[work]?.tries ?? 0
        retries[work] = Retry(
            tries: tries + 1, notBefore: now + Self.policy.seconds(attempt: tries), why: why)
        return tries + 1
    }

    /// Somebody else tries it again and again.
    mutating func isTried(_ work: Work, tries: Int, why: String) {
        retries[work] = Retry(tries: tries, why: why)
    }

    /// Not before this time; with a reason it counts as trouble until then.
    mutating func pause(_ work: Work, until time: Date, why: String? = nil) {
        retries[work] = Retry(tries: why == nil ? 0 : 1, notBefore: time, why: why ?? "")
    }

    /// Why it did not succeed last; nil: it was not tried in vain.
    func trouble(of work: Work) -> String? { retries[work].flatMap { $0.tries > 0 ? $0.why : nil } }

    /// For people: one of them.
    var trouble: String? { Work.allCases.compactMap(trouble).min() }
}
