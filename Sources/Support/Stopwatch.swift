// SPDX-License-Identifier: GPL-3.0-or-later

/// The time of a clock since this was made. Whoever works out until when to wait waits until that time, however long it took
/// to get there.
public struct Stopwatch: Sendable {
    private let read: @Sendable () -> Duration
    private let rest: @Sendable (Duration) async throws -> Void

    public init(_ clock: some Clock<Duration>) {
        let start = clock.now
        read = { start.duration(to: clock.now) }
        rest = { try await clock.sleep(until: start.advanced(by: $0), tolerance: nil) }
    }

    public func callAsFunction() -> Duration { read() }

    /// - Throws: `CancellationError`.
    public func sleep(until time: Duration) async throws { try await rest(time) }
}
