// SPDX-License-Identifier: GPL-3.0-or-later

internal import NIOConcurrencyHelpers
internal import Support

/// Jobs whose output is to be read ahead, and answers that were told, until somebody takes them. Bounded: what it has no room
/// for is read when upstream asks.
final class EndedJobs: Sendable {
    struct Job: Sendable, Equatable {
        var jobID: UInt32
        var tries = 0
    }

    private struct State {
        var jobs: [Job] = []
        var told: Set<String> = []
    }

    private let state = NIOLockedValueBox(State())
    private let wake = WakeUp()
    private static let limit = 10_000
    /// Seconds that a job's nodes may take to end its processes.
    private static let tryLimit = 600

    func add(_ job: Job) {
        guard job.tries < Self.tryLimit else { return }
        state.withLockedValue { if $0.jobs.count < Self.limit { $0.jobs.append(job) } }
        if job.tries == 0 { wake.raise() }
    }

    func addTold(_ job: String) { state.withLockedValue { if $0.told.count < Self.limit { $0.told.insert(job) } } }

    func take() -> (jobs: [Job], told: Set<String>) {
        state.withLockedValue { state in
            defer { state = State() }
            return (state.jobs, state.told)
        }
    }

    var isEmpty: Bool { state.withLockedValue { $0.jobs.isEmpty } }

    func wait(atMost pause: Duration) async { await wake.wait(atMost: pause) }
}
