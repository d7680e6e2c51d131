// SPDX-License-Identifier: GPL-3.0-or-later

internal import NIOConcurrencyHelpers

/// What became of calls since the start.
public struct JarviceCounts: Sendable, Equatable, Codable {
    public var submitted = 0
    /// Asked for again under the same name and number.
    public var repeated = 0
    public var refused = 0
    public var tokenRefused = 0
    public var ended = 0

    public init() {}
}

/// A token, or its user, that was refused.
public struct TokenRefusal: Sendable, Equatable, Codable {
    /// Unix seconds.
    public var at: Int64
    public var reason: String

    public init(at: Int64, reason: String) {
        self.at = at
        self.reason = reason
    }
}

final class GatewayCounters: Sendable {
    private struct State {
        var counts = JarviceCounts()
        var refusals: [TokenRefusal] = []
    }

    private let state = NIOLockedValueBox(State())
    private static let refusalLimit = 10

    var counts: JarviceCounts { state.withLockedValue { $0.counts } }
    /// The newest first.
    var refusals: [TokenRefusal] { state.withLockedValue { $0.refusals } }

    func count(_ path: any WritableKeyPath<JarviceCounts, Int> & Sendable) {
        state.withLockedValue { $0.counts[keyPath: path] += 1 }
    }

    func refused(_ error: JarviceError, at now: Int64) {
        state.withLockedValue { state in
            state.counts.refused += 1
            guard error.code == .identity else { return }
            state.counts.tokenRefused += 1
            state.refusals.insert(TokenRefusal(at: now, reason: error.message), at: 0)
            state.refusals.removeLast(max(0, state.refusals.count - Self.refusalLimit))
        }
    }
}
