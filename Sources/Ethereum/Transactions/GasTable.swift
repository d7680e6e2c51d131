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

    /// Storing 32 bytes more costs 20,000 and some, and as calldata 16 each.
    static let perByte: UInt64 = 720
    static let least: UInt64 = 21_000

    init(_ entries: [String: Entry] = [:]) {
        self.entries = entries
    }

    /// - Returns: whether the entry changed.
    @discardableResult
    mutating func learn(_ call: String, gas: UInt64, bytes: Int) -> Bool {
        let before = entries[call]
        var entry = before ?? Entry(gas: gas, bytes: UInt64(bytes))
        if gas >= entry.gas { entry = Entry(gas: gas, bytes: UInt64(bytes)) }
        entries[call] = entry
        return entry != before
    }

    /// A limit for a call with this many bytes of calldata; nil when it was never seen.
    func limit(_ call: String, bytes: Int, margin: Double, ceiling: UInt64) -> UInt64? {
        guard let entry = entries[call] else { return nil }
        let more = UInt64(bytes) > entry.bytes ? (UInt64(bytes) - entry.bytes) * Self.perByte : 0
        return Self.bounded(Double(entry.gas) * margin + Double(more), ceiling: ceiling)
    }

    static func bounded(_ gas: Double, ceiling: UInt64) -> UInt64 {
        gas >= Double(ceiling) ? ceiling : max(least, UInt64(gas))
    }
}
