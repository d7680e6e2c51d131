// SPDX-License-Identifier: GPL-3.0-or-later

extension ConfigurationReference {
    /// A file with every key, each of them commented out: it says the same as an empty one.
    package var example: String {
        var lines = [
            "# The configuration of slurm-grid-agent. Every key is here, commented out: with its default, or with an",
            "# example where the default is that there is none.",
            "#",
            "#   slurm-grid-agent check         tries it, and all that it names",
            "#   slurm-grid-agent config show   what is in force, and where it comes from",
            "#   systemctl reload slurm-grid-agent",
            "#                                  takes over what can change while it runs, and logs what needs a restart",
            "#",
        ]
        lines += Self.comment(Self.places)
        for section in schema.sections {
            lines += ["", "# --- \(section.title)"]
            if !section.introduction.isEmpty { lines += Self.comment(section.introduction) }
            for key in section.settable { lines += [""] + entry(key) }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func entry(_ key: ConfigurationKey) -> [String] {
        var text = key.summary
        let value = schema.defaultText(of: key) ?? ""
        text += " Value: \(key.allowed); default: \(value.isEmpty ? "none" : value)."
        if let variable = Self.variable(key) { text += " Environment: \(variable)." }
        if key.isReloadable { text += " SIGHUP takes it over." }
        return Self.comment(text) + ["#\(key.name): \(Self.scalar(key.example ?? value))"]
    }

    private static func comment(_ text: String) -> [String] {
        Self.wrapped(text.filter { $0 != "`" }, width: 98).map { "# " + $0 }
    }

    /// As a YAML scalar: in quotes unless nothing in it means anything there.
    static func scalar(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { byte in
            byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7a || byte >= 0x30 && byte <= 0x39
                || "/.-_=,:|#".utf8.contains(byte)
        }
        let first = text.utf8.first ?? 0
        let isSafe = first | 0x20 >= 0x61 && first | 0x20 <= 0x7a || first >= 0x30 && first <= 0x39 || first == 0x2f
        // A colon at the end would make it a key.
        guard isPlain, isSafe, !text.hasSuffix(":") else {
            return "\"" + text.flatMap { $0 == "\"" || $0 == "\\" ? ["\\", $0] : [$0] } + "\""
        }
        return text
    }
}
