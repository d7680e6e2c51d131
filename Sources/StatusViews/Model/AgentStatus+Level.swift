// SPDX-License-Identifier: GPL-3.0-or-later

extension AgentStatus.Level: Comparable {
    private var rank: Int {
        switch self {
        case .off: 0
        case .ok: 1
        case .unknown: 2
        case .warning: 3
        case .starting: 4
        case .failure: 5
        }
    }

    /// What it makes of the whole.
    package var asHealth: Self { self == .unknown ? .warning : self }

    package static func < (left: Self, right: Self) -> Bool { left.rank < right.rank }
}

extension AgentStatus {
    /// In place of the part of that name, if there is one.
    package mutating func set(_ part: Part) {
        if let index = parts.firstIndex(where: { $0.name == part.name }) {
            parts[index] = part
        } else {
            parts.append(part)
        }
    }
}
