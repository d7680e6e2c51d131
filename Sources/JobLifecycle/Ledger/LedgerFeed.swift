// SPDX-License-Identifier: GPL-3.0-or-later

internal import NIOConcurrencyHelpers
internal import Support

/// What has just been committed, for whoever watches. A slow watcher loses the oldest, never holds anybody up.
public final class LedgerFeed: Sendable {
    public enum Item: Sendable {
        case observation(JobObservation)
        case hint(JobHint)
        case transition(JobTransition)
    }

    private struct State {
        var next = 0
        var watchers: [Int: AsyncStream<Item>.Continuation] = [:]
        /// Of the services, which live as long as the ledger.
        var wakeUps: [WakeUp] = []
    }

    private let state = NIOLockedValueBox(State())

    init() {}

    /// Items from now on; at most `limit` wait, older ones are dropped.
    public func items(limit: Int = 10_000) -> AsyncStream<Item> {
        let (stream, continuation) = AsyncStream.makeStream(of: Item.self, bufferingPolicy: .bufferingNewest(limit))
        let id = state.withLockedValue { state -> Int in
            defer { state.next += 1 }
            state.watchers[state.next] = continuation
            return state.next
        }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLockedValue { _ = $0.watchers.removeValue(forKey: id) }
        }
        return stream
    }

    /// Raised after each commit that brought transitions, hints or orders.
    func wakeUp() -> WakeUp {
        let wakeUp = WakeUp()
        state.withLockedValue { $0.wakeUps.append(wakeUp) }
        return wakeUp
    }

    func publish(_ items: [Item]) {
        let (watchers, wakeUps) = state.withLockedValue { (Array($0.watchers.values), $0.wakeUps) }
        for watcher in watchers {
            for item in items { watcher.yield(item) }
        }
        for wakeUp in wakeUps { wakeUp.raise() }
    }
}
