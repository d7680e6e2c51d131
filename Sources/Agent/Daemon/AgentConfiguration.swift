// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import Yams

/// The settings of `run`. A key that is not listed here is an error.
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
    /// `log-level`: trace, debug, info, notice, warning, error, critical. Default info.
    var logLevel = "info"
    /// `metascheduler.…`, `chain.…`.
    var chain = ChainSettings()

    struct Problem: Error, Equatable, CustomStringConvertible {
        var description: String
    }

    /// What SIGHUP takes over; the rest needs a restart.
    static let reloadable: Set<String> = ["log-level", "retention"]

    private typealias Setter = @Sendable (inout AgentConfiguration, String) throws -> Void

    private static let setters: [String: Setter] = ownSetters.merging(
        ChainSettings.setters.mapValues { setter -> Setter in { try setter(&$0.chain, $1) } }
    ) { own, _ in own }

    private static let ownSetters: [String: Setter] = [
        "slurm.conf": { $0.slurmConf = try path($1) },
        "state-folder": { $0.stateFolder = try path($1) },
        "bridge.socket": { $0.bridgeSocket = try path($1) },
        "bridge.mode": { $0.bridgeMode = try mode($1) },
        "bridge.listen": { $0.bridgeListen = try endpoint($1) },
        "bridge.munge-socket": { $0.mungeSocket = try path($1) },
        "control.socket": { $0.controlSocket = try path($1) },
        "poll-interval": { $0.pollInterval = try duration($1, .milliseconds(100)...(.seconds(3600))) },
        "sweep-interval": { $0.sweepInterval = try duration($1, .seconds(1)...(.seconds(86_400))) },
        "accounting-interval": { $0.accountingInterval = try duration($1, .seconds(1)...(.seconds(86_400))) },
        "vanish-after": { $0.vanishAfter = try duration($1, .seconds(1)...(.seconds(7 * 86_400))) },
        "retention": { $0.retention = try duration($1, .seconds(3600)...(.seconds(10 * 365 * 86_400))) },
        "journal.file": { $0.journalFile = try path($1) },
        "log-level": { $0.logLevel = try level($1) },
    ]

    static var keys: [String] { setters.keys.sorted() }

    /// Reads a YAML file; then what the environment says (`BRIDGE_SOCKET` for `bridge.socket`) with the prefix
    /// `SLURM_GRID_AGENT_`.
    static func load(file: String?, environment: [String: String]) throws(Problem) -> AgentConfiguration {
        var configuration = AgentConfiguration()
        if let file {
            guard let data = FileManager.default.contents(atPath: file) else {
                throw Problem(description: "\(file): cannot be read")
            }
            try configuration.take(yaml: String(decoding: data, as: UTF8.self), file: file)
        }
        for (key, setter) in setters.sorted(by: { $0.key < $1.key }) {
            // The names of today's supervisor need no prefix.
            let variables = [Self.variable(key)] + (key.hasPrefix("metascheduler.") ? [Self.plainVariable(key)] : [])
            guard let variable = variables.first(where: { environment[$0] != nil }), let value = environment[variable]
            else {
                continue
            }
            do {
                try setter(&configuration, value)
            } catch {
                throw Problem(description: "\(variable): \(error)")
            }
        }
        if environment[ChainSettings.keyVariable] != nil {
            configuration.chain.keyInEnvironment = ChainSettings.keyVariable
        }
        try configuration.chain.check()
        return configuration
    }

    /// `SLURM_GRID_AGENT_BRIDGE_SOCKET` for `bridge.socket`.
    static func variable(_ key: String) -> String {
        "SLURM_GRID_AGENT_" + plainVariable(key)
    }

    /// `METASCHEDULER_ENDPOINT_RPC` for `metascheduler.endpoint.rpc`.
    private static func plainVariable(_ key: String) -> String {
        key.uppercased().map { $0.isLetter || $0.isNumber ? String($0) : "_" }.joined()
    }

    mutating func take(yaml: String, file: String) throws(Problem) {
        let root: Node?
        do {
            root = try Yams.compose(yaml: yaml)
        } catch {
            throw Problem(
                description: "\(file): \(String(describing: error).split(separator: "\n").joined(separator: " "))")
        }
        guard let root else { return }
        if root.scalar?.string.isEmpty == true { return }
        try take(root, under: "", file: file)
    }

    private mutating func take(_ node: Node, under prefix: String, file: String) throws(Problem) {
        guard let mapping = node.mapping else {
            throw Problem(description: "\(file):\(node.mark?.line ?? 1): expects `key: value` lines")
        }
        for (keyNode, value) in mapping {
            let line = keyNode.mark?.line ?? 1
            let key = prefix + (keyNode.string ?? "")
            if let setter = Self.setters[key] {
                let isList = ChainSettings.listKeys.contains(key)
                guard let text = value.scalar?.string ?? (isList ? Self.list(value) : nil) else {
                    throw Problem(description: "\(file):\(line): \(key): takes one value")
                }
                do {
                    try setter(&self, text)
                } catch {
                    throw Problem(description: "\(file):\(line): \(key): \(error)")
                }
            } else if Self.setters.keys.contains(where: { $0.hasPrefix(key + ".") }) {
                try take(value, under: key + ".", file: file)
            } else {
                throw Problem(
                    description:
                        "\(file):\(line): unknown key \"\(key)\"; there are \(Self.keys.joined(separator: ", "))")
            }
        }
    }

    /// A YAML list is another way to write values with commas.
    private static func list(_ node: Node) -> String? {
        guard let items = node.sequence else { return nil }
        let texts = items.compactMap { $0.scalar?.string }
        return texts.count == items.count ? texts.joined(separator: ",") : nil
    }

    /// The keys in which the two differ.
    func differences(from other: AgentConfiguration) -> [String] {
        let mine = Dictionary(uniqueKeysWithValues: effective)
        return other.effective.filter { mine[$0.key] != $0.value }.map(\.key)
    }

    /// Every key with its value, for the report at start.
    var effective: [(key: String, value: String)] {
        [
            ("slurm.conf", slurmConf ?? "libslurm's default"), ("state-folder", stateFolder),
            ("bridge.socket", bridgeSocket), ("bridge.mode", "0" + String(bridgeMode, radix: 8)),
            ("bridge.listen", bridgeListen ?? "off"), ("bridge.munge-socket", mungeSocket ?? "libmunge's default"),
            ("control.socket", controlSocket), ("poll-interval", "\(pollInterval)"),
            ("sweep-interval", "\(sweepInterval)"), ("accounting-interval", "\(accountingInterval)"),
            ("vanish-after", "\(vanishAfter)"), ("retention", "\(retention)"), ("journal.file", journalFile ?? "off"),
            ("log-level", logLevel),
        ] + chain.effective
    }

    // MARK: values

    static func path(_ text: String) throws(Problem) -> String {
        guard text.hasPrefix("/"), !text.utf8.contains(0) else {
            throw Problem(description: "\"\(text)\" is no absolute path")
        }
        return text
    }

    private static func mode(_ text: String) throws(Problem) -> UInt32 {
        guard let mode = UInt32(text, radix: 8), mode <= 0o777, mode & 0o007 == 0 else {
            throw Problem(description: "\"\(text)\" is no octal mode that shuts others out, such as 0660")
        }
        return mode
    }

    private static func level(_ text: String) throws(Problem) -> String {
        let levels = ["trace", "debug", "info", "notice", "warning", "error", "critical"]
        guard levels.contains(text) else {
            throw Problem(description: "\"\(text)\" is no level; there are \(levels.joined(separator: ", "))")
        }
        return text
    }

    private static func endpoint(_ text: String) throws(Problem) -> String {
        guard let parts = ListenAddress(text) else {
            throw Problem(description: "\"\(text)\" is no numeric ADDRESS:PORT such as 10.0.0.1:6821 or [fd00::1]:6821")
        }
        return parts.description
    }

    /// `500ms`, `5s`, `10m`, `2h`, `30d`.
    static func duration(_ text: String, _ range: ClosedRange<Duration>) throws(Problem) -> Duration {
        let units: [(String, Double)] = [("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)]
        for (unit, seconds) in units where text.hasSuffix(unit) {
            guard let number = Double(text.dropLast(unit.count)), number.isFinite, number >= 0, number < 1e9 else {
                continue
            }
            let duration = Duration.seconds(number * seconds)
            guard range.contains(duration) else {
                throw Problem(
                    description: "\(text) is out of range, \(range.lowerBound) to \(range.upperBound) are possible")
            }
            return duration
        }
        throw Problem(description: "\"\(text)\" is no duration such as 500ms, 5s, 10m, 2h or 30d")
    }
}

/// A numeric address and a port.
struct ListenAddress: Equatable, CustomStringConvertible {
    var host: String
    var port: Int

    init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
            (1...65_535).contains(port)
        else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        // A name would be looked up; only digits, dots, colons and hex letters make a numeric address.
        guard !host.isEmpty, host.allSatisfy({ $0.isHexDigit || $0 == "." || $0 == ":" }) else { return nil }
        self.host = String(host)
        self.port = port
    }

    var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
