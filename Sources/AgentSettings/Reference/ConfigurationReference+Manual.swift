// SPDX-License-Identifier: GPL-3.0-or-later

extension ConfigurationReference {
    /// A section of a manual page, as man(7) has it.
    package var manual: String {
        var lines = [".SH CONFIGURATION", Self.roff(Self.places), ".SS \(Self.roff("Kinds of values"))"]
        for kind in Self.kinds { lines += [".TP", "\\fI\(Self.roff(kind.name))\\fR", Self.roff(kind.text) + "."] }
        for section in schema.sections {
            lines.append(".SS \(Self.roff(section.title))")
            if !section.introduction.isEmpty { lines.append(Self.roff(section.introduction)) }
            for key in Self.documented(section) { lines += entry(key) }
        }
        lines += [".SS \(Self.roff(Self.goneTitle))", Self.roff(Self.goneIntroduction)]
        for key in ConfigurationKey.gone {
            lines += [".TP", "\\fB\(Self.roff(key.name))\\fR", Self.roff(key.summary) + "."]
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func entry(_ key: ConfigurationKey) -> [String] {
        var sentences = [Self.roff(key.summary)]
        if !key.allowed.isEmpty {
            let value = schema.defaultText(of: key).map { text in
                "; default " + (Self.isDefaultAValue(key) ? "\\fB\(Self.roff(text))\\fR" : Self.roff(text))
            }
            sentences.append("Value: \(Self.roff(key.allowed))\(value ?? "").")
        }
        if let variable = Self.variable(key) { sentences.append("Environment: \\fB\(Self.roff(variable))\\fR.") }
        if key.isReloadable { sentences.append("SIGHUP takes it over.") }
        let placeholder = key.form == .secret ? "" : " \\fI\(Self.roff(key.placeholder))\\fR"
        return [".TP", "\\fB\(Self.roff(key.name))\\fR\(placeholder)"] + sentences
    }

    /// Text in which nothing is a request or an escape; what is between backquotes in bold.
    private static func roff(_ text: String) -> String {
        var result = ""
        var isBold = false
        for character in text {
            switch character {
            case "\\": result += "\\e"
            case "-": result += "\\-"
            case "'": result += "\\(aq"
            case "…": result += "..."
            case "`":
                isBold.toggle()
                result += isBold ? "\\fB" : "\\fR"
            default: result.append(character)
            }
        }
        return result.hasPrefix(".") ? "\\&" + result : result
    }
}
