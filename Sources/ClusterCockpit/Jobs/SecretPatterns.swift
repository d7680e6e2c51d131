// SPDX-License-Identifier: GPL-3.0-or-later

/// What a site does not want to leave the cluster: every part of a text that one of its patterns finds is removed.
///
/// The text is searched as a whole, so a match may go over lines; `^` and `$` match at each line. Each pattern sees the text
/// as it was, whatever another one removes of it.
public struct SecretPatterns: Sendable {
    /// Why a pattern cannot be used, and what to write instead.
    public struct Problem: Error, Sendable, Hashable, CustomStringConvertible {
        public let description: String
    }

    private let patterns: [String]

    /// - Throws: for a pattern that is not a regular expression, or finds the empty string.
    public init(_ patterns: [String]) throws(Problem) {
        for pattern in patterns { try Self.check(pattern) }
        self.patterns = patterns
    }

    public static let replacement = "[removed]"

    /// A pattern that finds the empty string may prefer it to the secret: then it removes nothing. What it finds is tried on
    /// every character by itself and on its own text; `redact` does not rely on it.
    private static func check(_ pattern: String) throws(Problem) {
        let regex: Regex<AnyRegexOutput>
        do {
            regex = try compile(pattern)
        } catch {
            throw Problem(description: "not a regular expression")
        }
        let characters = (0...127).map { String(UnicodeScalar($0)) }
        for probe in ["", pattern, characters.joined()] + characters
        where probe.matches(of: regex).contains(where: { $0.range.isEmpty }) {
            throw Problem(
                description: "finds the empty string, so it may leave a secret where it is: "
                    + "write what the secret begins with, as in token=\\S+, without ? or * around all of it")
        }
    }

    private static func compile(_ pattern: String) throws -> Regex<AnyRegexOutput> {
        try Regex(pattern).anchorsMatchLineEndings()
    }

    func redact(_ text: String) -> String {
        var secrets: [Range<String.Index>] = []
        for pattern in patterns {
            // Regex is not Sendable; a job's start is rare enough to make it again.
            guard let regex = try? Self.compile(pattern) else { return Self.replacement }
            for match in text.matches(of: regex) {
                // Nothing says how far this one would go: the whole line goes.
                secrets.append(match.range.isEmpty ? Self.line(match.range.lowerBound, in: text) : match.range)
            }
        }
        secrets.sort { $0.lowerBound < $1.lowerBound }
        var kept = ""
        var done = text.startIndex
        var isRemoving = false
        for secret in secrets {
            // What overlaps, or follows at once, is one.
            if secret.lowerBound > done || !isRemoving {
                kept += text[done..<secret.lowerBound]
                kept += Self.replacement
                isRemoving = true
            }
            done = max(done, secret.upperBound)
        }
        return kept + text[done...]
    }

    private static func line(_ index: String.Index, in text: String) -> Range<String.Index> {
        let start = text[..<index].lastIndex(where: \.isNewline).map(text.index(after:)) ?? text.startIndex
        return start..<(text[index...].firstIndex(where: \.isNewline) ?? text.endIndex)
    }
}
