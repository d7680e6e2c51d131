// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import ArgumentParser
internal import JobLifecycle
internal import Slurm
internal import StatusViews

/// When a label was measured.
struct LabelTime: Codable, Sendable, Hashable {
    var value: String
    /// Unix seconds.
    var measuredAt: Int64
}

/// Everything that one upstream brings to the agent: its keys, what it runs, checks, what it shows, its commands.
///
/// A value without state, made before there is a configuration: `Gateways.all` lists them. What is open is in the
/// `OpenGateway` that `open(_:)` returns. All but `name`, `isConfigured` and `open` has a default: that there is none of it.
/// docs/gateways.md shows one from end to end.
///
/// Whatever a module does in `open`, `report`, `checks` and in its services and consumer, it does in tasks of its own: neither
/// Slurm's side nor another gateway waits for them (`GatewayRunner`, `GatewayAnswers`).
protocol GatewayModule: ConfigurableGateway, ShownGateway {
    /// Names its rows in the ledger, itself in `status` and metrics; never changes. Lower-case letters.
    var name: String { get }
    /// Whether it is somebody to work for. An agent without any says that none is configured; a file that is written is none.
    var isUpstream: Bool { get }

    // MARK: configuration

    func isConfigured(in configuration: AgentConfiguration) -> Bool

    // MARK: running

    /// Which transitions its consumer gets; nil: none, it has no consumer. Asked before the ledger is opened.
    func interest(in configuration: AgentConfiguration) -> Ledger.Interest.Scope?
    /// It asks for `GatewayContext.nodeReports`; of all modules one may.
    var wantsNodeReports: Bool { get }
    /// The highest transition that it has been told of, by its own files; nil: none, or not known.
    func lastTransition(_ configuration: AgentConfiguration, folder: String) async -> Int64?
    /// Opens what it needs. May take as long as it likes, and may be called again after it has thrown or its services have
    /// ended.
    ///
    /// - Returns: nil when the agent is to end before it is open.
    /// - Throws: a `Patience.Trouble`, or any other error: told in `status`, tried again later. A `Daemon.StartFailure` ends the
    ///   agent: only for a file of this host that a person has to look at first.
    func open(_ context: GatewayContext) async throws -> OpenGateway?
    /// What is in force since a reload; `running` is what `open` returned.
    func take(_ configuration: AgentConfiguration, running: any Sendable) async
    /// What it knows of the labels by which customers choose the cluster, put together with those that are configured.
    func labels(_ configured: [String: String], _ configuration: AgentConfiguration, running: any Sendable) async
        -> [String: String]
    /// When it measured labels, and as what.
    func labelTimes(running: any Sendable) async -> [String: LabelTime]
    /// A sign of life of what must never hang: the watchdog restarts an agent whose part gives none.
    func proveLife(running: any Sendable) async

    // MARK: checks

    /// Files in the state folder that must be the agent's own.
    var stateFiles: [String] { get }
    func secretFiles(in configuration: AgentConfiguration) -> [SecretFile]
    /// What of its checks is tried seldom, and what of that again soon while it is not well.
    var checkPace: CheckPace { get }
    /// What it depends on beside Slurm.
    func checks(_ checks: Checks) async -> [Finding]
    /// What it needs of the cluster, whose slurmctld answers.
    func checks(_ checks: Checks, cluster: Cluster, controller: SlurmController) async -> [Finding]
    /// Subjects of the latter that are told to be unknown while slurmctld does not answer.
    func clusterSubjects(in configuration: AgentConfiguration) -> [String]

    // MARK: what is shown

    /// The parts that `status` waits for while it is not open.
    func unopened(_ parts: RunningParts.State, _ configuration: AgentConfiguration) -> [String]
    /// The part of `status` that says why it is not open.
    var troublePart: String { get }
    /// Its word for `status`, screen, page, JSON and metrics; asked whether it is open or not. What is returned adds it.
    func report(_ parts: RunningParts.State, _ configuration: AgentConfiguration) async -> StatusReport

    // MARK: commands

    /// By name what the running agent answers at the control socket; answers wait for the part with `RunningParts.running`.
    func control(_ parts: RunningParts) -> [String: ControlServer.Handler]
    /// Its command-line groups, the first one named as it is.
    var commands: [any AsyncParsableCommand.Type] { get }
}

/// Changes a status by what a module says.
typealias StatusReport = @Sendable (inout AgentStatus) -> Void

/// A file with a key, password or token: `check` looks who can read it.
struct SecretFile: Sendable {
    var subject: String
    var kind: SecretTrust.Kind
    var path: String
    /// What to do when it is not there.
    var remedy: String

    static let putBack = "put it back, or correct the key that names it"
}

/// Checks that cost more than a look.
struct CheckPace: Sendable {
    /// Tried in thorough rounds only.
    var costly: Set<String> = []
    /// Of these what is tried again soon while it is not well.
    var retried: Set<String> = []
    /// What is tried together, where slurmctld answers; of it only what is not well is found.
    var group: Set<String> = []
}

extension GatewayModule {
    var isUpstream: Bool { true }
    func interest(in configuration: AgentConfiguration) -> Ledger.Interest.Scope? { nil }
    var wantsNodeReports: Bool { false }
    func lastTransition(_ configuration: AgentConfiguration, folder: String) async -> Int64? { nil }
    func take(_ configuration: AgentConfiguration, running: any Sendable) async {}
    func labels(_ configured: [String: String], _ configuration: AgentConfiguration, running: any Sendable) async
        -> [String: String]
    {
        configured
    }
    func labelTimes(running: any Sendable) async -> [String: LabelTime] { [:] }
    func proveLife(running: any Sendable) async {}
    var stateFiles: [String] { [] }
    func secretFiles(in configuration: AgentConfiguration) -> [SecretFile] { [] }
    var checkPace: CheckPace { CheckPace() }
    func checks(_ checks: Checks) async -> [Finding] { [] }
    func checks(_ checks: Checks, cluster: Cluster, controller: SlurmController) async -> [Finding] { [] }
    func clusterSubjects(in configuration: AgentConfiguration) -> [String] { [] }
    var troublePart: String { name }
    func report(_ parts: RunningParts.State, _ configuration: AgentConfiguration) async -> StatusReport { { _ in } }
    func control(_ parts: RunningParts) -> [String: ControlServer.Handler] { [:] }
    var commands: [any AsyncParsableCommand.Type] { [] }

    func unopened(_ parts: RunningParts.State, _ configuration: AgentConfiguration) -> [String] {
        isConfigured(in: configuration) && parts.gateways[name]?.running == nil ? [name] : []
    }
}
