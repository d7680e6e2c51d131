// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import Glibc
internal import Jarvice
internal import JobLifecycle
internal import Logging
internal import NIOPosix
internal import NIOSSL
internal import ServiceLifecycle
internal import Sockets
internal import Support

/// The gateway of a JARVICE upstream: opened once the ledger is, and its files can be read.
struct JarvicePart: Service {
    let configuration: AgentConfiguration
    let parts: RunningParts
    let ledger: Ledger
    let scheduler: SlurmScheduler
    let logger: Logger

    private struct Opened: Sendable {
        var gateway: JarviceGateway
        var servers: [(key: String, settings: CallServer.Settings)]
    }

    func run() async throws {
        let opened = try await Patience(retry: RetryPolicy(first: .milliseconds(500), ceiling: .seconds(30))).open(
            waiting: { trouble in
                parts.door(Self.name, trouble.description)
                logger.error("JARVICE: cannot start yet", metadata: ["why": "\(trouble)"])
            }, { try await open() })
        guard let opened else { return }
        parts.door(Self.name, nil)
        parts.change { $0.jarvice = opened.gateway }
        defer { parts.change { $0.jarvice = nil } }
        report()
        let servers = opened.servers.map { key, settings in
            CallServer(settings, gateway: opened.gateway, logger: logger, onTrouble: { [parts] in parts.door(key, $0) })
        }
        try await ServiceGroup(
            [OutboxRunner(ledger: ledger, gateway: opened.gateway, logger: logger)] + servers
        ).run()
    }

    static let name = "jarvice"

    // MARK: opening

    private func open() async throws -> Opened {
        let files = try await NIOThreadPool.singleton.runIfActive { try JarviceFiles(configuration.jarvice) }
        if files.mapHasKeys {
            logger.warning("JARVICE: the user map has private ssh keys, which nobody needs any more: remove them")
        }
        let gateway = JarviceGateway(
            settings: files.settings, ledger: ledger,
            cluster: SlurmJarviceCluster(controller: scheduler.controller, accounting: scheduler.accounting),
            machine: Self.machine, logger: logger)
        return Opened(gateway: gateway, servers: try servers(files))
    }

    private func servers(_ files: JarviceFiles) throws -> [(key: String, settings: CallServer.Settings)] {
        let jarvice = configuration.jarvice
        var servers: [(key: String, settings: CallServer.Settings)] = []
        if let listen = jarvice.listen {
            servers.append(
                (
                    "jarvice.listen",
                    .init(address: .tcp(host: listen.host, port: listen.port), access: files.access, tls: files.tls)
                ))
        }
        if let path = jarvice.socket {
            do throws(UnixSocketPath.Problem) {
                let address = DoorAddress.unix(try UnixSocketPath(path), mode: jarvice.socketMode)
                servers.append(("jarvice.listen-socket", .init(address: address, access: files.access)))
            } catch {
                throw Patience.Trouble(description: "jarvice.listen-socket: \(error)")
            }
        }
        for index in servers.indices { servers[index].settings.callsPerSecond = jarvice.rateLimit }
        return servers
    }

    /// Of this host: the cluster's, unless the application says otherwise.
    private static let machine: String = {
        var name = utsname()
        guard uname(&name) == 0 else { return "x86_64" }
        return withUnsafePointer(to: &name.machine) { pointer in
            pointer.withMemoryRebound(to: CChar.self, capacity: 65) { String(cString: $0) }
        }
    }()

    // MARK: the report at start

    /// What administrators of today's downstreams look for.
    private func report() {
        let jarvice = configuration.jarvice
        for (name, value) in jarvice.report {
            logger.notice("JARVICE: \(name)", metadata: ["value": "\(value)"])
        }
        logger.notice("JARVICE: the gateway takes jobs")
    }
}

/// What the gateway reads from files, once.
struct JarviceFiles: Sendable {
    var settings: JarviceSettings
    var access: ServerAccess
    var tls: TLSConfiguration?
    var mapHasKeys = false

    /// Blocks.
    /// - Throws: `Patience.Trouble`, naming the key.
    init(_ jarvice: JarviceConfiguration) throws {
        settings = jarvice.settings
        settings.tokens.algorithms = Set(jarvice.algorithms)
        settings.tokens.keys = jarvice.keys.map { $0.hasPrefix("/") ? .file($0) : .url($0) }
        settings.users = .claim(jarvice.claim)
        if let path = jarvice.mapFile {
            let mapping = try Self.mapping(path)
            settings.users = .mapping(mapping)
            mapHasKeys = mapping.hasKeys
        }
        access = ServerAccess(key: try Self.serverKey(jarvice))
        if let chain = jarvice.certificate, let key = jarvice.certificateKey {
            do {
                tls = try ServerCertificate(chain: chain, key: key, clientAuthority: jarvice.clientAuthority)
                    .configuration()
                _ = try tls.map { try NIOSSLContext(configuration: $0) }
            } catch {
                throw Patience.Trouble(description: "jarvice.tls: \(chain), \(key): \(error)")
            }
        }
    }

    private static func serverKey(_ jarvice: JarviceConfiguration) throws -> String? {
        guard let path = jarvice.serverKeyFile else { return jarvice.serverKey }
        do throws(AdminToken.Problem) {
            let text = String(decoding: try AdminToken(file: path).bytes, as: UTF8.self)
            guard text.contains(":") else {
                throw AdminToken.Problem(description: "\(path): is not USER:PASSWORD, one line")
            }
            return text
        } catch {
            throw Patience.Trouble(description: "jarvice.server-key-file: \(error)")
        }
    }

    static func mapping(_ path: String) throws -> UserMapping {
        let text: String
        do throws(AgentConfiguration.Problem) {
            text = try ConfigurationFile.read(path, missing: "write it, or remove the key") {
                status throws(AgentConfiguration.Problem) in
                if let trouble = UserMapFile.trouble(
                    path, owner: status.st_uid, mode: status.st_mode, user: geteuid())
                {
                    throw AgentConfiguration.Problem(description: trouble)
                }
            }
        } catch {
            throw Patience.Trouble(description: "jarvice.users.map-file: \(error.description)")
        }
        do throws(UserMapping.Malformed) {
            return try UserMapping(yaml: text)
        } catch {
            throw Patience.Trouble(description: "jarvice.users.map-file: \(path) \(error)")
        }
    }
}

extension JarviceConfiguration {
    /// Name and value, for the log, the status and `check`.
    var report: [(name: String, value: String)] {
        let executor = settings.executor
        let tokens = settings.tokens
        let proxies = [executor.httpProxy, executor.httpsProxy, executor.noProxy].filter { !$0.isEmpty }
        return [
            ("listen", shown([listen?.description, socket].compactMap { $0 })),
            (
                "server authentication",
                shown(
                    [
                        serverKey != nil || serverKeyFile != nil ? "password" : nil,
                        clientAuthority != nil ? "client certificates" : nil,
                    ].compactMap { $0 })
            ),
            (
                "tokens",
                tokens.isInsecure ? "NOT VERIFIED (jarvice.insecure-tokens)" : "of \(tokens.issuer ?? "?"), verified"
            ),
            ("users", mapFile ?? "claim \(claim)"),
            ("partition", settings.partition ?? "Slurm's default"),
            ("executor", executor.executor.rawValue),
            ("scratch directory", executor.scratch.isEmpty ? "the home directory" : executor.scratch),
            ("temporary directory", executor.temporaryDirectory),
            ("overlay size", executor.overlay == 0 ? "writable tmpfs" : "\(executor.overlay) MB"),
            ("proxies", shown(proxies)),
            ("interactive jobs", "refused: not built yet"),
        ]
    }
}
