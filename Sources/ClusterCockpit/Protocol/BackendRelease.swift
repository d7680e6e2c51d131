// SPDX-License-Identifier: GPL-3.0-or-later

/// What a backend understands. There is no call that tells its version: it is probed, and noticed again by what it refuses.
public enum BackendRelease: String, Sendable, Hashable, Codable, CaseIterable {
    /// Up to 1.2.
    case v12 = "1.2"
    case v13 = "1.3"
    case v14 = "1.4"
    /// 1.5 and what follows.
    case v15 = "1.5"

    /// `shared`, `submitTime` and `requestedMemory`; before that there was the number `exclusive`.
    var hasShared: Bool { self == .v15 }
    /// Each tag has a scope.
    var hasTagScope: Bool { self == .v14 || self == .v15 }
    /// States of nodes can be told.
    var hasNodeStates: Bool { self == .v15 }
    /// A start may wait in a table that no list shows.
    var cachesStarts: Bool { self == .v15 }
    /// The clusters' topology can be read.
    var hasClusters: Bool { self != .v12 }

    /// States that it takes at a stop, beside those that mean no end.
    private var endStates: Set<String> {
        let old: Set<String> = ["completed", "failed", "cancelled", "timeout", "preempted", "out_of_memory"]
        return self == .v15 ? old.union(["boot_fail", "deadline", "node_fail"]) : old
    }

    /// Slurm's state as this release writes it. `running`, `pending` and `suspended` would leave the row open or wrong for
    /// ever, so they never come out.
    func word(for state: EndState) -> String {
        endStates.contains(state.rawValue) ? state.rawValue : EndState.failed.rawValue
    }

    /// When a run ended, as this release takes it: up to 1.4.2 a run lasts a second at least, and 1.4 does not say which it is.
    func stopTime(start: Int64, end: Int64) -> Int64 {
        max(end, self == .v15 || start == .max ? start : start + 1)
    }
}

/// How a run ended, in the backend's words.
public enum EndState: String, Sendable, Hashable, Codable, CaseIterable {
    case completed, failed, cancelled, timeout, preempted
    case outOfMemory = "out_of_memory"
    case nodeFail = "node_fail"
    case bootFail = "boot_fail"
    case deadline
}
