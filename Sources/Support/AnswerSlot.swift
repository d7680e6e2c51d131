// SPDX-License-Identifier: GPL-3.0-or-later

internal import NIOConcurrencyHelpers

/// The first of several answers: the others come to nothing.
public final class AnswerSlot<Answer: Sendable>: Sendable {
    private struct State {
        var result: Result<Answer, any Error>?
        var waiter: CheckedContinuation<Answer, any Error>?
    }

    private let state = NIOLockedValueBox(State())

    public init() {}

    public func resume(_ result: Result<Answer, any Error>) {
        let waiter = state.withLockedValue { state in
            guard state.result == nil else { return nil as CheckedContinuation<Answer, any Error>? }
            state.result = result
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume(with: result)
    }

    /// To be awaited once.
    public func value() async throws -> Answer {
        try await withCheckedThrowingContinuation { continuation in
            let result = state.withLockedValue { state in
                if state.result == nil { state.waiter = continuation }
                return state.result
            }
            if let result { continuation.resume(with: result) }
        }
    }
}
