// SPDX-License-Identifier: GPL-3.0-or-later

/// The token in a job's admin comment by which it is known as an order's: `sga:`, the ledger's number of the order, and 16
/// random hexadecimal digits.
public enum OrderTag {
    static let prefix = "sga:"
    private static let digits = 16

    static func make(_ ledgerJob: Int64) -> String {
        // Random, so that a ledger made again never mistakes an old job for one of its own.
        let random = (0..<digits).map { _ in String(UInt8.random(in: 0...15), radix: 16) }.joined()
        return "\(prefix)\(ledgerJob)-\(random)"
    }

    /// All tags in a text. A tag's length is known, so it does not matter what a job_submit plugin has put before and after
    /// it: a comma, a blank, or nothing at all.
    public static func all(in text: String?) -> [String] {
        guard let text else { return [] }
        let bytes = Array(text.utf8)
        let prefix = Array(Self.prefix.utf8)
        var found: [String] = []
        var place = 0
        while place + prefix.count < bytes.count {
            guard bytes[place...].starts(with: prefix) else {
                place += 1
                continue
            }
            var end = place + prefix.count
            while end < bytes.count, isDecimal(bytes[end]) { end += 1 }
            let random = end + 1
            if end > place + prefix.count, random + digits <= bytes.count, bytes[end] == UInt8(ascii: "-"),
                bytes[random..<random + digits].allSatisfy(isHexadecimal)
            {
                found.append(String(decoding: bytes[place..<random + digits], as: UTF8.self))
                place = random + digits
            } else {
                place += prefix.count
            }
        }
        return found
    }

    /// Beside the tag of a job that the agent has released, and set by the same change: a job that is held and bears the tag
    /// alone was never released, or slurmctld has lost it. One that is held and bears both is held by somebody else.
    static let released = "sga-released"

    static func saysReleased(_ adminComment: String?) -> Bool { adminComment?.contains(released) ?? false }

    /// What the admin comment of a job is to be when it is released.
    static func released(_ tag: String, _ adminComment: String?) -> String {
        let comment =
            all(in: adminComment).contains(tag)
            ? adminComment : [adminComment, tag].compactMap { $0 }.joined(separator: ",")
        return saysReleased(comment) ? comment ?? "" : "\(comment ?? tag),\(released)"
    }

    /// The second mark: a number made of the tag, for the session number (`AllocSID`) of the submission, which nobody changes
    /// later. Above every process number that Linux gives (2^22), so that no session is taken for it.
    public static func session(of tag: String) -> UInt32 {
        // FNV-1a.
        var hash: UInt32 = 0x811c_9dc5
        for byte in tag.utf8 { hash = (hash ^ UInt32(byte)) &* 0x0100_0193 }
        return firstSession + hash % (0x7fff_ffff - firstSession)
    }

    private static let firstSession: UInt32 = 1 << 22

    /// Whether a session number may be such a mark.
    public static func isSession(_ number: UInt32) -> Bool { number >= firstSession && number < 0x7fff_ffff }

    private static func isDecimal(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        isDecimal(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
    }
}
