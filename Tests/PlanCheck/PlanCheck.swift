// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
public import GRDB
import NIOConcurrencyHelpers

/// Collects the statements that a store runs, and says which of them look at every row of a table.
public final class PlanCheck: Sendable {
    private let statements = NIOLockedValueBox<Set<String>>([])

    public init() {}

    public var collect: @Sendable (String) -> Void {
        { [statements] sql in statements.withLockedValue { _ = $0.insert(Self.plain(sql)) } }
    }

    public var all: Set<String> { statements.withLockedValue { $0 } }

    /// What a trigger runs comes as a comment, so does a statement that reads all on purpose.
    private static func isChecked(_ sql: String) -> Bool {
        let first = sql.split(separator: " ", maxSplits: 1).first.map { $0.uppercased() } ?? ""
        return ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"].contains(first)
    }

    /// Without line ends and repeated blanks.
    public static func plain(_ sql: String) -> String {
        sql.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }

    /// - Parameters:
    ///   - database: with the tables of the store, empty: a plan depends on the indexes alone.
    ///   - small: tables, and indexes of what is open, that may be read from end to end.
    /// - Returns: each statement that scans, with the line of its plan.
    public func scans(_ database: Database, small: Set<String>) throws -> [String] {
        try all.filter(Self.isChecked).sorted().flatMap { sql -> [String] in
            let statement = try database.makeStatement(sql: "EXPLAIN QUERY PLAN " + sql)
            // Whatever the arguments are, the plan is the same.
            statement.setUncheckedArguments(StatementArguments())
            let lines = try Row.fetchAll(statement).map { $0["detail"] as String }
            // Results of subqueries, which are as long as these are.
            let results = Set(lines.flatMap { Self.words($0, after: ["CO-ROUTINE", "MATERIALIZE"]) })
            return lines.filter { line in
                guard line.hasPrefix("SCAN ") else { return false }
                let words = line.split(separator: " ").map(String.init)
                guard words.count > 1, words[1] != "CONSTANT", !words[1].hasPrefix("("), !results.contains(words[1])
                else { return false }
                let index = words.firstIndex(of: "INDEX").flatMap { $0 + 1 < words.count ? words[$0 + 1] : nil }
                return !small.contains(words[1]) && !(index.map(small.contains) ?? false)
            }.map { "\($0): \(sql)" }
        }
    }

    private static func words(_ line: String, after heads: Set<String>) -> [String] {
        let words = line.split(separator: " ").map(String.init)
        return words.count > 1 && heads.contains(words[0]) ? [words[1]] : []
    }

    /// The statements in a folder's sources (but for the schema's), of which none was run. One that is put together is held by its beginning.
    public func unrun(inSourcesAt folder: String) throws -> [String] {
        let ran = all
        let files = try FileManager.default.contentsOfDirectory(atPath: folder).filter {
            $0.hasSuffix(".swift") && !$0.contains("Schema")
        }
        return try files.sorted().flatMap { file -> [String] in
            let source = try String(contentsOfFile: folder + "/" + file, encoding: .utf8)
            return Self.literals(source).filter { literal in !ran.contains { $0.contains(literal) } }
                .map { "\(file): \($0)" }
        }
    }

    /// The text literals that begin as a statement does, up to what is put in.
    static func literals(_ source: String) -> [String] {
        var found: [String] = []
        for match in source.matches(of: #/"""\s*\n(?<long>.*?)"""|"(?<short>[^"\n]*)"/#.dotMatchesNewlines()) {
            let text = String(match.output.long ?? match.output.short ?? "")
            for statement in text.components(separatedBy: "\\(")[0].split(separator: ";") {
                let plain = plain(String(statement))
                if plain.wholeMatch(of: #/(SELECT|INSERT|UPDATE|DELETE) .{8,}/#) != nil { found.append(plain) }
            }
        }
        return found
    }

    /// Columns that refer to another table without an index that begins with them: deleting there would scan here.
    public static func referencesWithoutIndex(_ database: Database) throws -> [String] {
        let tables = try String.fetchAll(database, sql: "SELECT name FROM sqlite_master WHERE type = 'table'")
        return try tables.flatMap { table -> [String] in
            let columns = try Row.fetchAll(database, sql: "PRAGMA foreign_key_list('\(table)')").map {
                $0["from"] as String
            }
            let indexes = try Row.fetchAll(database, sql: "PRAGMA index_list('\(table)')").filter {
                $0["partial"] as Int == 0
            }
            let leading = try indexes.compactMap { index in
                try Row.fetchAll(database, sql: "PRAGMA index_info('\(index["name"] as String)')").first?["name"]
                    as String?
            }
            return columns.filter { !leading.contains($0) }.map { "\(table).\($0)" }
        }
    }
}
