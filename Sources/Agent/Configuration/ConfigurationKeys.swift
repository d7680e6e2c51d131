// SPDX-License-Identifier: GPL-3.0-or-later

extension ConfigurationKey {
    /// Every key, in the order of the documentation and of the report at start.
    static let all: [ConfigurationKey] = agent + chain + grid + benchmark + gone

    private static let byName: [String: ConfigurationKey] = Dictionary(
        uniqueKeysWithValues: all.flatMap { key in ([key.name] + key.aliases).map { ($0, key) } })

    static func named(_ name: String) -> ConfigurationKey? { byName[name] }

    /// Whether longer keys begin with this one.
    static func isPrefix(_ name: String) -> Bool { byName.keys.contains { $0.hasPrefix(name + ".") } }

    private static let agent: [ConfigurationKey] = [
        ConfigurationKey("slurm.conf", \.slurmConf, .optional(.path, else: "libslurm's default")),
        ConfigurationKey("state-folder", \.stateFolder, .path),
        ConfigurationKey("bridge.socket", \.bridgeSocket, .path),
        ConfigurationKey("bridge.mode", \.bridgeMode, .mode),
        ConfigurationKey("bridge.listen", \.bridgeListen, .optional(.listenAddress)),
        ConfigurationKey("bridge.munge-socket", \.mungeSocket, .optional(.path, else: "libmunge's default")),
        ConfigurationKey("control.socket", \.controlSocket, .path),
        ConfigurationKey("poll-interval", \.pollInterval, .duration(.milliseconds(100), .seconds(3600))),
        ConfigurationKey("sweep-interval", \.sweepInterval, .duration(.seconds(1), .days(1))),
        ConfigurationKey("accounting-interval", \.accountingInterval, .duration(.seconds(1), .days(1))),
        ConfigurationKey("vanish-after", \.vanishAfter, .duration(.seconds(1), .days(7))),
        ConfigurationKey("retention", \.retention, .duration(.seconds(3600), .days(3650))),
        ConfigurationKey("journal.file", \.journalFile, .optional(.path)),
        ConfigurationKey("log-level", \.logLevel, .logLevel),
        ConfigurationKey(trace: "trace", supervisor: "TRACE"),
    ]

    private static let noCommands = "the agent talks to Slurm through libslurm, not through its commands"
    private static let noShell = "the agent runs on the slurmctld host and needs no ssh"

    private static let gone: [ConfigurationKey] = [
        ConfigurationKey(
            gone: "nvidia-smi", supervisor: "NVIDIA_SMI_PATH", because: "Slurm says which GPUs there are (GRES)"),
        ConfigurationKey(gone: "slurm.batch", supervisor: "SLURM_SBATCH_PATH", because: noCommands),
        ConfigurationKey(gone: "slurm.cancel", supervisor: "SLURM_SCANCEL_PATH", because: noCommands),
        ConfigurationKey(gone: "slurm.control", supervisor: "SLURM_SCONTROL_PATH", because: noCommands),
        ConfigurationKey(gone: "slurm.info", supervisor: "SLURM_SINFO_PATH", because: noCommands),
        ConfigurationKey(gone: "slurm.squeue", supervisor: "SLURM_SQUEUE_PATH", because: noCommands),
        ConfigurationKey(gone: "slurm.ssh.address", supervisor: "SLURM_SSH_ADDRESS", because: noShell),
        ConfigurationKey(gone: "slurm.ssh.admin-user", supervisor: "SLURM_SSH_ADMIN_USER", because: noShell),
        ConfigurationKey(
            gone: "slurm.ssh.private-key", supervisor: "SLURM_SSH_PRIVATE_KEY",
            because: noShell + "; remove that key from where it is"),
    ]

    /// Completes a message about a name that is no key.
    static func suggestion(for name: String) -> String {
        let candidates = all.filter { $0.form != .secret }.map { key in
            (key.name, key.name.hasSuffix("." + name) ? 1 : editDistance(name, key.name))
        }
        guard let (nearest, distance) = candidates.min(by: { $0.1 < $1.1 }),
            distance <= min(3, max(1, name.count / 3))
        else { return "; `slurm-grid-agent run --help` lists all keys" }
        return "; did you mean \"\(nearest)\"?"
    }

    /// Insertions, deletions and replacements that turn one into the other (Levenshtein).
    static func editDistance(_ one: String, _ other: String) -> Int {
        // Far longer than any key: not worth the product of both lengths.
        guard one.utf8.count <= 100 else { return .max }
        let other = Array(other.utf8)
        var row = Array(0...other.count)
        for (index, byte) in one.utf8.enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for column in other.indices {
                let replaced = diagonal + (byte == other[column] ? 0 : 1)
                diagonal = row[column + 1]
                row[column + 1] = min(replaced, diagonal + 1, row[column] + 1)
            }
        }
        return row[other.count]
    }
}
