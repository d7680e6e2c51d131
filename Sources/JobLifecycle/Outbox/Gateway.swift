// SPDX-License-Identifier: GPL-3.0-or-later

/// A party that is told of transitions.
public protocol Gateway: Sendable {
    /// Names its rows in the ledger; never changes.
    var name: String { get }
    var scope: Ledger.Interest.Scope { get }
    /// Most transitions that `deliver` takes at once.
    var batchLimit: Int { get }

    /// Hands transitions on, in their order.
    ///
    /// May be asked for the same transition again (after a crash, or when the answer was lost), so it must be able to
    /// tell by the sequence what it has done. Returns one answer for each; a transition whose predecessor of the same
    /// job was not `delivered` here must be answered with `retry`. Throws when it can take nothing at all for now: then
    /// no transition is to blame, and all of them keep their order.
    func deliver(_ transitions: [JobTransition]) async throws(GatewayUnavailable) -> [Delivery]

    /// What runs now, in the form of the transitions that told of it, with what is known by now; their sequence is 0.
    ///
    /// Of scope `everything`, once after each start, when what waited has been delivered. So one that is enabled late, or has
    /// lost its file, learns of jobs whose beginnings nobody told it. Beside deliveries, which do not wait for it; asked again
    /// when it has thrown. A gateway that needs none of that has it from the default.
    func catchUp(_ running: [JobTransition]) async throws(GatewayUnavailable)
}

extension Gateway {
    public func catchUp(_ running: [JobTransition]) async throws(GatewayUnavailable) {}
}

/// A gateway whose other side, or disk, is away.
public struct GatewayUnavailable: Error, Sendable, Hashable, CustomStringConvertible {
    public var description: String

    public init(_ description: String) {
        self.description = description
    }
}

/// What became of a transition at a gateway.
public enum Delivery: Sendable, Hashable {
    case delivered
    /// Not now. The outbox asks again, later each time.
    case retry(String)
    /// Never: parked until somebody looks (`ledger list --parked`, `ledger retry`).
    case refused(String)
}
