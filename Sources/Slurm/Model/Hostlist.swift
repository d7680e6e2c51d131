// SPDX-License-Identifier: GPL-3.0-or-later

/// Lists of host names in Slurm's bracket notation: `n[1-3,07-09]-ib,login`.
///
/// Own code rather than libslurm's hostlist functions: those print to stderr, and a list may come from outside.
/// The tests compare both on thousands of lists.
public enum Hostlist {
    /// More names than this are refused (libslurm's own bound on one range is the same).
    public static let limit = 65_536

    /// Bytes of one name: no host name is longer (RFC 1035). Bounds the work on a hostile list, together with the
    /// number of bracket groups in one element.
    private static let nameLimit = 255
    private static let groupLimit = 8

    /// Every name in order, duplicates kept. nil when the text is no host list or names too many hosts.
    ///
    /// Numbers keep the width they are written with: `n[07-11]` is n07, n08, … n11.
    public static func expand(_ text: String) -> [String]? {
        var names: [String] = []
        for part in splitOutsideBrackets(text[...].utf8) {
            guard let part else { return nil }
            if part.isEmpty { continue }
            guard let more = expandOne(part), names.count + more.count <= limit else { return nil }
            names += more
        }
        return names
    }

    /// The names in bracket notation, in the given order: neighbours that count on are joined.
    public static func compress(_ names: some Sequence<String>) -> String {
        var groups: [(prefix: Substring, ranges: [Range])] = []
        for name in names {
            let (prefix, digits) = splitTrailingDigits(name)
            guard let number = UInt64(digits), !digits.isEmpty else {
                groups.append((name[...], []))
                continue
            }
            let width = digits.utf8.count
            if let last = groups.last, last.prefix == prefix, !last.ranges.isEmpty {
                let index = groups.count - 1
                if var range = last.ranges.last, range.last < .max, number == range.last + 1,
                    padded(number, range.width) == digits
                {
                    range.last = number
                    groups[index].ranges[last.ranges.count - 1] = range
                } else {
                    groups[index].ranges.append(Range(first: number, last: number, width: width))
                }
            } else {
                groups.append((prefix, [Range(first: number, last: number, width: width)]))
            }
        }
        return groups.map { prefix, ranges in
            switch ranges.count {
            case 0: String(prefix)
            case 1 where ranges[0].first == ranges[0].last: prefix + ranges[0].text
            default: prefix + "[" + ranges.map(\.text).joined(separator: ",") + "]"
            }
        }.joined(separator: ",")
    }

    private struct Range {
        var first: UInt64
        var last: UInt64
        var width: Int

        var text: String {
            first == last ? padded(first, width) : "\(padded(first, width))-\(padded(last, width))"
        }
    }

    private static func padded(_ number: UInt64, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }

    private static func splitTrailingDigits(_ name: String) -> (prefix: Substring, digits: Substring) {
        var start = name.endIndex
        while start > name.startIndex {
            let before = name.utf8.index(before: start)
            // 18 digits always fit into 64 bits.
            guard isDigit(name.utf8[before]), name.utf8.distance(from: start, to: name.endIndex) < 18 else { break }
            start = before
        }
        return (name[..<start], name[start...])
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    /// nil as an element marks unbalanced or nested brackets.
    private static func splitOutsideBrackets(_ bytes: Substring.UTF8View) -> [Substring.UTF8View?] {
        var parts: [Substring.UTF8View?] = []
        var start = bytes.startIndex
        var inside = false
        for index in bytes.indices {
            switch bytes[index] {
            case UInt8(ascii: "["):
                if inside { return [nil] }
                inside = true
            case UInt8(ascii: "]"):
                if !inside { return [nil] }
                inside = false
            case UInt8(ascii: ",") where !inside:
                parts.append(bytes[start..<index])
                start = bytes.index(after: index)
            default: break
            }
        }
        if inside { return [nil] }
        parts.append(bytes[start...])
        return parts
    }

    /// One element without commas outside brackets: alternating literals and bracket groups.
    private static func expandOne(_ text: Substring.UTF8View) -> [String]? {
        var names = [""]
        var rest = text
        var (length, groups) = (0, 0)
        while !rest.isEmpty {
            guard let open = rest.firstIndex(of: UInt8(ascii: "[")) else {
                guard length + rest.count <= nameLimit, let literal = String(rest) else { return nil }
                return names.map { $0 + literal }
            }
            guard let close = rest.firstIndex(of: UInt8(ascii: "]")), open < close,
                let literal = String(rest[..<open]),
                let values = numbers(rest[rest.index(after: open)..<close]),
                names.count * values.count <= limit
            else { return nil }
            length += literal.utf8.count + (values.map(\.utf8.count).max() ?? 0)
            groups += 1
            guard length <= nameLimit, groups <= groupLimit else { return nil }
            names = names.flatMap { name in values.map { name + literal + $0 } }
            rest = rest[rest.index(after: close)...]
        }
        return names
    }

    /// `1-3,07-09` as texts with their widths.
    private static func numbers(_ text: Substring.UTF8View) -> [String]? {
        var result: [String] = []
        for part in text.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
            let ends = part.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
            guard (1...2).contains(ends.count), let first = number(ends[0]), let last = number(ends[ends.count - 1]),
                first <= last, last - first < UInt64(limit), result.count + Int(last - first) < limit
            else { return nil }
            let width = ends[0].count
            result += (first...last).map { padded($0, width) }
        }
        return result
    }

    private static func number(_ digits: Substring.UTF8View) -> UInt64? {
        guard (1...18).contains(digits.count), digits.allSatisfy(isDigit) else { return nil }
        return digits.reduce(0) { $0 * 10 + UInt64($1 - UInt8(ascii: "0")) }
    }
}
