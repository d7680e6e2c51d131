// SPDX-License-Identifier: GPL-3.0-or-later

/// How far a program is, by its own word. A job prints, or posts:
///
///     @sga progress TOKEN NAME PERCENT
public struct PartProgress: Sendable, Hashable, Codable {
    /// The result that it is at work on, as `hpcc` or `scratch.fio`.
    public var name: String
    /// 0 to 100
    public var percent: Int

    public init(name: String, percent: Int) {
        self.name = name
        self.percent = percent
    }

    /// The newest one in what a job printed.
    static func last(in text: String, token: String) -> PartProgress? {
        var found: PartProgress?
        for line in OutputLines(text) where line.hasPrefix(ResultBlocks.mark + "progress ") {
            let words = line.dropFirst(ResultBlocks.mark.count).words
            guard words.count == 4, words[1] == token, let percent = Int(words[3]), (0...100).contains(percent),
                ResultBlocks.isName(String(words[2]))
            else { continue }
            found = PartProgress(name: String(words[2]), percent: percent)
        }
        return found
    }
}
