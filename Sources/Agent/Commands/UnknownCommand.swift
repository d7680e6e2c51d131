// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import ArgumentParser
internal import Support

/// A word where a command belongs that is none, and the command that may have been meant.
struct UnknownCommand: Equatable {
    /// As they were typed: `grid jbos`.
    let path: [String]
    /// Whole: `grid jobs`. At most three.
    let suggestions: [String]

    /// nil: each word that must be a command is one.
    init?(_ words: [String], of root: any ParsableCommand.Type = SlurmGridAgent.self) {
        var node = root
        var path: [String] = []
        // `help` takes a command's path.
        for word in words.first == "help" ? words.dropFirst() : words[...] {
            let children = node.configuration.subcommands
            guard !children.isEmpty, !word.hasPrefix("-") else { return nil }
            path.append(word)
            if let next = children.first(where: { Self.names($0).contains(word) }) {
                node = next
                continue
            }
            // The parser has it of its own.
            if node == root, word == "help" { return nil }
            self.path = path
            suggestions = Self.suggestions(for: word, below: Array(path.dropLast()), children, root)
            return
        }
        return nil
    }

    var message: String {
        let names = suggestions.map { "\"\($0)\"" }
        let first = names.dropLast().joined(separator: ", ")
        let meant = names.last.map { "; did you mean \(first.isEmpty ? $0 : "\(first) or \($0)")?" }
        let group = path.dropLast().map { $0 + " " }.joined()
        return "there is no command \"\(PrintableText.of(path.joined(separator: " ")))\""
            + (meant ?? "; `slurm-grid-agent \(group)--help` lists all there are")
    }

    private static func names(_ command: any ParsableCommand.Type) -> [String] {
        [command._commandName] + command.configuration.aliases
    }

    private static func suggestions(
        for word: String, below path: [String], _ children: [any ParsableCommand.Type], _ root: any ParsableCommand.Type
    ) -> [String] {
        let here = children.map { $0._commandName }.sorted()
        func whole(_ names: [String]) -> [String] { names.map { (path + [$0]).joined(separator: " ") } }
        // In another group.
        let elsewhere = all(below: root, []).filter { $0.last == word }.map { $0.joined(separator: " ") }
        if !elsewhere.isEmpty { return Array(elsewhere.prefix(3)) }
        let begun = word.count >= 2 ? here.filter { $0.hasPrefix(word) } : []
        if !begun.isEmpty, begun.count <= 3 { return whole(begun) }
        // Two letters may be exchanged, or one be wrong.
        let limit = word.count <= 3 ? 1 : 2
        let distances = here.map { ($0, ConfigurationKey.editDistance(word, $0)) }.filter { $0.1 <= limit }
        let least = distances.map(\.1).min()
        let nearest = distances.filter { $0.1 == least }.map(\.0)
        return nearest.count <= 3 ? whole(nearest) : []
    }

    private static func all(below node: any ParsableCommand.Type, _ path: [String]) -> [[String]] {
        node.configuration.subcommands.filter { $0.configuration.shouldDisplay }.flatMap { child -> [[String]] in
            let own = path + [child._commandName]
            return [own] + all(below: child, own)
        }
    }
}
