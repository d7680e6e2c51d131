// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import ClusterBenchmarks

extension ValueKind where Value == [Pair] {
    static var folders: Self {
        Self(
            form: .pairs, "LABEL=FOLDER,…", allowed: "pairs LABEL=FOLDER",
            show: { shown($0.map { "\($0.name)=\($0.value)" }) }
        ) { values throws(Problem) in
            try Pair.read(values, "LABEL=FOLDER")
        }
    }
}

extension ConfigurationKey {
    static let benchmark: [ConfigurationKey] = [
        ConfigurationKey(
            "benchmark.disable", \.benchmark.isDisabled, .boolean, "Measures nothing.", supervisor: "BENCHMARK_DISABLE"),
        ConfigurationKey(
            "benchmark.results", \.benchmark.results, .choice,
            "How results come back: through `benchmark.result-folder`, without it by HTTPS to `public-address`, without both through "
                + "Slurm (`auto`); or through Slurm, in the comments of the jobs, whatever else is set (`slurm`)."),
        ConfigurationKey(
            "benchmark.result-folder", \.benchmark.resultFolder, .optional(.path, else: "none"),
            "A folder that nodes and agent share, in which `benchmark.run-as` can write: jobs leave their results there.",
            example: "/shared/benchmarks"
        ),
        ConfigurationKey(
            "benchmark.executor", \.benchmark.executor, .choice,
            "Where the programs come from: those on the nodes (`native`), images by `apptainer` (or singularity) or `pyxis`; `auto` "
                + "takes the first of these that a node has."),
        ConfigurationKey(
            "benchmark.exclusive", \.benchmark.isExclusive, .boolean,
            "Linpack and the network get whole nodes, and wait until they are free."),
        ConfigurationKey(
            "benchmark.reservation", \.benchmark.reservation, .optional(.word("NAME"), else: "none"),
            "The reservation of Slurm in which benchmarks run.", example: "maintenance"),
        ConfigurationKey(
            "benchmark.nice", \.benchmark.nice, .number(0...2_147_483_645),
            "How much lower a benchmark's priority in the queue is than that of the grid's jobs, as `sbatch --nice`."),
        ConfigurationKey(
            "benchmark.storage", \.benchmark.storages, .folders,
            "The folders whose speed is measured, by their labels; those of `disk-…` on one node, the others from all. None: "
                + "the supervisor's five below /opt/cache.", example: "scratch=/scratch,disk-tmp=/tmp"),
        ConfigurationKey(
            "benchmark.storage-size", \.benchmark.storageSize, .number(1...10_000_000, "MiB"),
            "How much is written and read on each node."),
        ConfigurationKey(
            "benchmark.max-age", \.benchmark.longestAge, .duration(.days(1), .days(3650)),
            "`check` tells of labels that are older."),
        ConfigurationKey(
            "labels.units", \.benchmark.units, .choice,
            "Of labels that end in `.mbps`: megabits, as the grid's documentation says (`documented`), or megabytes, as the supervisor "
                + "writes (`compat`)."),
        ConfigurationKey(
            "labels.prefer", \.benchmark.preference, .choice,
            "Which value is registered where both have one: the `measured` one, or the `operator`'s. A value always goes before none."
        ),
        ConfigurationKey(
            "benchmark.hpl.image", \.benchmark.hplImage, .word("IMAGE"), "Image of Linpack.",
            supervisor: "BENCHMARK_HPL_IMAGE"),
        ConfigurationKey(
            "benchmark.hpl.single-node", \.benchmark.hplOnSingleNode, .boolean, "Linpack on each node by itself.",
            supervisor: "BENCHMARK_HPL_SINGLE_NODE"),
        ConfigurationKey(
            "benchmark.hpl.block-size", \.benchmark.hplBlockSize, .number(1...65_536), "Linpack's block size.",
            supervisor: "BENCHMARK_HPL_BLOCK_SIZE"),
        ConfigurationKey(
            "benchmark.hpl.memory-percent", \.benchmark.hplMemoryFraction, .fraction,
            "Linpack's part of the memory, as a fraction whatever the name says.",
            supervisor: "BENCHMARK_HPL_MEMORY_PERCENT"),
        ConfigurationKey(
            "benchmark.ior.image", \.benchmark.iorImage, .word("IMAGE"), "Image of what measures storage.",
            supervisor: "BENCHMARK_IOR_IMAGE"),
        ConfigurationKey(
            "benchmark.ior.single-node", \.benchmark.iorOnSingleNode, .boolean, "Storage from each node by itself.",
            supervisor: "BENCHMARK_IOR_SINGLE_NODE"),
        ConfigurationKey(
            "benchmark.osu.image", \.benchmark.osuImage, .word("IMAGE"), "Image of what measures the network.",
            supervisor: "BENCHMARK_OSU_IMAGE"),
        ConfigurationKey(
            "benchmark.speedtest.image", \.benchmark.speedtestImage, .word("IMAGE"),
            "Image of what measures the way to the internet.", supervisor: "BENCHMARK_SPEEDTEST_IMAGE"),
        ConfigurationKey(
            "benchmark.include-unresponsive", \.benchmark.includesUnresponsiveNodes, .boolean,
            "Nodes too that do not answer.", supervisor: "BENCHMARK_UNRESPONSIVE"),
        ConfigurationKey(
            "benchmark.run-as", \.benchmark.user, .login,
            "Whose jobs they are: neither SlurmUser nor root. Root is taken for the next one.",
            supervisor: "BENCHMARK_RUN_AS"),
        ConfigurationKey(
            "benchmark.fallback-user", \.benchmark.fallbackUser, .optional(.login, else: "none"),
            "Whose jobs they are where `benchmark.run-as` is root, as the supervisor's default is.", example: "bench"),
        ConfigurationKey(
            "benchmark.allow-root", \.benchmark.allowsRoot, .boolean,
            "Root is not taken for `benchmark.fallback-user`. The agent submits no job of root all the same."),
        ConfigurationKey(
            "benchmark.time-limit", \.benchmark.timeLimit, .duration(.seconds(60), .days(365)), "Time limit of one.",
            supervisor: "BENCHMARK_TIME_LIMIT"),
        ConfigurationKey(
            "benchmark.trace", \.benchmark.isTraced, .boolean, "They say more.", supervisor: "BENCHMARK_TRACE"),
        ConfigurationKey(
            "benchmark.env", \.benchmark.environment, .variables, "Their environment. Only the names are ever shown.",
            supervisor: "BENCHMARK_ENV", example: "UCX_NET_DEVICES=mlx5_0:1"),
        ConfigurationKey(
            "benchmark.ucx", \.benchmark.usesUCX, .boolean, "Uses UCX for MPI.", supervisor: "BENCHMARK_UCX"),
        ConfigurationKey(
            "benchmark.ucx.affinity", \.benchmark.ucxAffinity, .optional(.word("DEVICES|…")),
            "UCX's devices: those of the first node, `|`, those of the second one, and so on.",
            supervisor: "BENCHMARK_UCX_AFFINITY", example: "mlx5_0:1|mlx5_1:1"),
        ConfigurationKey(
            "benchmark.ucx.transport", \.benchmark.ucxTransport, .optional(.word("TRANSPORTS")), "UCX's transports.",
            supervisor: "BENCHMARK_UCX_TRANSPORT", example: "sm,self,rc"),
    ]
}
