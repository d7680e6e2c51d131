// SPDX-License-Identifier: GPL-3.0-or-later

internal import AdminHTTP
internal import AgentSettings
internal import FoundationEssentials
internal import Glibc
internal import Logging
internal import NIOConcurrencyHelpers
internal import Observability
internal import ServiceLifecycle
internal import Slurm
internal import Sockets
internal import UnixSignals

/// The running agent: locks its state, answers administrators at once, and runs all parts until a signal. What needs Slurm or
/// a chain opens when those let it.
struct Daemon {
    let configurationFile: String?
    let configuration: AgentConfiguration
    private let logger = Logger(label: "agent")

    /// Trying again does not help; said before the process ends.
    struct StartFailure: Error, CustomStringConvertible {
        var exitStatus: Int32
        var description: String
    }

    init(configurationFile: String?, configuration: AgentConfiguration) {
        self.configurationFile = configurationFile
        self.configuration = configuration
    }

    func run() async throws {
        SlurmController.shareHeap()
        let notifier = SystemdNotifier(environment: ProcessInfo.processInfo.environment)
        AgentLogHandler.setLevel(configuration.logLevel)
        AgentLogHandler.setFormat(configuration.logFormat.rawValue)
        // All of them, and where each came from: `config show`.
        for (key, value) in configuration.changed {
            logger.info("setting", metadata: ["key": "\(key)", "value": "\(value)"])
        }
        for notice in configuration.notices { logger.warning("\(notice)") }
        let folder = try lockStateFolder()
        let services = try services(folder.path, notifier)
        try await ServiceGroup(services, signals: [.sigterm, .sigint]).run()
        logger.notice("ended")
        withExtendedLifetime(folder) {}
    }

    private func lockStateFolder() throws -> StateFolder {
        do throws(StateFolder.Problem) {
            return try StateFolder(configuration.stateFolder)
        } catch {
            throw StartFailure(
                exitStatus: error.description.contains("another agent") ? 75 : 73, description: error.description)
        }
    }

    /// Ended in the opposite order.
    private func services(_ folder: String, _ notifier: SystemdNotifier) throws -> [any Service] {
        let begun = configurationFile.map(FileWatch.identity)
        let parts = RunningParts(configuration) {
            [configuration, configurationFile] () throws(AgentConfiguration.Problem) in
            guard configurationFile.map(FileWatch.identity) != begun else { return nil }
            return try configuration.reread(file: configurationFile, environment: ProcessInfo.processInfo.environment)
        }
        let retention = NIOLockedValueBox(configuration.retention)
        let status = StatusSource(
            parts, problems: { AgentLogHandler.problems }, problemCounts: { AgentLogHandler.problemCounts })
        // While there is still somebody to tell.
        _ = try Self.socket(configuration.bridgeSocket)
        return [
            LogKeeper(),
            Caretaker(parts: parts, status: status, notifier: notifier, logger: logger),
            SlurmPart(
                configuration: configuration, folder: folder, parts: parts, notifier: notifier, retention: retention,
                logger: logger),
            HealthRounds(configuration: configuration, file: configurationFile, parts: parts, logger: logger),
            Reloader(
                file: configurationFile, running: configuration, retention: retention, notifier: notifier,
                logger: logger, take: { await parts.take($0) }),
            ControlServer(
                socket: try Self.socket(configuration.controlSocket), allowedUsers: [0, geteuid()],
                handlers: ControlHandlers(
                    parts: parts, status: status, socket: configuration.bridgeSocket,
                    listen: configuration.bridgeListen,
                    slurmConf: configuration.slurmConf
                ).all,
                logger: logger, onTrouble: { parts.door("control.socket", $0) }),
            try adminServer(status, parts),
            Farewell(parts: parts, notifier: notifier),
        ]
    }

    private func adminServer(_ status: StatusSource, _ parts: RunningParts) throws -> AdminServer {
        // Whether it can be made there is the server's affair: who follows jobs does not end for a page.
        var settings = AdminServer.Settings(socket: try Self.path(configuration.admin.socket))
        settings.mode = configuration.admin.mode
        settings.hosts = configuration.admin.hosts
        if let listen = configuration.admin.listen, let file = configuration.admin.tokenFile {
            do {
                settings.tcp = .init(listen: listen, token: try AdminToken(file: file))
            } catch {
                throw StartFailure(exitStatus: 78, description: "admin.token-file: \(error)")
            }
        }
        return AdminServer(
            settings, Gateways.all, logger: logger, onTrouble: { parts.door($0, $1) },
            status: { await status.current() })
    }

    private static func path(_ path: String) throws -> UnixSocketPath {
        do throws(UnixSocketPath.Problem) {
            return try UnixSocketPath(path)
        } catch {
            throw StartFailure(exitStatus: 78, description: error.description)
        }
    }

    /// Checks that a socket can be made there.
    static func socket(_ path: String) throws -> UnixSocketPath {
        let socket = try Self.path(path)
        do throws(UnixSocketPath.Problem) {
            try socket.prepare()
            return socket
        } catch {
            throw StartFailure(exitStatus: 73, description: error.description)
        }
    }
}
