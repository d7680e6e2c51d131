// SPDX-License-Identifier: GPL-3.0-or-later

/// What the path of an interactive job's page begins with: whoever knows it may use the page. The job knows it too, by its
/// environment; the ledger has it in the job's script.
struct JobSecret: Sendable, Hashable {
    static let variable = "JARVICE_JOB_SECRET"

    let text: String

    private static let length = 32
    private static var begin: String { "export \(variable)=" }

    init() {
        var generator = SystemRandomNumberGenerator()
        text = (0..<Self.length).map { _ in String(UInt8.random(in: 0..<16, using: &generator), radix: 16) }.joined()
    }

    /// Of a batch script that was made here: its second line, before anything that came from outside.
    init?(script: String) {
        let lines = script.split(separator: "\n", maxSplits: 2, omittingEmptySubsequences: false)
        guard lines.count > 1, lines[1].hasPrefix(Self.begin) else { return nil }
        let text = String(lines[1].dropFirst(Self.begin.count))
        guard text.utf8.count == Self.length, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { return nil }
        self.text = text
    }

    var line: String { Self.begin + text }

    /// Takes as long whatever is wrong.
    func equals(_ given: String) -> Bool {
        guard given.utf8.count == text.utf8.count else { return false }
        return zip(given.utf8, text.utf8).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
