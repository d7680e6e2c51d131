// SPDX-License-Identifier: GPL-3.0-or-later

/// Job numbers as scancel and squeue take them: `12`, `12_3`, `12_[1,4-6]`, `12_*`, `12+1`, and lists of them with commas.
public struct JobIDList: Sendable, Hashable {
    /// In the order given, each once.
    public var ids: [JobID]

    /// More than any command should ask for one by one; the array's own number means all of its tasks.
    public static let limit = 10_000

    /// - Throws: `invalidRequest` with the forms that there are.
    public init(_ text: some StringProtocol) throws(SlurmError) {
        ids = []
        var known: Set<JobID> = []
        for part in Self.parts(text) {
            for id in try Self.expand(part) where known.insert(id).inserted { ids.append(id) }
            if ids.count > Self.limit {
                throw .invalid("job", "more than \(Self.limit) tasks: the number of an array means all of its tasks")
            }
        }
    }

    /// Split at the commas that are in no brackets.
    private static func parts(_ text: some StringProtocol) -> [String] {
        var parts = [""]
        var depth = 0
        for character in text {
            switch character {
            case "[": depth += 1
            case "]": depth -= 1
            case "," where depth == 0:
                parts.append("")
                continue
            default: break
            }
            parts[parts.count - 1].append(character)
        }
        return parts
    }

    private static func expand(_ text: String) throws(SlurmError) -> [JobID] {
        if let id = JobID(text) { return [id] }
        if let separator = text.firstIndex(of: "_"), let array = JobID(text[..<separator]) {
            let tasks = text[text.index(after: separator)...]
            if tasks == "*" { return [array] }
            if tasks.hasPrefix("["), tasks.hasSuffix("]"), let numbers = Self.numbers(tasks.dropFirst().dropLast()) {
                return numbers.map { JobID(array.number, .arrayTask($0)) }
            }
        }
        if let dot = text.firstIndex(of: "."), JobID(text[..<dot]) != nil {
            throw .invalid("job", "\"\(text)\" names a step: only whole jobs and tasks are taken; scancel takes steps")
        }
        throw .invalid(
            "job",
            "\"\(text)\" is no job number: 12, 12_3 (a task), 12_[1,4-6] (tasks), 12_* (all tasks), 12+1 (a component), with commas"
        )
    }

    /// `1,4-6`. nil for anything else, and for more than the limit.
    private static func numbers(_ text: Substring) -> [UInt32]? {
        var numbers: [UInt32] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { end in
                end.utf8.allSatisfy { (0x30...0x39).contains($0) } ? UInt32(end) : nil
            }
            guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1], first <= last,
                last < JobID.reserved, Int(last - first) < limit, numbers.count + Int(last - first) < limit
            else { return nil }
            numbers += first...last
        }
        return numbers
    }
}
