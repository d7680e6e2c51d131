// SPDX-License-Identifier: GPL-3.0-or-later

/// Who is connected to a door. When all places are taken, the oldest connection that has shown nothing to be trusted for gives
/// its place up: somebody who opens many and says nothing keeps nobody out.
///
/// Connections are counted by where they come from (a host, a user). An origin that nothing good has come from gives way to one
/// that is known, and of those alike the one with the most connections to the others.
public struct ConnectionTable<Key: Hashable & Sendable>: Sendable {
    public enum Admission: Equatable, Sendable {
        case admitted
        case instead(of: Key)
        case refused
    }

    private struct Guest {
        var origin: String
        var order: UInt64
        /// Never has to go.
        var isTrusted = false
    }

    private let limit: Int
    private let limitPerOrigin: Int
    private let memory: Int
    private var guests: [Key: Guest] = [:]
    private var counts: [String: Int] = [:]
    /// Origins of which something good has come, and when.
    private var known: [String: UInt64] = [:]
    private var next: UInt64 = 0

    /// - Parameters:
    ///   - limit: places.
    ///   - perOrigin: of them, for each origin; nil: all.
    ///   - memory: origins that are remembered as known. Default 65,536: as many as a large cluster has nodes.
    public init(limit: Int, perOrigin: Int? = nil, memory: Int = 65_536) {
        self.limit = max(1, limit)
        limitPerOrigin = max(1, perOrigin ?? limit)
        self.memory = max(2, memory)
    }

    public var count: Int { guests.count }

    public mutating func enter(_ key: Key, from origin: String = "") -> Admission {
        var admission = Admission.admitted
        if counts[origin, default: 0] >= limitPerOrigin {
            guard let oldest = oldest(where: { $0.origin == origin }) else { return .refused }
            admission = .instead(of: oldest)
        } else if guests.count >= limit {
            guard let victim = victim(for: origin) else { return .refused }
            admission = .instead(of: victim)
        }
        if case .instead(let other) = admission { leave(other) }
        guests[key] = Guest(origin: origin, order: tick())
        counts[origin, default: 0] += 1
        return admission
    }

    /// It may stay as long as it likes, and its origin is known.
    public mutating func trust(_ key: Key) {
        guard let origin = guests[key]?.origin else { return }
        guests[key]?.isTrusted = true
        vouch(for: origin)
    }

    /// Something good has come from there; what is connected may still have to go.
    public mutating func vouch(for origin: String) {
        known[origin] = tick()
        guard known.count > memory else { return }
        let kept = known.sorted { $0.value > $1.value }.prefix(memory / 2).map { ($0.key, $0.value) }
        known = Dictionary(kept) { first, _ in first }
    }

    public mutating func leave(_ key: Key) {
        guard let guest = guests.removeValue(forKey: key) else { return }
        let rest = counts[guest.origin, default: 1] - 1
        counts[guest.origin] = rest > 0 ? rest : nil
    }

    /// The one to go when there is no room for a reason of its own, as too few file descriptors. nil: nobody has to.
    public mutating func evict() -> Key? {
        let victim = victim(for: nil)
        if let victim { leave(victim) }
        return victim
    }

    // MARK: who has to go

    /// - Parameter origin: of the one that comes; nil: nobody comes.
    private func victim(for origin: String?) -> Key? {
        let strangers = most(where: { known[$0.origin] == nil })
        if let strangers { return oldest { $0.origin == strangers } }
        // Whoever is not known puts out nobody who is.
        guard origin == nil || origin.flatMap({ known[$0] }) != nil, let most = most(where: { _ in true }) else {
            return nil
        }
        return oldest { $0.origin == most }
    }

    /// The origin with the most connections that may have to go.
    private func most(where isMeant: (Guest) -> Bool) -> String? {
        var tally: [String: (count: Int, oldest: UInt64)] = [:]
        for guest in guests.values where !guest.isTrusted && isMeant(guest) {
            let sum = tally[guest.origin] ?? (0, .max)
            tally[guest.origin] = (sum.count + 1, min(sum.oldest, guest.order))
        }
        return tally.max {
            ($0.value.count, $1.value.oldest) < ($1.value.count, $0.value.oldest)
        }?.key
    }

    private func oldest(where isMeant: (Guest) -> Bool) -> Key? {
        guests.filter { !$0.value.isTrusted && isMeant($0.value) }.min { $0.value.order < $1.value.order }?.key
    }

    private mutating func tick() -> UInt64 {
        next &+= 1
        return next
    }
}
