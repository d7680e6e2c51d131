// SPDX-License-Identifier: GPL-3.0-or-later

/// How far this provider is on its way into the grid: who has to do something next.
public enum ProviderStanding: String, Codable, Sendable, Hashable, CaseIterable {
    /// No node has answered yet.
    case unknown
    case banned
    case approved
    /// The chain has a registration, and the grid's administrators decide on it.
    case waiting
    /// A registration is handed over to the chain, which does not say so yet.
    case sent
    /// The chain knows none, and the agent sends one by itself.
    case coming
    /// The chain knows none, and nobody sends one.
    case unregistered
}

extension ProviderView {
    /// - Parameters:
    ///   - isSent: a registration is on its way to the chain.
    ///   - isComing: the agent has not yet looked at what it would register.
    func standing(isSent: Bool, isComing: Bool) -> ProviderStanding {
        if !wasRead { return .unknown }
        if isBanned { return .banned }
        if isApproved { return .approved }
        if isWaiting { return .waiting }
        return isSent ? .sent : isComing ? .coming : .unregistered
    }
}
