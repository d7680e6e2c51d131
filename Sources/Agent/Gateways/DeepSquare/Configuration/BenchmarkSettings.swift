// SPDX-License-Identifier: GPL-3.0-or-later

internal import DeepSquare

/// What is to be measured of the cluster, and where the results arrive.
struct BenchmarkSettings: Equatable, Sendable {
    /// `benchmark.disable`. Default false.
    var isDisabled = false
    /// `benchmark.hpl.image`, Linpack.
    var hplImage = "registry-1.deepsquare.run#library/hpc-benchmarks:23.5"
    /// `benchmark.hpl.single-node`. Default false.
    var hplOnSingleNode = false
    /// `benchmark.hpl.block-size`. Default 512.
    var hplBlockSize = 512
    /// `benchmark.hpl.memory-percent`, a fraction of the memory. Default 0.5.
    var hplMemoryFraction = 0.5
    /// `benchmark.ior.image`, storage.
    var iorImage = "registry-1.deepsquare.run#library/ior-benchmarks:latest"
    /// `benchmark.ior.single-node`. Default false.
    var iorOnSingleNode = false
    /// `benchmark.osu.image`, network.
    var osuImage = "registry-1.deepsquare.run#library/osu-benchmarks:latest"
    /// `benchmark.speedtest.image`, the way to the internet.
    var speedtestImage = "registry-1.docker.io#gists/speedtest-cli:1.2.0"
    /// `benchmark.include-unresponsive`: nodes too that do not answer. Default false.
    var includesUnresponsiveNodes = false
    /// `benchmark.run-as`, login name. Default slurm; root (the supervisor's default) is taken for that without
    /// `benchmark.allow-root`.
    var user = "slurm"
    /// `benchmark.allow-root`. Default false.
    var allowsRoot = false
    /// `benchmark.time-limit`, of one. Default 24h.
    var timeLimit: Duration = .days(1)
    /// `benchmark.trace`: says more. Default false.
    var isTraced = false
    /// `benchmark.env`, NAME=VALUE: variables of theirs.
    var environment: [Pair] = []
    /// `benchmark.ucx`. Default false.
    var usesUCX = false
    /// `benchmark.ucx.affinity`: `devices_node1|devices_node2|…`.
    var ucxAffinity: String?
    /// `benchmark.ucx.transport`, such as `sm,self,rc`.
    var ucxTransport: String?

    /// `grpc.listen-address`, [HOST]:PORT: where results arrive. Default :3000.
    var listenAddress = ServiceEndpoint(host: "::", port: 3000)
    /// `public-address`, HOST:PORT: how compute nodes reach it. Default: none.
    var publicAddress: ServiceEndpoint?
    /// `tls`. Default false.
    var usesTLS = false
    /// `tls.cert-file`, path of a PEM file.
    var certificateFile: String?
    /// `tls.key-file`, path of a PEM file.
    var keyFile: String?

    /// What must fit together.
    func check() throws(AgentConfiguration.Conflict) {
        let missing = [("tls.cert-file", certificateFile), ("tls.key-file", keyFile)].filter { $0.1 == nil }.map(\.0)
        guard !usesTLS || missing.isEmpty else {
            throw .init(
                keys: ["tls"], text: "needs a certificate and its key: set \(missing.joined(separator: " and "))")
        }
    }

    /// Whose jobs they are.
    var effectiveUser: String { user == "root" && !allowsRoot ? BenchmarkSettings().user : user }

    var notices: [String] {
        isDisabled || user == effectiveUser
            ? []
            : [
                "benchmark.run-as is root, as the supervisor's default is: this version runs no benchmark, and one would run as "
                    + "\(effectiveUser) unless benchmark.allow-root is set"
            ]
    }
}

extension ConfigurationKey {
    static let benchmark: [ConfigurationKey] = [
        ConfigurationKey(
            "benchmark.disable", \.benchmark.isDisabled, .boolean, "Measures nothing.", supervisor: "BENCHMARK_DISABLE"),
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
            "Whose jobs they are; root is taken for `slurm` without the next.",
            supervisor: "BENCHMARK_RUN_AS"),
        ConfigurationKey("benchmark.allow-root", \.benchmark.allowsRoot, .boolean, "Lets them run as root."),
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
        ConfigurationKey(
            "grpc.listen-address", \.benchmark.listenAddress, .listenEndpoint, "Where results arrive.",
            supervisor: "LISTEN_ADDRESS"),
        ConfigurationKey(
            "public-address", \.benchmark.publicAddress, .optional(.endpoint), "How compute nodes reach that.",
            supervisor: "PUBLIC_ADDRESS", example: "head.example.org:3000"),
        ConfigurationKey(
            "tls", \.benchmark.usesTLS, .boolean, "TLS there. Needs the next two.", supervisor: "TLS_ENABLE"),
        ConfigurationKey(
            "tls.cert-file", \.benchmark.certificateFile, .optional(.path), "Its certificate, PEM.",
            supervisor: "TLS_CERT", example: "/etc/slurm-grid-agent/tls.pem"),
        ConfigurationKey(
            "tls.key-file", \.benchmark.keyFile, .optional(.path), "Its key, PEM.", supervisor: "TLS_KEY",
            example: "/etc/slurm-grid-agent/tls.key"),
    ]
}
