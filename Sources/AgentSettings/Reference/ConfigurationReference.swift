// SPDX-License-Identifier: GPL-3.0-or-later

/// The documentation of every key, made of the table that reads them.
package struct ConfigurationReference {
    let schema: ConfigurationSchema

    package init(_ schema: ConfigurationSchema) {
        self.schema = schema
    }

    /// How each kind of value is written.
    static let kinds: [(name: String, text: String)] = [
        (
            "boolean",
            "`true`, `t`, `1`, `yes`, `on`; `false`, `f`, `0`, `no`, `off`. A flag alone is true: `--trace`, `--trace=false`; "
                + "it takes no value from the next word"
        ),
        ("duration", "`500ms`, `5s`, `1h30m`, `24h0m0s`, `1.5h`, `30d`"),
        ("wei", "digits, up to 2²⁵⁶−1"),
        ("address", "40 hexadecimal digits, with or without `0x`; in mixed case the checksum must be right"),
        (
            "list",
            "with commas, as a YAML list, or by repeating the flag; list entries in YAML may have commas of their own"
        ),
        ("pairs", "a list of `NAME=VALUE` (the value may have `=`); also a YAML mapping"),
    ]

    static let goneTitle = "Options of the DeepSquare supervisor that are gone"
    static let goneIntroduction = "They are taken, with a line in the log that says so."

    static let places =
        "The file, an environment variable or a flag sets a key; the later one wins. `bridge.socket` is the variable "
        + "`SLURM_GRID_AGENT_BRIDGE_SOCKET` and the flag `--bridge.socket`; what is named as environment below works too."

    /// The variable of the supervisor, which for the key itself is the only one.
    static func variable(_ key: ConfigurationKey) -> String? {
        key.supervisorVariable ?? key.secret?.variable
    }

    /// Whether the default is a value that can be written down; otherwise it is a word such as `off`.
    static func isDefaultAValue(_ key: ConfigurationKey) -> Bool { key.example == nil }

    /// Those that a reader should know of.
    static func documented(_ section: ConfigurationSection) -> [ConfigurationKey] {
        section.keys.filter { $0.form != .gone && !$0.summary.isEmpty }
    }

    /// Lines of at most so many characters, broken at spaces.
    static func wrapped(_ text: String, width: Int) -> [String] {
        var lines: [String] = []
        for word in text.split(separator: " ") {
            if let last = lines.last, last.count + 1 + word.count <= width {
                lines[lines.count - 1] = last + " " + word
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }
}
