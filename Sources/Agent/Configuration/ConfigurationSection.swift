// SPDX-License-Identifier: GPL-3.0-or-later

/// Keys that belong together in the documentation and in the report at start.
struct ConfigurationSection: Sendable {
    let title: String
    /// Before its keys; may be empty.
    let introduction: String
    let keys: [ConfigurationKey]

    static let all =
        [
            ConfigurationSection(title: "The agent and Slurm", introduction: "", keys: ConfigurationKey.agent),
            ConfigurationSection(
                title: "Health, metrics and the status page",
                introduction: "Served on a Unix socket, read-only; by TCP only when that is asked for.",
                keys: ConfigurationKey.admin),
        ] + Gateways.all.flatMap(\.configuration)

    /// Those that can be set.
    var settable: [ConfigurationKey] { keys.filter { $0.form != .gone && $0.form != .secret } }
}
