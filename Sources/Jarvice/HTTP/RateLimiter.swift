// SPDX-License-Identifier: GPL-3.0-or-later

internal import NIOConcurrencyHelpers

/// Calls of each peer: so many a second, and as many at once that were not made before.
final class RateLimiter: Sendable {
    private struct Bucket {
        var tokens: Double
        var at: Duration
    }

    private let rate: Double
    private let now: @Sendable () -> Duration
    private let buckets = NIOLockedValueBox<[String: Bucket]>([:])
    /// More are forgotten, those that have been silent for the longest first.
    private static let peerLimit = 1024

    init(perSecond rate: Int, now: @escaping @Sendable () -> Duration) {
        self.rate = Double(max(1, rate))
        self.now = now
    }

    func takes(_ peer: String) -> Bool {
        let now = now()
        return buckets.withLockedValue { buckets in
            var bucket = buckets[peer] ?? Bucket(tokens: rate, at: now)
            bucket.tokens = min(rate, bucket.tokens + max(0, (now - bucket.at) / .seconds(1)) * rate)
            bucket.at = now
            let takes = bucket.tokens >= 1
            if takes { bucket.tokens -= 1 }
            if buckets[peer] == nil, buckets.count >= Self.peerLimit,
                let oldest = buckets.min(by: { $0.value.at < $1.value.at })?.key
            {
                buckets[oldest] = nil
            }
            buckets[peer] = bucket
            return takes
        }
    }
}

/// Bytes of bodies that are in memory at once.
final class BodyBudget: Sendable {
    private let left: NIOLockedValueBox<Int>

    init(_ bytes: Int) {
        left = NIOLockedValueBox(bytes)
    }

    func take(_ bytes: Int) -> Bool {
        left.withLockedValue { left in
            guard left >= bytes else { return false }
            left -= bytes
            return true
        }
    }

    func give(_ bytes: Int) { left.withLockedValue { $0 += bytes } }
}
