// SPDX-License-Identifier: GPL-3.0-or-later

extension ConfigurationReference {
    /// The middle of docs/configuration.md.
    static var markdown: String {
        var lines = ["## Kinds of values", "", "| kind | |", "|---|---|"]
        lines += kinds.map { "| \($0.name) | \(cell($0.text)) |" }
        for section in ConfigurationSection.all {
            lines += ["", "## \(section.title)", ""]
            if !section.introduction.isEmpty { lines += [section.introduction, ""] }
            lines += table(documented(section))
        }
        lines += ["", "## \(goneTitle)", "", goneIntroduction, ""]
        lines += ["| option | environment | because |", "|---|---|---|"]
        lines += ConfigurationKey.gone.map { key in
            "| `\(key.name)` | `\(key.supervisorVariable ?? key.variable)` | \(cell(key.summary)) |"
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func table(_ keys: [ConfigurationKey]) -> [String] {
        let hasVariables = keys.contains { variable($0) != nil }
        let columns = ["key"] + (hasVariables ? ["environment"] : []) + ["value", "default", ""]
        let rows = keys.map { key in
            let value = key.defaultText.map { isDefaultAValue(key) ? "`\($0)`" : $0 } ?? ""
            return ["`\(key.name)`"] + (hasVariables ? [variable(key).map { "`\($0)`" } ?? ""] : [])
                + [key.allowed, value, key.summary + (key.isReloadable ? " *SIGHUP takes it over.*" : "")]
        }
        return ([columns, columns.map { _ in "---" }] + rows).map { row in
            "| " + row.map(cell).joined(separator: " | ") + " |"
        }
    }

    /// A bar would end the cell.
    private static func cell(_ text: String) -> String {
        text.split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|")
    }
}
