// SPDX-License-Identifier: GPL-3.0-or-later

internal import NIOConcurrencyHelpers

/// What a service does beside its loops. It ends with the service: `end` cancels it all, and returns when nothing of it runs.
public final class ChildTasks: Sendable {
    private struct State {
        var next: UInt64 = 0
        var tasks: [UInt64: Task<Void, Never>] = [:]
        var isEnding = false
    }

    private let state = NIOLockedValueBox(State())

    public init() {}

    /// - Returns: false when the service is ending: `body` never runs.
    @discardableResult
    public func spawn(_ body: @escaping @Sendable () async -> Void) -> Bool {
        state.withLockedValue { state in
            guard !state.isEnding else { return false }
            let id = state.next
            state.next += 1
            // Its last act waits for the lock that is held here, so it is in the table by then.
            state.tasks[id] = Task {
                await body()
                self.state.withLockedValue { $0.tasks[id] = nil }
            }
            return true
        }
    }

    public func end() async {
        let tasks = state.withLockedValue { state in
            state.isEnding = true
            return Array(state.tasks.values)
        }
        for task in tasks { task.cancel() }
        for task in tasks { await task.value }
    }

    public var count: Int { state.withLockedValue { $0.tasks.count } }
}
