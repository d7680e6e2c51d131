// SPDX-License-Identifier: GPL-3.0-or-later

/// How long to wait before the next try: so many times as long each time, up to a ceiling.
public struct RetryPolicy: Sendable, Hashable {
    /// After the first failure.
    public var first: Duration
    /// By which the wait grows with each further failure.
    public var factor: Int
    /// The longest wait, but for the jitter.
    public var ceiling: Duration
    /// The part of the wait by which it may be shorter or longer, 0 to 1: what failed together need not come back together.
    public var jitter: Double

    public init(first: Duration, factor: Int = 2, ceiling: Duration, jitter: Double = 0) {
        self.first = first
        self.factor = factor
        self.ceiling = ceiling
        self.jitter = jitter
    }

    /// Without jitter.
    /// - Parameter attempt: how many have failed before the one that failed last: 0 after the first failure.
    public func delay(attempt: Int) -> Duration {
        var delay = min(first, ceiling)
        guard factor > 1, delay > .zero else { return delay }
        for _ in 0..<max(0, attempt) {
            guard delay < ceiling else { break }
            // Ceilings are days at most, so this cannot overflow.
            delay = min(delay * factor, ceiling)
        }
        return delay
    }

    /// With jitter.
    public func delay(attempt: Int, using generator: inout some RandomNumberGenerator) -> Duration {
        let delay = delay(attempt: attempt)
        let part = min(max(0, jitter), 1)
        return part > 0 ? delay * Double.random(in: (1 - part)...(1 + part), using: &generator) : delay
    }

    /// In seconds.
    public func seconds(attempt: Int) -> Double { delay(attempt: attempt) / .seconds(1) }
}
