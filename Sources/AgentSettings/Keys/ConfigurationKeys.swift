// SPDX-License-Identifier: GPL-3.0-or-later

extension ConfigurationKey {
    static let agent: [ConfigurationKey] = [
        ConfigurationKey(
            "slurm.conf", \.slurmConf, .optional(.path, else: "libslurm's default"), "The cluster's slurm.conf.",
            example: "/etc/slurm/slurm.conf"),
        ConfigurationKey(
            "state-folder", \.stateFolder, .path, "The ledger's folder: owned by SlurmUser, of mode 0700."),
        ConfigurationKey("bridge.socket", \.bridgeSocket, .socket, "Where the plugins report: a Unix socket."),
        ConfigurationKey("bridge.mode", \.bridgeMode, .mode, "Its permissions."),
        ConfigurationKey(
            "bridge.listen", \.bridgeListen, .optional(.listenAddress),
            "Takes messages of compute nodes, signed with MUNGE, by TCP.", example: "10.0.0.1:6821"),
        ConfigurationKey(
            "bridge.munge-socket", \.mungeSocket, .optional(.socket, else: "libmunge's default"),
            "The socket of munged.",
            example: "/run/munge/munge.socket.2"),
        ConfigurationKey(
            "control.socket", \.controlSocket, .socket,
            "Where `status`, `events`, `plugins status`, `ledger retry` and `chain` ask: a Unix socket for root and SlurmUser."
        ),
        ConfigurationKey(
            "poll-interval", \.pollInterval, .duration(.milliseconds(100), .seconds(3600)),
            "The time between two looks at slurmctld's job list. Without change one costs half a millisecond. A long list is asked for "
                + "less often while the plugins work: it costs slurmctld a hundredth of a thread at most."),
        ConfigurationKey(
            "sweep-interval", \.sweepInterval, .duration(.seconds(1), .days(1)),
            "How often every open run is looked for in that list."),
        ConfigurationKey(
            "accounting-interval", \.accountingInterval, .duration(.seconds(1), .days(1)),
            "How often slurmdbd is asked for what ended unseen."),
        ConfigurationKey(
            "vanish-after", \.vanishAfter, .duration(.seconds(1), .days(7)),
            "The time between the two answers that make a forgotten job `vanished`."),
        ConfigurationKey(
            "retention", \.retention, .duration(.seconds(3600), .days(3650)),
            "How long jobs that are over and delivered stay in the ledger.", isReloadable: true),
        ConfigurationKey("log-level", \.logLevel, .logLevel, "The least that is logged.", isReloadable: true),
        ConfigurationKey(
            "log-format", \.logFormat, .choice, "A line of the log is text, or an object in JSON.", isReloadable: true),
        ConfigurationKey(trace: "trace", supervisor: "TRACE"),
    ]

    private static let noCommands = "the agent talks to Slurm through libslurm, not through its commands"
    private static let noShell = "the agent runs on the slurmctld host and needs no ssh"

    static let gone: [ConfigurationKey] = [
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
}
