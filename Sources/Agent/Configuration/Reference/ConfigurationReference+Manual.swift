// SPDX-License-Identifier: GPL-3.0-or-later

extension ConfigurationReference {
    /// A section of a manual page, as man(7) has it.
    static var manual: String {
        var lines = [".SH CONFIGURATION", roff(places), ".SS \(roff("Kinds of values"))"]
        for kind in kinds { lines += [".TP", "\\fI\(roff(kind.name))\\fR", roff(kind.text) + "."] }
        for section in ConfigurationSection.all {
            lines.append(".SS \(roff(section.title))")
            if !section.introduction.isEmpty { lines.append(roff(section.introduction)) }
            for key in documented(section) { lines += entry(key) }
        }
        lines += [".SS \(roff(goneTitle))", roff(goneIntroduction)]
        for key in ConfigurationKey.gone {
            lines += [".TP", "\\fB\(roff(key.name))\\fR", roff(key.summary) + "."]
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func entry(_ key: ConfigurationKey) -> [String] {
        var sentences = [roff(key.summary)]
        if !key.allowed.isEmpty {
            let value = key.defaultText.map { text in
                "; default " + (isDefaultAValue(key) ? "\\fB\(roff(text))\\fR" : roff(text))
            }
            sentences.append("Value: \(roff(key.allowed))\(value ?? "").")
        }
        if let variable = variable(key) { sentences.append("Environment: \\fB\(roff(variable))\\fR.") }
        if key.isReloadable { sentences.append("SIGHUP takes it over.") }
        let placeholder = key.form == .secret ? "" : " \\fI\(roff(key.placeholder))\\fR"
        return [".TP", "\\fB\(roff(key.name))\\fR\(placeholder)"] + sentences
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
