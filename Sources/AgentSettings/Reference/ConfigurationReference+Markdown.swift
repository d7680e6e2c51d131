// SPDX-License-Identifier: GPL-3.0-or-later

extension ConfigurationReference {
    /// The middle of docs/configuration.md.
    package var markdown: String {
        var lines = ["## Kinds of values", "", "| kind | |", "|---|---|"]
        lines += Self.kinds.map { "| \($0.name) | \(Self.cell($0.text)) |" }
        for section in schema.sections {
            lines += ["", "## \(section.title)", ""]
            if !section.introduction.isEmpty { lines += [section.introduction, ""] }
            lines += table(Self.documented(section))
        }
        lines += ["", "## \(Self.goneTitle)", "", Self.goneIntroduction, ""]
        lines += ["| option | environment | because |", "|---|---|---|"]
        lines += ConfigurationKey.gone.map { key in
            "| `\(key.name)` | `\(key.supervisorVariable ?? key.variable)` | \(Self.cell(key.summary)) |"
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func table(_ keys: [ConfigurationKey]) -> [String] {
        let hasVariables = keys.contains { Self.variable($0) != nil }
        let columns = ["key"] + (hasVariables ? ["environment"] : []) + ["value", "default", ""]
        let rows = keys.map { key in
            let value = schema.defaultText(of: key).map { Self.isDefaultAValue(key) ? "`\($0)`" : $0 } ?? ""
            return ["`\(key.name)`"] + (hasVariables ? [Self.variable(key).map { "`\($0)`" } ?? ""] : [])
                + [key.allowed, value, key.summary + (key.isReloadable ? " *SIGHUP takes it over.*" : "")]
        }
        return ([columns, columns.map { _ in "---" }] + rows).map { row in
            "| " + row.map(Self.cell).joined(separator: " | ") + " |"
        }
    }

    /// A bar would end the cell.
    private static func cell(_ text: String) -> String {
        text.split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|")
    }
}
