// SPDX-License-Identifier: GPL-3.0-or-later

/// The gas that calls have used, to know the limit of the next one without asking a node.
struct GasTable: Hashable, Sendable {
    struct Entry: Hashable, Sendable {
        /// The highest seen; what a second try gets counts too.
        var gas: UInt64
        /// Of the calldata of that one.
        var bytes: UInt64
    }

    private(set) var entries: [String: Entry] = [:]
    /// When each was last learned, in learnings.
    private var learnedAt: [String: UInt64] = [:]
    private var learnings: UInt64 = 0

    /// A contract has a dozen calls, a provider a contract or two in its time.
    static let limit = 128

    /// Storing 32 bytes more costs 20,000 and some, and as calldata 16 each.
    static let perByte: UInt64 = 720
    static let least: UInt64 = 21_000

    init(_ entries: [String: Entry] = [:]) {
        self.entries = entries
    }

    /// Takes out the one that was learned longest ago, when there are too many.
    /// - Returns: its call.
    mutating func forget() -> String? {
        guard entries.count > Self.limit,
            let oldest = entries.keys.min(by: { (learnedAt[$0] ?? 0, $0) < (learnedAt[$1] ?? 0, $1) })
        else { return nil }
        entries[oldest] = nil
        learnedAt[oldest] = nil
        return oldest
    }

    /// - Returns: whether the entry changed.
    @discardableResult
    mutating func learn(_ call: String, gas: UInt64, bytes: Int) -> Bool {
        let before = entries[call]
        var entry = before ?? Entry(gas: gas, bytes: UInt64(bytes))
        if gas >= entry.gas { entry = Entry(gas: gas, bytes: UInt64(bytes)) }
        entries[call] = entry
        learnings += 1
        learnedAt[call] = learnings
        return entry != before
    }

    /// A limit for a call with this many bytes of calldata; nil when it was never seen.
    func limit(_ call: String, bytes: Int, margin: Double, ceiling: UInt64) -> UInt64? {
        guard let entry = entries[call] else { return nil }
        let more = UInt64(bytes) > entry.bytes ? (UInt64(bytes) - entry.bytes) * Self.perByte : 0
        return Self.bounded(Double(entry.gas) * margin + Double(more), ceiling: ceiling)
    }

    /// A limit for a call that was never seen.
    /// - Parameter gas: with up to `firstBytes` of calldata.
    static func first(_ gas: UInt64, bytes: Int, ceiling: UInt64) -> UInt64 {
        let more = UInt64(max(0, bytes - firstBytes)) * perByte
        return bounded(Double(gas) + Double(more), ceiling: ceiling)
    }

    private static let firstBytes = 256

    static func == (left: GasTable, right: GasTable) -> Bool { left.entries == right.entries }
    func hash(into hasher: inout Hasher) { hasher.combine(entries) }

    static func bounded(_ gas: Double, ceiling: UInt64) -> UInt64 {
        gas >= Double(ceiling) ? ceiling : max(least, UInt64(gas))
    }
}
