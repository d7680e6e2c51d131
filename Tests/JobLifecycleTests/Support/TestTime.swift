// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation

@testable import JobLifecycle

/// The time of a ``TestClock``, for whoever wants a clock. Nobody sleeps: who wants to is woken at once and finds that no time
/// has passed.
struct TestTime: Clock {
    typealias Duration = Swift.Duration
    typealias Instant = VirtualClock.Instant

    let clock: TestClock

    var now: Instant { Instant(offset: .seconds(clock.now().timeIntervalSince1970 - 1_000_000)) }
    var minimumResolution: Duration { .nanoseconds(1) }

    func sleep(until deadline: Instant, tolerance: Duration?) async throws {
        try Task.checkCancellation()
        await Task.yield()
    }
}
