// SPDX-License-Identifier: GPL-3.0-or-later

/// Keys that belong together in the documentation and in the report at start.
struct ConfigurationSection: Sendable {
    let title: String
    /// Before its keys; may be empty.
    let introduction: String
    let keys: [ConfigurationKey]

    static let all = [
        ConfigurationSection(title: "The agent and Slurm", introduction: "", keys: ConfigurationKey.agent),
        ConfigurationSection(
            title: "Health, metrics and the status page",
            introduction: "Served on a Unix socket, read-only; by TCP only when that is asked for.",
            keys: ConfigurationKey.admin),
        ConfigurationSection(
            title: "The chain", introduction: "Without `metascheduler.endpoint.rpc` there is no chain.",
            keys: ConfigurationKey.chain),
        ConfigurationSection(title: "The grid: its services", introduction: "", keys: ConfigurationKey.services),
        ConfigurationSection(
            title: "The grid: what this cluster offers", introduction: "", keys: ConfigurationKey.offer),
        ConfigurationSection(title: "The grid: whose jobs are taken", introduction: "", keys: ConfigurationKey.policy),
        ConfigurationSection(
            title: "The grid: what is reported of a job", introduction: "", keys: ConfigurationKey.billing),
        ConfigurationSection(
            title: "The JARVICE gateway",
            introduction:
                "Without `jarvice.listen` and `jarvice.listen-socket` there is none; jarvice.md has the names of today's "
                + "downstreams.",
            keys: ConfigurationKey.jarvice),
        ConfigurationSection(
            title: "Benchmarks",
            introduction: "This version runs no benchmark yet: these keys are checked and kept for the one that does.",
            keys: ConfigurationKey.benchmark),
    ]

    /// Those that can be set.
    var settable: [ConfigurationKey] { keys.filter { $0.form != .gone && $0.form != .secret } }
}
