// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import Jarvice
internal import TLSClient

/// `jarvice.…`: the gateway of a JARVICE upstream. Without `jarvice.listen` and `jarvice.listen-socket` there is none.
struct JarviceConfiguration: GatewaySettings {
    /// `jarvice.listen`, numeric ADDRESS:PORT. Default: off.
    var listen: ListenAddress?
    /// `jarvice.listen-socket`, path. Default: off.
    var socket: String?
    /// `jarvice.socket-mode`, octal: its permissions. Default 0660.
    var socketMode: UInt32 = 0o660
    /// `jarvice.server-key-file`, path: `user:password`, which each call must bring.
    var serverKeyFile: String?
    /// JARVICE_SCHED_SERVER_KEY: the same, from the environment.
    var serverKey: String?
    /// `jarvice.tls.certificate`, `jarvice.tls.key`, `jarvice.tls.client-ca`, paths. Default: no TLS.
    var certificate: String?
    var certificateKey: String?
    var clientAuthority: String?
    /// `jarvice.rate-limit`, number: calls of a peer a second. Default 5000.
    var rateLimit = 5000
    /// `jarvice.token.keys`, path or URL of a JSON Web Key Set.
    var keys: String?
    /// `jarvice.users.map-file`, path: the reference's YAML. Else `users` of the settings is a claim's name.
    var mapFile: String?
    /// `jarvice.users.claim`, text. Default `preferred_username`.
    var claim = "preferred_username"
    /// `jarvice.files-socket`, path: where the helper listens that reads what jobs wrote. Default: off.
    var filesSocket: String?
    /// `jarvice.token.algorithms`, list. Default: all.
    var algorithms: [TokenSettings.Algorithm] = TokenSettings.Algorithm.allCases
    /// `jarvice.jobs.domain`, text: the public names of interactive jobs. Default: such jobs are refused.
    var jobsDomain: JobsDomain?
    /// `jarvice.jobs.listen`, numeric ADDRESS:PORT: where their pages are. Default: off.
    var jobsListen: ListenAddress?
    /// `jarvice.jobs.tls.certificate`, `jarvice.jobs.tls.key`, paths. Default: no TLS.
    var jobsChain: String?
    var jobsKey: String?
    /// `jarvice.dialogue-file`, path: where calls are recorded. Default: off.
    var dialogueFile: String?
    /// `jarvice.connector`: `slurm` (default), or `dummy`, for demonstrations.
    var connector = Connector.slurm
    /// `jarvice.dummy.queued-time`, `jarvice.dummy.running-time`, seconds; `jarvice.dummy.failing-percent`;
    /// `jarvice.dummy.interactive`.
    var dummy = DummyConnector.Settings()
    /// All else.
    var settings = JarviceSettings()

    enum Connector: String, Sendable, CaseIterable {
        case slurm, dummy
    }

    var isOn: Bool { listen != nil || socket != nil }

    var takesInteractive: Bool { jobsDomain != nil && jobsListen != nil }
    var ownCertificate: ServerCertificate? {
        certificate.flatMap { chain in
            certificateKey.map { ServerCertificate(chain: chain, key: $0, clientAuthority: clientAuthority) }
        }
    }

    var jobsCertificate: ServerCertificate? {
        jobsChain.flatMap { chain in jobsKey.map { ServerCertificate(chain: chain, key: $0) } }
    }

    private var hasServerKey: Bool { serverKey != nil || serverKeyFile != nil }

    // MARK: what must fit together

    func check() throws(AgentConfiguration.Conflict) {
        guard isOn else { return }
        func missing(_ keys: [String], _ text: String) -> AgentConfiguration.Conflict { .init(keys: keys, text: text) }
        guard (certificate == nil) == (certificateKey == nil) else {
            throw missing(
                ["jarvice.tls.certificate", "jarvice.tls.key"],
                "TLS needs both jarvice.tls.certificate and jarvice.tls.key")
        }
        guard clientAuthority == nil || certificate != nil else {
            throw missing(["jarvice.tls.client-ca"], "clients' certificates need TLS: set jarvice.tls.certificate too")
        }
        guard (jobsChain == nil) == (jobsKey == nil) else {
            throw missing(
                ["jarvice.jobs.tls.certificate", "jarvice.jobs.tls.key"],
                "TLS needs both jarvice.jobs.tls.certificate and jarvice.jobs.tls.key")
        }
        guard jobsListen == nil || jobsDomain != nil else {
            throw missing(
                ["jarvice.jobs.listen"],
                "what are the pages of interactive jobs called? set jarvice.jobs.domain")
        }
        if let listen, !listen.isOnThisHost, !hasServerKey, clientAuthority == nil {
            throw missing(
                ["jarvice.listen"],
                "whoever reaches \(listen) could end jobs: set jarvice.server-key-file or jarvice.tls.client-ca, or listen "
                    + "on 127.0.0.1 or jarvice.listen-socket")
        }
        guard connector == .slurm else { return }
        let tokens = settings.tokens
        if !tokens.isInsecure {
            guard keys != nil else {
                throw missing(
                    ["jarvice.token.keys"],
                    "tokens cannot be verified: set jarvice.token.keys to the issuer's key set, a path or an https URL")
            }
            guard tokens.issuer != nil else {
                throw missing(["jarvice.token.issuer"], "whose tokens are believed? set jarvice.token.issuer")
            }
            guard tokens.audience != nil else {
                throw missing(
                    ["jarvice.token.audience"],
                    "tokens for other services would be taken here: set jarvice.token.audience")
            }
        }
        let registries = settings.executor.registries
        guard !registries.systemRegistry.isEmpty, !registries.systemBase.isEmpty else {
            throw missing(
                ["jarvice.registry.system", "jarvice.registry.system-base"],
                "where the init image comes from is not known: set jarvice.registry.system and "
                    + "jarvice.registry.system-base")
        }
        guard registries.localRegistry.isEmpty || !registries.localBase.isEmpty else {
            throw missing(["jarvice.registry.local"], "jarvice.registry.local needs jarvice.registry.local-base")
        }
    }

    func notices(retention: Duration, places: [String: AgentConfiguration.Place]) -> [String] {
        guard isOn else {
            return places.keys.contains { $0.hasPrefix("jarvice.") }
                ? ["jarvice.listen and jarvice.listen-socket are off: the other jarvice keys mean nothing then"] : []
        }
        var notices: [String] = []
        if connector == .dummy {
            notices.append("jarvice.connector: dummy answers by the clock, and submits no job")
        } else if settings.tokens.isInsecure {
            notices.append(
                "jarvice.insecure-tokens: tokens are believed unverified, so that whoever may call can run jobs as any "
                    + "user; set jarvice.token.keys, issuer and audience")
        }
        if let listen, !listen.isOnThisHost, certificate == nil {
            notices.append(
                "jarvice.listen: tokens and the password can be read on their way to \(listen): set "
                    + "jarvice.tls.certificate, or listen on 127.0.0.1 behind a TLS proxy")
        }
        if jobsDomain != nil, jobsListen == nil {
            notices.append("jarvice.jobs.domain: interactive jobs are refused until jarvice.jobs.listen is set")
        }
        if let jobsListen, !jobsListen.isOnThisHost, jobsChain == nil {
            notices.append(
                "jarvice.jobs.listen: what users see of their jobs, and the secrets of their URLs, can be read on their way "
                    + "to \(jobsListen): set jarvice.jobs.tls.certificate, or listen on 127.0.0.1 behind a TLS proxy")
        }
        if let dialogueFile {
            notices.append(
                "jarvice.dialogue-file: calls are recorded in \(dialogueFile); remove the key when they need not be")
        }
        if retention < .seconds(86_400) {
            notices.append("retention is less than a day: exit statuses of JARVICE jobs are kept for that long only")
        }
        return notices
    }
}

extension AgentConfiguration {
    var jarvice: JarviceConfiguration {
        get { self[JarviceConfiguration.self] }
        set { self[JarviceConfiguration.self] = newValue }
    }
}

extension ListenAddress {
    /// Only this host reaches it.
    var isOnThisHost: Bool { host == "::1" || host.hasPrefix("127.") }
}
