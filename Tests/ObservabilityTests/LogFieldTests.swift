// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@testable import Observability

/// docs/logs.md names every field that a line of ours may have: one name for one thing.
@Suite struct LogFieldTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// By field: the files that use it.
    private static func used() throws -> [String: Set<String>] {
        var used: [String: Set<String>] = [:]
        let files = FileManager.default.enumerator(
            at: root.appendingPathComponent("Sources"), includingPropertiesForKeys: nil)
        for case let file as URL in files ?? .init() where file.pathExtension == "swift" {
            for field in fields(in: try String(contentsOf: file, encoding: .utf8)) {
                used[field, default: []].insert(file.lastPathComponent)
            }
        }
        return used
    }

    /// The names in what is handed over as `metadata:`, or made as `Logger.Metadata`.
    static func fields(in source: String) -> Set<String> {
        guard source.contains("import Logging") else { return [] }
        var fields: Set<String> = []
        for place in source.matches(of: /metadata: |Logger\.Metadata = |-> Logger\.Metadata {/) {
            var depth = place.output.hasSuffix("{") ? 1 : 0
            let rest = source[place.range.upperBound...]
            let end = rest.firstIndex { letter in
                if "([{".contains(letter) { depth += 1 }
                if ")]}".contains(letter) { depth -= 1 }
                return depth < 0 || (depth == 0 && (letter == "\n" || letter == "}"))
            }
            for name in rest[..<(end ?? rest.endIndex)].matches(of: /"([A-Za-z0-9_.-]+)":/) {
                fields.insert(String(name.1))
            }
        }
        if source.contains("Logger.Metadata") {
            for name in source.matches(of: /\w\["([A-Za-z0-9_.-]+)"\] = "/) { fields.insert(String(name.1)) }
        }
        return fields
    }

    private static func documented() throws -> Set<String> {
        let page = try String(contentsOf: root.appendingPathComponent("docs/logs.md"), encoding: .utf8)
        var fields: Set<String> = []
        for title in ["## Ids\n", "## Other fields\n"] {
            let start = try #require(page.range(of: title)).upperBound
            for row in page[start...].prefix(while: { $0 != "#" }).split(separator: "\n") where row.hasPrefix("| `") {
                let names = row.dropFirst(2).prefix { $0 != "|" }
                for name in names.matches(of: /`([^`]+)`/) { fields.insert(String(name.1)) }
            }
        }
        return fields
    }

    @Test func everyFieldIsDocumented() throws {
        let documented = try Self.documented()
        let used = try Self.used()
        #expect(used.count > 30 && Set(used.values.flatMap { $0 }).count > 15, "the search finds too little")
        for (field, files) in used.sorted(by: { $0.key < $1.key }) {
            #expect(documented.contains(field), "\(field) in \(files.sorted().joined(separator: ", "))")
        }
        // Those are the line's own.
        for field in documented.subtracting(LogLine.reserved) where used[field] == nil {
            Issue.record("docs/logs.md has \(field), which no line has")
        }
        #expect(LogLine.reserved.isDisjoint(with: used.keys))
    }

    @Test(
        "the search finds them",
        arguments: [
            ("logger.info(\"a\", metadata: [\"b\": \"\\(c)\", \"d\": \"e: f\"])\nx(\"g\": 1)", ["b", "d"]),
            ("logger.info(\n\"a\",\nmetadata: ids(\nkey,\n[\n\"b\": \"\\(c ? \"x\" : \"y\")\"\n]))", ["b"]),
            ("let words: Logger.Metadata = [\"a\": \"b\"]\nwords[\"c\"] = \"d\"\nlet z = [\"e\": 1]", ["a", "c"]),
            ("func ids() -> Logger.Metadata {\n[\"a\": \"b\"]\n}\nlet z = [\"e\": 1]", ["a"]),
        ] as [(String, Set<String>)])
    func search(_ source: String, _ found: Set<String>) {
        #expect(Self.fields(in: "import Logging\n" + source) == found)
        #expect(Self.fields(in: source).isEmpty)
    }
}
