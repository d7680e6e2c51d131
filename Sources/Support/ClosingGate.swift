// SPDX-License-Identifier: GPL-3.0-or-later

internal import NIOConcurrencyHelpers

/// Stands before something that is closed one day, as a database: whoever uses it holds it open, and who comes later gets an
/// error.
public final class ClosingGate: Sendable {
    public struct Closed: Error, Sendable, CustomStringConvertible {
        public var description: String { "it is closed: the agent is ending" }
    }

    private struct State {
        var users = 0
        var isClosed = false
        var end: (@Sendable () -> Void)?
    }

    private let state = NIOLockedValueBox(State())

    public init() {}

    /// Runs `body` to its end, also when the caller is cancelled meanwhile: what is half done in a database is of use to
    /// nobody.
    ///
    /// Throws ``Closed``, and what `body` throws.
    public func use<Answer: Sendable>(_ body: @escaping @Sendable () async throws -> Answer) async throws -> Answer {
        let isOpen = state.withLockedValue { state in
            if !state.isClosed { state.users += 1 }
            return !state.isClosed
        }
        guard isOpen else { throw Closed() }
        defer { leave() }
        return try await Task { try await body() }.value
    }

    /// Lets nobody in any more. `end` runs once: now, or when the last user leaves.
    public func close(_ end: @escaping @Sendable () -> Void) {
        let now = state.withLockedValue { state -> (@Sendable () -> Void)? in
            guard !state.isClosed else { return nil }
            state.isClosed = true
            if state.users == 0 { return end }
            state.end = end
            return nil
        }
        now?()
    }

    private func leave() {
        let end = state.withLockedValue { state -> (@Sendable () -> Void)? in
            state.users -= 1
            guard state.users == 0 else { return nil }
            defer { state.end = nil }
            return state.end
        }
        end?()
    }
}
