// SPDX-License-Identifier: GPL-3.0-or-later

package import Observability

/// The settings of `run`. Its schema has every key once; what is not there is an error.
package struct AgentConfiguration: Equatable, Sendable {
    /// Which keys it was read by.
    package let schema: ConfigurationSchema
    /// `slurm.conf`, path. Default: what libslurm finds.
    package var slurmConf: String?
    /// `state-folder`, path, of mode 0700: the ledger. Default `/var/lib/slurm-grid-agent`.
    package var stateFolder = "/var/lib/slurm-grid-agent"
    /// `bridge.socket`, path: where the plugins report. Default `/run/slurm-grid-agent/events.sock`.
    package var bridgeSocket = "/run/slurm-grid-agent/events.sock"
    /// `bridge.mode`, octal: the socket's permissions. Default 0660.
    package var bridgeMode: UInt32 = 0o660
    /// `bridge.listen`, numeric ADDRESS:PORT: SPANK messages from compute nodes, signed with MUNGE. Default: none.
    package var bridgeListen: String?
    /// `bridge.munge-socket`, path. Default: libmunge's own.
    package var mungeSocket: String?
    /// `control.socket`, path: where the other commands ask. Default `/run/slurm-grid-agent/control.sock`.
    package var controlSocket = "/run/slurm-grid-agent/control.sock"
    /// `poll-interval`, duration: between two looks at slurmctld's job list. Default 5s.
    package var pollInterval: Duration = .seconds(5)
    /// `sweep-interval`, duration: how often every open run is looked for there. Default 60s.
    package var sweepInterval: Duration = .seconds(60)
    /// `accounting-interval`, duration: how often slurmdbd is asked for what ended unseen. Default 5m.
    package var accountingInterval: Duration = .seconds(300)
    /// `vanish-after`, duration: between the two answers that make a forgotten job `vanished`. Default 60s.
    package var vanishAfter: Duration = .seconds(60)
    /// `retention`, duration: how long jobs that are over and delivered stay in the ledger. Default 30d.
    package var retention: Duration = .seconds(30 * 86_400)
    /// `log-level`: trace, debug, info, notice, warning, error, critical. Default info. `trace`, boolean, is its level trace.
    package var logLevel = "info"
    /// `log-format`: text or json. Default text.
    package var logFormat = LogFormat.text
    /// `admin.…`.
    package var admin = AdminSettings()
    /// What each gateway's keys are set to.
    var gateways = AllGatewaySettings()

    /// What somebody should read at start: options without meaning, weakened checks.
    package private(set) var notices: [String] = []
    /// Where each key that is not at its default was set.
    package var places: [String: Place] = [:]
    /// The command line's part, for the next reading.
    private var flags: [ConfigurationFlag] = []

    /// With every key at its default.
    package init(_ schema: ConfigurationSchema) {
        self.schema = schema
    }

    /// Reads a YAML file, then the environment, then the command line; the later one wins.
    ///
    /// - Throws: everything that is wrong in any of them; when there is nothing, what does not fit together.
    package static func load(
        _ schema: ConfigurationSchema, file: String?, environment: [String: String], flags: [ConfigurationFlag] = []
    ) throws(Problem) -> AgentConfiguration {
        var configuration = AgentConfiguration(schema)
        var problem = Problem([])
        do throws(Problem) {
            if let file { try configuration.take(yaml: try ConfigurationFile.read(file), file: file) }
        } catch {
            problem.add(error)
        }
        do throws(Problem) { try configuration.take(environment: environment) } catch { problem.add(error) }
        do throws(Problem) { try configuration.take(flags: flags) } catch { problem.add(error) }
        configuration.flags = flags
        // A wrong value may be all that keeps the others from fitting.
        if problem.items.isEmpty { problem = configuration.check() }
        guard problem.items.isEmpty else { throw problem }
        return configuration
    }

    /// Reads all of it again for the running agent.
    package func reread(file: String?, environment: [String: String]) throws(Problem) -> AgentConfiguration {
        var environment = environment
        // What was taken from there at start: only that it was is known, and needed.
        for key in schema.keys {
            if let secret = key.secret, secret.isTaken(self) { environment[secret.variable] = "taken" }
        }
        return try .load(schema, file: file, environment: environment, flags: flags)
    }

    package mutating func notify(_ notice: String) {
        let notice = redacted(notice)
        if !notices.contains(notice) { notices.append(notice) }
    }

    /// What must fit together, and what is of no use.
    private mutating func check() -> Problem {
        var problem = Problem([])
        for gateway in schema.gateways { problem.add(gateway.settle(&self)) }
        let checks: [() throws(Conflict) -> Void] = [admin.check, checkSockets, checkListeners]
        for check in checks {
            do throws(Conflict) { try check() } catch { problem.add(self.problem(error)) }
        }
        for notice in admin.notices { notify(notice) }
        return problem
    }

    private func checkSockets() throws(Conflict) {
        let sockets =
            [("bridge.socket", bridgeSocket), ("control.socket", controlSocket), ("admin.socket", admin.socket)]
            + schema.gateways.flatMap { $0.sockets(in: self) }.map { ($0.key, $0.path) }
        for (index, (key, path)) in sockets.enumerated() {
            guard let other = sockets[..<index].first(where: { $0.1 == path })?.0 else { continue }
            throw Conflict(keys: [key, other], text: "\(path) is the path of \(other) too: each socket needs its own")
        }
    }

    private func checkListeners() throws(Conflict) {
        let own = [("admin.listen", admin.listen?.description), ("bridge.listen", bridgeListen)]
        let all =
            own + schema.gateways.flatMap { $0.listeners(in: self) }.map { ($0.key, Optional($0.address.description)) }
        for (index, (key, address)) in all.enumerated() {
            guard let address, let other = all[(index + 1)...].first(where: { $0.1 == address })?.0 else { continue }
            throw Conflict(
                keys: [key, other], text: "\(address) is the address of \(other) too: each needs a port of its own")
        }
    }

    package func problem(_ conflict: Conflict) -> Problem {
        let set = conflict.keys.compactMap { key in places[key].map { (key, $0) } }
        let others = set.dropFirst().map { "\($0.0): \($0.1)" }
        return Problem([
            .init(
                place: set.first?.1, key: set.first?.0 ?? conflict.keys.first,
                text: conflict.text + (others.isEmpty ? "" : " (\(others.joined(separator: "; ")))"))
        ])
    }

    /// Every key with its value as text, secrets redacted.
    package var effective: [(key: String, value: String)] {
        schema.keys.compactMap { key in key.show.map { (key.name, $0(self)) } }
    }

    /// The keys whose values are not the defaults, for the report at start.
    package var changed: [(key: String, value: String)] {
        zip(effective, AgentConfiguration(schema).effective).filter { $0.value != $1.value }.map(\.0)
    }
}
