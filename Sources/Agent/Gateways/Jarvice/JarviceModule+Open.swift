// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import Glibc
internal import Jarvice
internal import JarviceAnswers
internal import JobLifecycle
internal import Logging
internal import NIOConcurrencyHelpers
internal import NIOPosix
internal import ServiceLifecycle
internal import Sockets
internal import Support
internal import TLSClient

/// The gateway, and who answers at its doors.
struct JarviceRunning: Sendable {
    /// nil: the dummy connector answers.
    let gateway: JarviceGateway?
    let doors = JarviceDoors()

    func status() async -> JarviceGateway.Status {
        await gateway?.status() ?? .init(counts: .init(), refusals: [], keyAge: nil, keyCount: 0)
    }
}

/// By the part of `status` why nobody can come in at a door, or as somebody.
final class JarviceDoors: Sendable {
    private let state = NIOLockedValueBox<(troubles: [String: String], open: Set<String>)>(([:], []))

    var troubles: [String: String] { state.withLockedValue { $0.troubles } }
    var open: [String] { state.withLockedValue { $0.open.sorted() } }

    /// Of what is no door.
    func note(_ key: String, _ why: String?) { state.withLockedValue { $0.troubles[key] = why } }

    /// - Parameter why: nil: it is open.
    func tell(_ key: String, _ why: String?) {
        state.withLockedValue { state in
            state.troubles[key] = why
            if why == nil { state.open.insert(key) } else { state.open.remove(key) }
        }
    }
}

extension JarviceModule {
    func open(_ context: GatewayContext) async throws -> OpenGateway? {
        if context.configuration.jarvice.connector == .dummy { return try await openDummy(context) }
        guard let slurm = context.slurm else { throw Patience.Trouble(description: "there is no binding to Slurm") }
        let jarvice = context.configuration.jarvice
        let files = try await NIOThreadPool.singleton.runIfActive { try JarviceFiles(jarvice) }
        if files.mapHasKeys {
            context.logger.warning(
                "JARVICE: the user map has private ssh keys, which nobody needs any more: remove them")
        }
        let answers = try Self.answers(jarvice, context)
        let gateway = JarviceGateway(
            settings: files.settings, ledger: context.ledger,
            cluster: SlurmJarviceCluster(controller: slurm.controller, accounting: slurm.accounting),
            machine: Self.machine,
            files: jarvice.filesSocket.map { HelperFiles(socket: $0, logger: context.logger) }, answers: answers,
            logger: context.logger)
        let running = JarviceRunning(gateway: gateway)
        let certificate = try files.tls.map { try CertificateInForce($0) }
        let recorder = Self.recorder(jarvice, running, context.logger)
        var services: [any Service] = try Self.servers(jarvice, files, certificate, recorder).map { key, settings in
            CallServer(settings, gateway: gateway, logger: context.logger, onTrouble: { running.doors.tell(key, $0) })
        }
        if let recorder { services.append(recorder) }
        if let path = jarvice.mapFile {
            services.append(
                FileWatch(
                    paths: [path], name: "map", logger: context.logger,
                    onTrouble: { running.doors.note("jarvice users", $0) },
                    read: { gateway.change(users: .mapping(try JarviceFiles.mapping(path))) }))
        }
        if let certificate, let own = jarvice.ownCertificate {
            services.append(Self.watch(own, "jarvice.tls", "jarvice certificate", certificate, running, context.logger))
        }
        if jarvice.filesSocket != nil {
            services += [ReadAhead(gateway: gateway), OutputRemoval(gateway: gateway, logger: context.logger)]
        }
        services += try pages(jarvice, files, gateway, running, context.logger)
        report(jarvice, context.logger)
        return OpenGateway(running: running, services: services, consumer: gateway, close: { answers?.close() })
    }

    /// The same doors; nothing of Slurm.
    private func openDummy(_ context: GatewayContext) async throws -> OpenGateway {
        let jarvice = context.configuration.jarvice
        let files = try await NIOThreadPool.singleton.runIfActive { try JarviceFiles(jarvice) }
        let running = JarviceRunning(gateway: nil)
        let dummy = DummyConnector(jarvice.dummy)
        let certificate = try files.tls.map { try CertificateInForce($0) }
        let recorder = Self.recorder(jarvice, running, context.logger)
        var services: [any Service] = try Self.servers(jarvice, files, certificate, recorder).map { key, settings in
            CallServer(settings, dummy: dummy, logger: context.logger, onTrouble: { running.doors.tell(key, $0) })
        }
        if let certificate, let own = jarvice.ownCertificate {
            services.append(Self.watch(own, "jarvice.tls", "jarvice certificate", certificate, running, context.logger))
        }
        if let recorder { services.append(recorder) }
        context.logger.warning("JARVICE: the dummy connector answers: no job is submitted (jarvice.connector)")
        return OpenGateway(running: running, services: services)
    }

    /// Without a reader of outputs there is nothing to keep.
    private static func answers(
        _ jarvice: JarviceConfiguration, _ context: GatewayContext
    ) throws -> AnswerFile? {
        guard jarvice.filesSocket != nil else { return nil }
        return try AnswerFile.open(
            path: context.folder + "/" + JarviceModule.answerFile,
            now: { [clock = context.ledger.clock] in Int64(clock.now().timeIntervalSince1970) },
            onSetAside: { aside, reason in
                context.logger.error(
                    "jarvice.sqlite was damaged: it is kept aside, a new one is begun",
                    metadata: ["aside": "\(aside)", "why": "\(reason)"])
            })
    }

    /// Where users open the pages of interactive jobs.
    private func pages(
        _ jarvice: JarviceConfiguration, _ files: JarviceFiles, _ gateway: JarviceGateway, _ running: JarviceRunning,
        _ logger: Logger
    ) throws -> [any Service] {
        guard let domain = files.settings.jobsDomain, let listen = jarvice.jobsListen else { return [] }
        var services: [any Service] = []
        let certificate = try files.jobsTLS.map { try CertificateInForce($0) }
        if let certificate, let own = jarvice.jobsCertificate {
            services.append(
                Self.watch(own, "jarvice.jobs.tls", "jarvice jobs certificate", certificate, running, logger))
        }
        services.append(
            PageServer(
                .init(address: .tcp(host: listen.host, port: listen.port), domain: domain), certificate: certificate,
                gateway: gateway, logger: logger, onTrouble: { running.doors.tell("jarvice.jobs.listen", $0) }))
        return services
    }

    /// - Parameters:
    ///   - keys: what the keys begin with that name the files.
    ///   - part: of `status`, which says why they cannot be read.
    private static func watch(
        _ files: ServerCertificate, _ keys: String, _ part: String, _ certificate: CertificateInForce,
        _ running: JarviceRunning, _ logger: Logger
    ) -> FileWatch {
        FileWatch(
            paths: [files.chain, files.key] + (files.clientAuthority.map { [$0] } ?? []), name: "certificate",
            logger: logger, onTrouble: { running.doors.note(part, $0) },
            read: { try certificate.change(try files.checked(keys)) })
    }

    private static func servers(
        _ jarvice: JarviceConfiguration, _ files: JarviceFiles, _ certificate: CertificateInForce?,
        _ recorder: DialogueRecorder?
    ) throws -> [(key: String, settings: CallServer.Settings)] {
        var servers: [(key: String, settings: CallServer.Settings)] = []
        if let listen = jarvice.listen {
            let address = DoorAddress.tcp(host: listen.host, port: listen.port)
            servers.append(("jarvice.listen", .init(address: address, access: files.access, certificate: certificate)))
        }
        if let path = jarvice.socket {
            do throws(UnixSocketPath.Problem) {
                let address = DoorAddress.unix(try UnixSocketPath(path), mode: jarvice.socketMode)
                servers.append(("jarvice.listen-socket", .init(address: address, access: files.access)))
            } catch {
                throw Patience.Trouble(description: "jarvice.listen-socket: \(error)")
            }
        }
        for index in servers.indices {
            servers[index].settings.callsPerSecond = jarvice.rateLimit
            servers[index].settings.recorder = recorder
        }
        return servers
    }

    private static func recorder(
        _ jarvice: JarviceConfiguration, _ running: JarviceRunning, _ logger: Logger
    ) -> DialogueRecorder? {
        jarvice.dialogueFile.map { path in
            DialogueRecorder(path: path, logger: logger, onTrouble: { running.doors.note("jarvice dialogue", $0) })
        }
    }

    /// Of this host: the cluster's, unless the application says otherwise.
    private static let machine: String = {
        var name = utsname()
        guard uname(&name) == 0 else { return "x86_64" }
        return withUnsafePointer(to: &name.machine) { pointer in
            pointer.withMemoryRebound(to: CChar.self, capacity: 65) { String(cString: $0) }
        }
    }()

    /// What administrators of today's downstreams look for.
    private func report(_ jarvice: JarviceConfiguration, _ logger: Logger) {
        for (name, value) in jarvice.report { logger.notice("JARVICE: \(name)", metadata: ["value": "\(value)"]) }
        logger.notice("JARVICE: the gateway takes jobs")
    }
}
