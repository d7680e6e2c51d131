// SPDX-License-Identifier: GPL-3.0-or-later

/// One generic resource as Slurm prints it for a node or for a job on a node:
/// `gpu:tesla:2(IDX:0-1)`, `gpu:4(S:0-1)`, `gpu:a100:1(IDX:3),shard:2(0/4,2/4)`, `craynetwork:1`.
public struct GRES: Sendable, Hashable, Codable, CustomStringConvertible {
    public var name: String
    /// nil when the resource has no type.
    public var type: String?
    public var count: UInt64
    /// Device indices on the node (`IDX:`); nil when Slurm does not tell them.
    public var indices: [UInt32]?

    public init(name: String, type: String? = nil, count: UInt64, indices: [UInt32]? = nil) {
        self.name = name
        self.type = type
        self.count = count
        self.indices = indices
    }

    public var description: String {
        var text = name + (type.map { ":\($0)" } ?? "") + ":\(count)"
        if let indices { text += "(IDX:\(IndexRange.compress(indices)))" }
        return text
    }

    /// Reads a comma separated list; `(null)`, `N/A` and empty text are an empty list. Returns nil when any part
    /// cannot be read: half an answer would be a wrong one.
    public static func list(_ text: String) -> [GRES]? {
        if text.isEmpty || text == "(null)" || text == "N/A" { return [] }
        var result: [GRES] = []
        for part in splitOutsideParentheses(text) {
            guard let gres = one(part) else { return nil }
            result.append(gres)
        }
        return result
    }

    private static func splitOutsideParentheses(_ text: String) -> [Substring.UTF8View] {
        var parts: [Substring.UTF8View] = []
        let bytes = text[...].utf8
        var start = bytes.startIndex
        var depth = 0
        for index in bytes.indices {
            switch bytes[index] {
            case UInt8(ascii: "("): depth += 1
            case UInt8(ascii: ")"): depth -= 1
            case UInt8(ascii: ",") where depth == 0:
                parts.append(bytes[start..<index])
                start = bytes.index(after: index)
            default: break
            }
        }
        parts.append(bytes[start...])
        return parts
    }

    private static func isParenthesis(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "(") || byte == UInt8(ascii: ")")
    }

    private static func isNull(_ field: Substring.UTF8View) -> Bool { field.elementsEqual("(null)".utf8) }

    /// `name` or `name:type`, whose count stood elsewhere.
    private static func counted(_ head: Substring.UTF8View, _ count: UInt64) -> GRES? {
        let fields = head.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard (1...2).contains(fields.count), !fields.contains(where: \.isEmpty),
            fields.enumerated().allSatisfy({ $0 == 1 && isNull($1) || !$1.contains(where: isParenthesis) }),
            let name = String(fields[0])
        else { return nil }
        let type = fields.count == 2 && !isNull(fields[1]) ? String(fields[1]) : nil
        return GRES(name: name, type: type, count: count)
    }

    private static func one(_ text: Substring.UTF8View) -> GRES? {
        var head = text
        var indices: [UInt32]?
        // "gpu:(null):2" is an untyped one; its parentheses are no annotation.
        let typeless = text.count > 6 && text.dropFirst(text.count - 6).elementsEqual("(null)".utf8)
        if text.last == UInt8(ascii: ")"), !typeless, let open = text.lastIndex(of: UInt8(ascii: "(")) {
            head = text[..<open]
            let inner = text[text.index(after: open)...].dropLast()
            if inner.starts(with: "CNT:".utf8) {
                // A resource without device files, of a job: "craynetwork(CNT:1)", "bandwidth:lustre(CNT:4G)".
                guard let count = TRES.amount(inner.dropFirst(4), inMegabytes: false) else { return nil }
                return counted(head, count)
            }
            if inner.starts(with: "IDX:".utf8) {
                let range = inner.dropFirst(4)
                // "N/A" and "-1": the devices were not bound.
                if !(range.elementsEqual("N/A".utf8) || range.elementsEqual("-1".utf8) || range.isEmpty) {
                    guard let text = String(range), let list = IndexRange.expand(text) else { return nil }
                    indices = list
                }
            }
        }
        let fields = head.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard let first = fields.first, let name = String(first), !name.isEmpty,
            fields.enumerated().allSatisfy({ $0 == 1 && isNull($1) || !$1.contains(where: isParenthesis) })
        else { return nil }
        switch fields.count {
        case 1:
            return GRES(name: name, count: 1, indices: indices)
        case 2:
            if let count = TRES.amount(fields[1], inMegabytes: false) {
                return GRES(name: name, count: count, indices: indices)
            }
            // "gpu:tesla" alone: one device of that type.
            guard let type = String(fields[1]), !type.isEmpty else { return nil }
            return GRES(name: name, type: isNull(fields[1]) ? nil : type, count: 1, indices: indices)
        case 3:
            // "gpu:tesla:no_consume:2" has four fields and is refused below; "gpu:(null):2" is an untyped one.
            guard let count = TRES.amount(fields[2], inMegabytes: false), let type = String(fields[1]) else {
                return nil
            }
            return GRES(name: name, type: type.isEmpty || type == "(null)" ? nil : type, count: count, indices: indices)
        case 4 where fields[2].elementsEqual("no_consume".utf8):
            guard let count = TRES.amount(fields[3], inMegabytes: false), let type = String(fields[1]) else {
                return nil
            }
            return GRES(
                name: name, type: type.isEmpty || isNull(fields[1]) ? nil : type, count: count, indices: indices)
        default:
            return nil
        }
    }
}

/// Lists of small numbers as Slurm writes them: `0-3,8,10-11`.
public enum IndexRange {
    /// More than any node has cores or devices; keeps a broken answer from growing without bound.
    public static let limit: UInt32 = 1 << 16

    /// nil for anything that is no such list.
    public static func expand(_ text: String) -> [UInt32]? {
        var result: [UInt32] = []
        for part in text.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
            let ends = part.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
            guard (1...2).contains(ends.count), let first = number(ends[0]), let last = number(ends[ends.count - 1]),
                first <= last, last < limit
            else { return nil }
            result.append(contentsOf: first...last)
            guard result.count <= Int(limit) else { return nil }
        }
        return result
    }

    private static func number(_ digits: Substring.UTF8View) -> UInt32? {
        guard (1...9).contains(digits.count) else { return nil }
        var value: UInt32 = 0
        for byte in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            value = value * 10 + UInt32(byte - UInt8(ascii: "0"))
        }
        return value
    }

    /// Neighbours that count on are joined.
    public static func compress(_ numbers: [UInt32]) -> String {
        var parts: [String] = []
        var run: ClosedRange<UInt32>?
        func close() {
            if let run { parts.append(run.count == 1 ? "\(run.lowerBound)" : "\(run.lowerBound)-\(run.upperBound)") }
        }
        for number in numbers {
            if let current = run, current.upperBound < .max, number == current.upperBound + 1 {
                run = current.lowerBound...number
            } else {
                close()
                run = number...number
            }
        }
        close()
        return parts.joined(separator: ",")
    }
}
