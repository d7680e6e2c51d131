// SPDX-License-Identifier: GPL-3.0-or-later

/// Keys that belong together in the documentation and in the report at start.
package struct ConfigurationSection: Sendable {
    package let title: String
    /// Before its keys; may be empty.
    package let introduction: String
    package let keys: [ConfigurationKey]

    package init(title: String, introduction: String, keys: [ConfigurationKey]) {
        (self.title, self.introduction, self.keys) = (title, introduction, keys)
    }

    /// The agent's own.
    static let own = [
        ConfigurationSection(title: "The agent and Slurm", introduction: "", keys: ConfigurationKey.agent),
        ConfigurationSection(
            title: "Health, metrics and the status page",
            introduction: "Served on a Unix socket, read-only; by TCP only when that is asked for.",
            keys: ConfigurationKey.admin),
    ]

    /// Those that can be set.
    var settable: [ConfigurationKey] { keys.filter(\.isSettable) }
}
