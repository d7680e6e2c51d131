// SPDX-License-Identifier: GPL-3.0-or-later

public import Testing

/// What a test waits for never came.
public struct NeverSo: Error, CustomStringConvertible {
    public let description: String
}

/// Waits until something is so that other tasks, threads or processes bring about.
///
/// The limit is real time, far beyond what a busy host needs. When it is over the test fails here and now: its clean-up may hang for
/// the same reason.
///
/// - Throws: `NeverSo`, or what `condition` throws.
public func waitUntil(
    _ what: String = "what the test waits for", within limit: Duration = .seconds(120),
    isolation: isolated (any Actor)? = #isolation, sourceLocation: SourceLocation = #_sourceLocation,
    _ condition: () async throws -> Bool
) async throws {
    let end = ContinuousClock.now + limit
    var looks = 0
    while try await !condition() {
        guard ContinuousClock.now < end else {
            let never = NeverSo(description: "\(what): not within \(limit)")
            Issue.record(never, sourceLocation: sourceLocation)
            throw never
        }
        looks += 1
        // At once, mostly; and a wait for a process leaves it the core.
        if looks < 1000 { await Task.yield() } else { try await Task.sleep(for: .milliseconds(1)) }
    }
}
