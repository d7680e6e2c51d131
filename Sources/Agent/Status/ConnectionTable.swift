// SPDX-License-Identifier: GPL-3.0-or-later

/// Who is connected. When all places are taken, the oldest connection that has shown nothing to be trusted for gives its
/// place up: somebody who opens many and says nothing keeps nobody out.
struct ConnectionTable<Key: Hashable & Sendable>: Sendable {
    enum Admission: Equatable {
        case admitted
        case instead(of: Key)
        case refused
    }

    let limit: Int
    private var untrusted: [Key: UInt64] = [:]
    private var trusted: Set<Key> = []
    private var next: UInt64 = 0

    init(limit: Int) {
        self.limit = limit
    }

    var count: Int { untrusted.count + trusted.count }

    mutating func enter(_ key: Key) -> Admission {
        var admission = Admission.admitted
        if count >= limit {
            guard let oldest = untrusted.min(by: { $0.value < $1.value })?.key else { return .refused }
            untrusted[oldest] = nil
            admission = .instead(of: oldest)
        }
        untrusted[key] = next
        next += 1
        return admission
    }

    mutating func trust(_ key: Key) {
        if untrusted.removeValue(forKey: key) != nil { trusted.insert(key) }
    }

    mutating func leave(_ key: Key) {
        untrusted[key] = nil
        trusted.remove(key)
    }
}
