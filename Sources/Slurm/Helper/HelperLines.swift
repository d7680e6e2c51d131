// SPDX-License-Identifier: GPL-3.0-or-later

/// Cuts what a helper writes into lines, at line feeds alone: a JSON text may hold every other character that ends a line
/// somewhere, as U+2028 in the name that a user gave to a job. No I/O.
struct HelperLines {
    struct TooLong: Error, CustomStringConvertible {
        var limit: Int
        var description: String { "a line has more than \(limit) bytes" }
    }

    /// Of a line without its end, bytes. slurmdbd keeps texts of 64 KiB, each byte of which may take six in JSON, and an array's
    /// records are told in one line.
    static let limit = 8 << 20

    private static let end = UInt8(ascii: "\n")
    private let limit: Int
    private var pending: [UInt8] = []

    init(limit: Int = HelperLines.limit) {
        self.limit = limit
    }

    /// - Returns: the lines that end here.
    mutating func take(_ bytes: [UInt8]) throws(TooLong) -> [String] {
        var lines: [String] = []
        var rest = bytes[...]
        while let end = rest.firstIndex(of: Self.end) {
            lines.append(String(decoding: pending + rest[..<end], as: UTF8.self))
            pending.removeAll(keepingCapacity: true)
            rest = rest[(end + 1)...]
        }
        pending += rest
        guard pending.count <= limit else { throw TooLong(limit: limit) }
        return lines
    }

    /// A last line that has no end.
    mutating func last() -> String? {
        defer { pending = [] }
        return pending.isEmpty ? nil : String(decoding: pending, as: UTF8.self)
    }
}
