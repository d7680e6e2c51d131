// SPDX-License-Identifier: GPL-3.0-or-later

internal import DeepSquare
internal import FoundationEssentials

/// The settings of `run`. `ConfigurationKey.all` has every key once; what is not there is an error.
struct AgentConfiguration: Equatable, Sendable {
    /// `slurm.conf`, path. Default: what libslurm finds.
    var slurmConf: String?
    /// `state-folder`, path, of mode 0700: the ledger. Default `/var/lib/slurm-grid-agent`.
    var stateFolder = "/var/lib/slurm-grid-agent"
    /// `bridge.socket`, path: where the plugins report. Default `/run/slurm-grid-agent/events.sock`.
    var bridgeSocket = "/run/slurm-grid-agent/events.sock"
    /// `bridge.mode`, octal: the socket's permissions. Default 0660.
    var bridgeMode: UInt32 = 0o660
    /// `bridge.listen`, numeric ADDRESS:PORT: SPANK messages from compute nodes, signed with MUNGE. Default: none.
    var bridgeListen: String?
    /// `bridge.munge-socket`, path. Default: libmunge's own.
    var mungeSocket: String?
    /// `control.socket`, path: where the other commands ask. Default `/run/slurm-grid-agent/control.sock`.
    var controlSocket = "/run/slurm-grid-agent/control.sock"
    /// `poll-interval`, duration: between two looks at slurmctld's job list. Default 5s.
    var pollInterval: Duration = .seconds(5)
    /// `sweep-interval`, duration: how often every open run is looked for there. Default 60s.
    var sweepInterval: Duration = .seconds(60)
    /// `accounting-interval`, duration: how often slurmdbd is asked for what ended unseen. Default 5m.
    var accountingInterval: Duration = .seconds(300)
    /// `vanish-after`, duration: between the two answers that make a forgotten job `vanished`. Default 60s.
    var vanishAfter: Duration = .seconds(60)
    /// `retention`, duration: how long jobs that are over and delivered stay in the ledger. Default 30d.
    var retention: Duration = .seconds(30 * 86_400)
    /// `journal.file`, path: every transition as a line of JSON. Default: none.
    var journalFile: String?
    /// `log-level`: trace, debug, info, notice, warning, error, critical. Default info. `trace`, boolean, is its level trace.
    var logLevel = "info"
    /// `metascheduler.…`, `chain.…`.
    var chain = ChainSettings()
    /// What a provider settles of the grid; its own comments name the keys.
    var grid = GridSettings()
    /// `benchmark.…` and where results arrive.
    var benchmark = BenchmarkSettings()
    /// `sbatch.tls…`, of which `grid.security` is made.
    var sbatchTLS = SbatchTLS() {
        didSet { grid.security = sbatchTLS.security }
    }

    /// What somebody should read at start: options without meaning, weakened checks.
    private(set) var notices: [String] = []
    /// The command line's part, for the next reading.
    private var flags: [ConfigurationFlag] = []

    struct Problem: Error, Equatable, CustomStringConvertible {
        var description: String
    }

    /// What SIGHUP takes over; the rest needs a restart.
    static let reloadable: Set<String> = ["log-level", "retention"]

    /// Reads a YAML file, then the environment, then the command line; the later one wins.
    static func load(
        file: String?, environment: [String: String], flags: [ConfigurationFlag] = []
    ) throws(Problem) -> AgentConfiguration {
        var configuration = AgentConfiguration()
        if let file {
            guard let data = FileManager.default.contents(atPath: file) else {
                throw Problem(description: "\(file): cannot be read")
            }
            try configuration.take(yaml: String(decoding: data, as: UTF8.self), file: file)
        }
        try configuration.take(environment: environment)
        try configuration.take(flags: flags)
        configuration.flags = flags
        try configuration.check()
        return configuration
    }

    /// Reads all of it again for the running agent.
    func reread(file: String?, environment: [String: String]) throws(Problem) -> AgentConfiguration {
        var environment = environment
        // The key was taken from there at start.
        if let name = chain.keyInEnvironment { environment[name] = "" }
        return try .load(file: file, environment: environment, flags: flags)
    }

    mutating func notify(_ notice: String) {
        if !notices.contains(notice) { notices.append(notice) }
    }

    /// What must fit together. Throws what to do.
    private mutating func check() throws(Problem) {
        try chain.check()
        try sbatchTLS.check()
        try benchmark.check()
        for notice in sbatchTLS.notices { notify(notice) }
    }

    /// The keys in which the two differ.
    func differences(from other: AgentConfiguration) -> [String] {
        let mine = Dictionary(uniqueKeysWithValues: effective)
        return other.effective.filter { mine[$0.key] != $0.value }.map(\.key)
    }

    /// Every key with its value, for the report at start.
    var effective: [(key: String, value: String)] {
        ConfigurationKey.all.compactMap { key in key.show.map { (key.name, $0(self)) } }
    }
}
