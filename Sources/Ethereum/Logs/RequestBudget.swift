// SPDX-License-Identifier: GPL-3.0-or-later

/// So many requests a second and no more, but for a burst. Without a clock of its own.
struct RequestBudget: Hashable, Sendable {
    private let rate: Double
    private let burst: Double
    private var left: Double
    private var last: ContinuousClock.Instant?

    init(rate: Double, burst: Double) {
        self.rate = max(0.01, rate)
        self.burst = max(1, burst)
        left = self.burst
    }

    mutating func spend(_ requests: UInt64, at now: ContinuousClock.Instant) {
        if let last { left = min(burst, left + max(0, (now - last) / .seconds(1)) * rate) }
        last = now
        left = max(-burst, left - Double(requests))
    }

    /// How long nothing may be asked; nil when there is something left.
    func pause(at now: ContinuousClock.Instant) -> Duration? {
        let missing = 1 - left
        return missing > 0 ? .seconds(missing / rate) : nil
    }

    mutating func refill() { left = burst }
}
