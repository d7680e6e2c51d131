// SPDX-License-Identifier: GPL-3.0-or-later

/// Whether jobs may be claimed, as far as their scripts are concerned: what is claimed and cannot be started goes back after
/// half an hour, with a mark that another provider would not have given it. No I/O.
struct ScriptWatch<Key: Hashable & Sendable>: Sendable {
    enum Answer: Sendable, Hashable {
        case claim
        case stop
        /// Try the service, and tell `probed`.
        case probe
        /// The same, and then a single job: what waits is one customer's, whose scripts may be what is wrong. Then others' jobs
        /// must come.
        case one
    }

    /// So many jobs that wait for their scripts say that no other would get one. One of them may be odd.
    static var enough: Int { 3 }
    /// Seconds between two probes.
    static var interval: Int64 { 5 }
    /// Seconds between two single jobs.
    static var singleInterval: Int64 { 20 }

    /// With their customers.
    private var waiting: [Key: String] = [:]
    private var singleAt: Int64 = 0
    private var isAway = false
    private var probeAt: Int64 = 0

    init() {}

    func answer(now: Int64) -> Answer {
        if waiting.count >= Self.enough {
            return Set(waiting.values).count == 1 && now >= singleAt ? .one : .stop
        }
        guard isAway else { return .claim }
        return now >= probeAt ? .probe : .stop
    }

    mutating func failed(_ key: Key, of customer: String) {
        waiting[key] = customer
        isAway = true
    }

    mutating func fetched() {
        waiting = [:]
        isAway = false
    }

    /// Its script is not wanted any more.
    mutating func over(_ key: Key) { waiting.removeValue(forKey: key) }

    mutating func tookOne(now: Int64) { singleAt = now + Self.singleInterval }

    mutating func probed(isThere: Bool, now: Int64) {
        isAway = !isThere
        probeAt = now + Self.interval
    }
}
