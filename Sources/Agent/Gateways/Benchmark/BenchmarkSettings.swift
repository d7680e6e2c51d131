// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import ClusterBenchmarks

/// What is to be measured of the cluster, and how.
struct BenchmarkSettings: GatewaySettings {
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
    /// `benchmark.run-as`, login name. Default slurm, as whom no job runs; root (the supervisor's default) is taken for the next
    /// one without `benchmark.allow-root`.
    var user = "slurm"
    /// `benchmark.fallback-user`, login name. Default: none.
    var fallbackUser: String?
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

    /// `benchmark.results`: how results come back.
    enum Results: String, Sendable, CaseIterable {
        /// Through `benchmark.result-folder`, else to `public-address`, else through Slurm.
        case auto
        /// Through Slurm, in the comments of their jobs.
        case slurm
    }
    /// Default auto.
    var results = Results.auto
    /// `benchmark.result-folder`, path of a folder that nodes and agent share. Default: none.
    var resultFolder: String?
    /// `benchmark.executor`. Default auto.
    var executor = BenchmarkOptions.Executor.auto
    /// `benchmark.exclusive`. Default false.
    var isExclusive = false
    /// `benchmark.reservation`. Default: none.
    var reservation: String?
    /// `benchmark.nice`. Default 1,000,000.
    var nice = Int(BenchmarkOptions().nice)
    /// `benchmark.storage`, LABEL=FOLDER. Default: none, which is the folders of today's supervisor.
    var storages: [Pair] = []
    /// `benchmark.storage-size`, MiB on each node. Default 10240.
    var storageSize = BenchmarkOptions().storageSize
    /// `benchmark.max-age`: older labels are told by `check`. Default 90 days.
    var longestAge: Duration = .days(90)
    /// `labels.units`. Default documented.
    var units = BenchmarkLabels.Units.documented
    /// `labels.prefer`. Default measured.
    var preference = BenchmarkLabels.Preference.measured

    /// What must fit together.
    func check() throws(AgentConfiguration.Conflict) {
        // They become words of a script.
        if let pair = environment.first(where: { !BenchmarkOptions.isVariable($0.name) }) {
            throw .init(keys: ["benchmark.env"], text: "\(quoted(pair.name)) is no name of a variable")
        }
        if let pair = storages.first(where: { !BenchmarkLabels.storages.contains($0.name) || !$0.value.hasPrefix("/") })
        {
            throw .init(
                keys: ["benchmark.storage"],
                text:
                    "\(quoted(pair.name)): the labels \(BenchmarkLabels.storages.joined(separator: ", ")) can have a folder, by its absolute path"
            )
        }
    }

    /// Whose jobs they are.
    var effectiveUser: String {
        user == "root" && !allowsRoot ? fallbackUser ?? BenchmarkSettings().user : user
    }

    var notices: [String] {
        guard !isDisabled, user != effectiveUser else { return [] }
        let root = "benchmark.run-as is root, as the supervisor's default is: this agent runs no benchmark as root"
        return [
            fallbackUser.map { "\(root); its jobs are those of \($0), by benchmark.fallback-user" }
                ?? "\(root), so name a user by benchmark.fallback-user"
        ]
    }
}

extension BenchmarkSettings {
    /// What of it the runner takes.
    func runner(partition: String?, account: String?, qos: String?) -> BenchmarkRunner.Settings {
        var settings = BenchmarkRunner.Settings()
        settings.user = effectiveUser
        (settings.partition, settings.account, settings.qos) = (partition, account, qos)
        settings.includesUnresponsive = includesUnresponsiveNodes
        settings.units = units
        var options = BenchmarkOptions()
        options.executor = executor
        options.images.hpl = hplImage
        options.images.osu = osuImage
        options.images.ior = iorImage
        options.images.speedtest = speedtestImage
        (options.hplOnSingleNode, options.storageOnSingleNode) = (hplOnSingleNode, iorOnSingleNode)
        (options.blockSize, options.memoryFraction) = (hplBlockSize, hplMemoryFraction)
        options.isExclusive = isExclusive
        options.timeLimit = UInt32(clamping: max(1, timeLimit.components.seconds / 60))
        options.isTraced = isTraced
        options.environment = environment.map { ($0.name, $0.value) }
        (options.usesUCX, options.ucxAffinity, options.ucxTransport) = (usesUCX, ucxAffinity, ucxTransport)
        if !storages.isEmpty {
            options.storages = Dictionary(storages.map { ($0.name, $0.value) }) { _, last in last }
        }
        options.storageSize = storageSize
        options.nice = UInt32(clamping: nice)
        options.reservation = reservation
        options.folder = resultFolder ?? ""
        settings.options = options
        return settings
    }
}

extension AgentConfiguration {
    /// Results come through Slurm. Without a user whose jobs they are nothing can be measured, nor is it where nobody has asked for it.
    var benchmarkUsesComments: Bool {
        benchmark.results == .slurm
            || benchmark.resultFolder == nil && supervisorEndpoint.publicAddress == nil
                && benchmark.effectiveUser != BenchmarkSettings().user
    }

    /// Host and HOST:PORT where results are posted; nil: they come in another way, or not at all.
    var benchmarkEndpoint: (host: String, address: String)? {
        guard benchmark.results == .auto, benchmark.resultFolder == nil, let endpoint = supervisorEndpoint.publicAddress
        else { return nil }
        return (endpoint.host, "\(endpoint)")
    }

    var benchmark: BenchmarkSettings {
        get { self[BenchmarkSettings.self] }
        set { self[BenchmarkSettings.self] = newValue }
    }
}
