// SPDX-License-Identifier: GPL-3.0-or-later

internal import Foundation
internal import NIOConcurrencyHelpers

/// A thread of its own for work that may block for as long as a disk or a peer likes: a hung NFS holds up its caller, and
/// nobody else.
///
/// One piece of work at a time. Whoever has waited for long enough is told so, while the work goes on; the next caller is told at
/// once, until it has come back.
public final class BlockingThread: Sendable {
    /// The work has not come back in time. It may still be done.
    public struct Stuck: Error, Sendable, CustomStringConvertible {
        public var description: String
    }

    private struct State {
        var work: (@Sendable () -> Void)?
        var isBusy = false
        var isEnded = false
    }

    private let state = NIOLockedValueBox(State())
    private let come = DispatchSemaphore(value: 0)
    private let clock: any Clock<Duration>

    /// - Parameter name: shown by `top -H` and debuggers.
    public init(name: String, clock: any Clock<Duration> = ContinuousClock()) {
        self.clock = clock
        let thread = Thread { [state, come] in Self.serve(state, come) }
        thread.name = name
        thread.start()
    }

    deinit {
        state.withLockedValue { $0.isEnded = true }
        come.signal()
    }

    private static func serve(_ state: NIOLockedValueBox<State>, _ come: DispatchSemaphore) {
        // Signals belong to the main program.
        var all = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, nil)
        while true {
            come.wait()
            let work = state.withLockedValue { state in
                defer { state.work = nil }
                return state.work
            }
            if let work {
                work()
            } else if state.withLockedValue({ $0.isEnded }) {
                return
            }
        }
    }

    /// Runs `body` on the thread.
    ///
    /// - Throws: what `body` throws; `Stuck` after `limit`, or at once while an earlier piece of work is still under way;
    ///   `CancellationError` when the caller is cancelled. `body` goes on all the same.
    public func run<Answer: Sendable>(
        within limit: Duration, _ body: @escaping @Sendable () throws -> Answer
    ) async throws -> Answer {
        let slot = AnswerSlot<Answer>()
        let work: @Sendable () -> Void = { [state] in
            let result = Result { try body() }
            state.withLockedValue { $0.isBusy = false }
            slot.resume(result)
        }
        let accepted = state.withLockedValue { state in
            guard !state.isBusy else { return false }
            state.isBusy = true
            state.work = work
            return true
        }
        guard accepted else { throw Stuck(description: "what was begun before has not come back yet") }
        come.signal()
        let timer = Task { [clock] in
            try await clock.sleep(for: limit)
            slot.resume(.failure(Stuck(description: "no answer within \(limit)")))
        }
        defer { timer.cancel() }
        return try await withTaskCancellationHandler {
            try await slot.value()
        } onCancel: {
            slot.resume(.failure(CancellationError()))
        }
    }
}
