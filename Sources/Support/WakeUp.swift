// SPDX-License-Identifier: GPL-3.0-or-later

internal import NIOConcurrencyHelpers

/// Lets one waiter sleep until something has come, or for a time. What comes while nobody waits is remembered once.
public final class WakeUp: Sendable {
    private struct State {
        var raised = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = NIOLockedValueBox(State())

    public init() {}

    public func raise() {
        let waiter = state.withLockedValue { state in
            state.raised = state.waiter == nil
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    /// Also returns when the task is cancelled.
    public func wait(atMost pause: Duration, clock: some Clock<Duration> = ContinuousClock()) async {
        await wait(until: pause, of: Stopwatch(clock))
    }

    /// Also returns when the task is cancelled.
    public func wait(until time: Duration, of stopwatch: Stopwatch) async {
        let timer = Task {
            do {
                try await stopwatch.sleep(until: time)
                raise()
            } catch {
                // The wait is over already.
            }
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let now = state.withLockedValue { state in
                    if state.raised || Task.isCancelled {
                        state.raised = false
                        return true
                    }
                    state.waiter = continuation
                    return false
                }
                if now { continuation.resume() }
            }
        } onCancel: {
            raise()
        }
        timer.cancel()
    }
}
