// SPDX-License-Identifier: GPL-3.0-or-later

internal import JobLifecycle
internal import Synchronization

/// Ends that were delivered before the gateway had the list of what runs. Any thread.
final class EndedEarly: Sendable {
    /// More than end while such a list is taken in.
    private static let limit = 10_000

    /// nil: the list has been taken in.
    private let ends = Mutex<[JobTransition]?>([])

    var list: [JobTransition] { ends.withLock { $0 ?? [] } }

    func note(_ transitions: [JobTransition]) {
        ends.withLock { ends in
            guard ends != nil else { return }
            ends?.append(contentsOf: transitions.lazy.filter { $0.kind.endsRun })
            // An agent that was away for long is told of many, none of which is in the list: now and then they go.
            if let count = ends?.count, count > 2 * Self.limit { ends?.removeFirst(count - Self.limit) }
        }
    }

    func close() { ends.withLock { $0 = nil } }
}

extension JobTransition.Kind {
    fileprivate var endsRun: Bool {
        switch self {
        case .ended, .requeued, .vanished: true
        default: false
        }
    }
}
