// SPDX-License-Identifier: GPL-3.0-or-later

internal import NIOConcurrencyHelpers
internal import Support

/// Wakes up who carries commands out, and who waits for one. Apart from the feed: commands are few, and events are many.
final class CommandWatch: Sendable {
    private struct State {
        var next = 0
        /// Of the services, which live as long as the ledger.
        var services: [WakeUp] = []
        /// By the ledger's number of the job.
        var waiters: [Int64: [Int: WakeUp]] = [:]
    }

    private let state = NIOLockedValueBox(State())

    /// Raised whenever one may be carried out.
    func wakeUp() -> WakeUp {
        let wakeUp = WakeUp()
        state.withLockedValue { $0.services.append(wakeUp) }
        return wakeUp
    }

    /// Calls `body` with what is raised at each change of this job's commands.
    func watching<Answer: Sendable>(
        _ ledgerJob: Int64, _ body: (WakeUp) async throws(LedgerError) -> Answer
    ) async throws(LedgerError) -> Answer {
        let wakeUp = WakeUp()
        let id = state.withLockedValue { state in
            state.next += 1
            state.waiters[ledgerJob, default: [:]][state.next] = wakeUp
            return state.next
        }
        defer {
            state.withLockedValue { state in
                state.waiters[ledgerJob]?[id] = nil
                if state.waiters[ledgerJob]?.isEmpty == true { state.waiters[ledgerJob] = nil }
            }
        }
        return try await body(wakeUp)
    }

    func raise(_ jobs: Set<Int64>) {
        let wakeUps = state.withLockedValue { state in
            state.services + jobs.flatMap { state.waiters[$0].map { Array($0.values) } ?? [] }
        }
        for wakeUp in wakeUps { wakeUp.raise() }
    }
}
