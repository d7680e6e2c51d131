// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import ClusterCockpit
internal import FoundationEssentials

/// The part of the configuration about ClusterCockpit. Without `clustercockpit.backends` the agent has nothing to do with it.
struct CockpitConfiguration: GatewaySettings {
    /// `clustercockpit.backends`, NAME=URL: each cc-backend, without `/api`. Default: none.
    var backends: [Pair] = []
    /// `clustercockpit.token-files`, NAME=PATH, and `clustercockpit.token-credentials`, NAME=CREDENTIAL: one for each backend.
    var tokenFiles: [Pair] = []
    var tokenCredentials: [Pair] = []
    /// `clustercockpit.nats`, NAME=URL: where a backend hears of jobs, in place of HTTP. Default: none.
    var nats: [Pair] = []
    /// `clustercockpit.nats-subjects`, NAME=SUBJECT. Default `jobs` for each.
    var natsSubjects: [Pair] = []
    /// `clustercockpit.nats-users`, NAME=USER. Default: none.
    var natsUsers: [Pair] = []
    /// `clustercockpit.nats-secret-files`, NAME=PATH, and `clustercockpit.nats-secret-credentials`, NAME=CREDENTIAL: the password of
    /// the user, or without one a token. Default: none.
    var natsSecretFiles: [Pair] = []
    var natsSecretCredentials: [Pair] = []
    /// `clustercockpit.nats-confirm-after`, duration. Default 3m.
    var natsConfirmAfter: Duration = .seconds(180)
    /// `clustercockpit.cluster`: as the backends name this cluster. Default: as Slurm does.
    var cluster: String?
    /// `clustercockpit.certificate-authority`, path of a PEM file: trusted instead of the system's.
    var certificateAuthority: String?
    /// `clustercockpit.requeue`: `replace`, `first` or `last-end`. Default `replace`.
    var requeue = RequeuePolicyKey.replace
    /// `clustercockpit.opt-out`: a word of admin_comment. Default `disable_cc_submission`.
    var optOut = "disable_cc_submission"
    /// `clustercockpit.ignore-hosts`, regular expression. Default: none.
    var ignoreHosts: String?
    /// `clustercockpit.job-script`, boolean. Default false.
    var withScript = false
    /// `clustercockpit.secret-patterns`, regular expressions. Default: none.
    var secretPatterns: [String] = []
    /// `clustercockpit.metadata-limit`, bytes of each value. Default 65536.
    var metaDataLimit = 65_536
    /// `clustercockpit.tags`, TYPE=NAME. Default: none.
    var tags: [Pair] = []
    /// `clustercockpit.hardware-file`, path. Default: none.
    var hardwareFile: HardwareFile?
    /// `clustercockpit.stop-unknown`, boolean. Default false; `clustercockpit.unknown-after`, duration. Default 1d.
    var stopsUnknown = false
    var unknownAfter: Duration = .seconds(86_400)
    /// `clustercockpit.node-states`, boolean. Default true.
    var tellsNodeStates = true
    /// `clustercockpit.parallel`: requests at once, to each backend. Default 4.
    var parallel = 4
    /// `clustercockpit.compare-interval`, duration. Default 6h.
    var compareInterval: Duration = .seconds(6 * 3600)
    /// `clustercockpit.timeout`, duration. Default 1m.
    var timeout: Duration = .seconds(60)

    /// As the module has it.
    enum RequeuePolicyKey: String, CaseIterable, Sendable {
        case replace, first
        case lastEnd = "last-end"
    }

    var isOn: Bool { !backends.isEmpty }

    /// What must fit together. Throws what to do.
    func check() throws(AgentConfiguration.Conflict) {
        let names = Set(backends.map(\.name))
        for (key, pairs) in [
            ("clustercockpit.token-files", tokenFiles), ("clustercockpit.token-credentials", tokenCredentials),
        ] {
            guard let stray = pairs.first(where: { !names.contains($0.name) }) else { continue }
            throw .init(keys: [key], text: "there is no backend \(quoted(stray.name)) in clustercockpit.backends")
        }
        for backend in backends {
            guard backend.value.hasPrefix("http://") || backend.value.hasPrefix("https://"),
                !backend.value.contains("@"), backend.value.utf8.allSatisfy({ $0 > 32 && $0 < 127 })
            else {
                throw .init(
                    keys: ["clustercockpit.backends"],
                    text: "the address of \(quoted(backend.name)) must begin with https:// or http:// and hold no user")
            }
            guard !backend.value.hasSuffix("/api"), !backend.value.hasSuffix("/api/") else {
                throw .init(
                    keys: ["clustercockpit.backends"], text: "leave /api out of the address of \(quoted(backend.name))")
            }
            let count = (tokenFiles + tokenCredentials).count { $0.name == backend.name }
            guard count == 1 else {
                throw .init(
                    keys: ["clustercockpit.backends"],
                    text: "backend \(quoted(backend.name)) needs one token: set clustercockpit.token-files or "
                        + "clustercockpit.token-credentials for it" + (count > 1 ? ", not both" : ""))
            }
        }
        try checkNATS(names)
        if let hosts = ignoreHosts, (try? Regex(hosts)) == nil {
            throw .init(keys: ["clustercockpit.ignore-hosts"], text: "\(quoted(hosts)) is not a regular expression")
        }
        for pattern in secretPatterns {
            do throws(SecretPatterns.Problem) {
                _ = try SecretPatterns([pattern])
            } catch {
                throw .init(keys: ["clustercockpit.secret-patterns"], text: "\(quoted(pattern)): \(error)")
            }
        }
    }

    private func checkNATS(_ backends: Set<String>) throws(AgentConfiguration.Conflict) {
        for server in nats {
            guard backends.contains(server.name) else {
                throw .init(
                    keys: ["clustercockpit.nats"],
                    text: "there is no backend \(quoted(server.name)) in clustercockpit.backends")
            }
            guard NATSAddress(server.value) != nil else {
                throw .init(
                    keys: ["clustercockpit.nats"],
                    text:
                        "the address of \(quoted(server.name)) must be nats://HOST:PORT or tls://HOST:PORT and hold no user"
                )
            }
        }
        for (key, pairs) in [
            ("clustercockpit.nats-subjects", natsSubjects), ("clustercockpit.nats-users", natsUsers),
            ("clustercockpit.nats-secret-files", natsSecretFiles),
            ("clustercockpit.nats-secret-credentials", natsSecretCredentials),
        ] {
            guard let stray = pairs.first(where: { pair in !nats.contains { $0.name == pair.name } }) else { continue }
            throw .init(keys: [key], text: "there is no backend \(quoted(stray.name)) in clustercockpit.nats")
        }
        if let subject = natsSubjects.first(where: { !Self.isSubject($0.value) }) {
            throw .init(
                keys: ["clustercockpit.nats-subjects"],
                text:
                    "\(quoted(subject.value)) is not a subject: words of plain characters with dots between them, none of them * or >"
            )
        }
        for user in natsUsers where secret(of: user.name) == 0 {
            throw .init(
                keys: ["clustercockpit.nats-users"],
                text: "the password of \(quoted(user.name)) is missing: set clustercockpit.nats-secret-files or "
                    + "clustercockpit.nats-secret-credentials for it")
        }
        if let double = nats.first(where: { secret(of: $0.name) > 1 }) {
            throw .init(
                keys: ["clustercockpit.nats-secret-files"],
                text: "\(quoted(double.name)) has a file and a credential: one of them is enough")
        }
    }

    private func secret(of name: String) -> Int {
        (natsSecretFiles + natsSecretCredentials).count { $0.name == name }
    }

    /// One that a message can be published to (NATS: subject-based messaging).
    private static func isSubject(_ text: String) -> Bool {
        text.utf8.count <= 255 && text.utf8.allSatisfy { $0 > 32 && $0 < 127 && $0 != 0x2a && $0 != 0x3e }
            && !text.split(separator: ".", omittingEmptySubsequences: false).contains("")
    }

    private func natsSettings(of name: String, _ folder: String) -> CockpitSettings.NATS? {
        guard let server = nats.first(where: { $0.name == name }) else { return nil }
        var settings = CockpitSettings.NATS(url: server.value)
        if let subject = natsSubjects.first(where: { $0.name == name }) { settings.subject = subject.value }
        settings.user = natsUsers.first { $0.name == name }?.value
        if let file = natsSecretFiles.first(where: { $0.name == name }) {
            settings.secretFile = file.value
        } else if let credential = natsSecretCredentials.first(where: { $0.name == name }) {
            settings.secretFile = folder + "/" + credential.value
            settings.isCredential = true
        }
        return settings
    }

    var notices: [String] {
        isOn || self == CockpitConfiguration()
            ? [] : ["without clustercockpit.backends the other keys of clustercockpit mean nothing"]
    }

    /// - Parameter cluster: Slurm's name of it.
    func settings(
        cluster: String, credentials: String? = ProcessInfo.processInfo.environment["CREDENTIALS_DIRECTORY"]
    ) -> CockpitSettings {
        var settings = CockpitSettings(cluster: self.cluster ?? cluster)
        let folder = credentials ?? SecretTrust.credentialsFolder
        settings.backends = backends.compactMap { backend in
            var known: CockpitSettings.Backend?
            if let file = tokenFiles.first(where: { $0.name == backend.name }) {
                known = .init(name: backend.name, url: backend.value, tokenFile: file.value)
            } else if let credential = tokenCredentials.first(where: { $0.name == backend.name }) {
                known = .init(
                    name: backend.name, url: backend.value, tokenFile: folder + "/" + credential.value,
                    isCredential: true)
            }
            known?.nats = natsSettings(of: backend.name, folder)
            return known
        }
        settings.confirmAfter = natsConfirmAfter
        settings.certificateAuthority = certificateAuthority
        settings.requeue = RequeueStorage(rawValue: requeue.rawValue) ?? .replace
        settings.optOut = optOut
        settings.ignoreHosts = ignoreHosts
        settings.withScript = withScript
        settings.secretPatterns = secretPatterns
        settings.metaDataLimit = metaDataLimit
        settings.tags = tags.map { ($0.name, $0.value) }
        settings.hardware = hardwareFile?.table ?? HardwareTable()
        settings.stopsUnknown = stopsUnknown
        settings.unknownAfter = unknownAfter
        settings.tellsNodeStates = tellsNodeStates
        settings.parallel = parallel
        settings.compareInterval = compareInterval
        settings.timeout = timeout
        return settings
    }
}

extension ConfigurationKey {
    static let clusterCockpit: [ConfigurationKey] = [
        ConfigurationKey(
            "clustercockpit.backends", \.clusterCockpit.backends, .named("NAME=URL"),
            "Each cc-backend by a name of your own and its address, without `/api`.",
            example: "main=https://cc.example.org"),
        ConfigurationKey(
            "clustercockpit.token-files", \.clusterCockpit.tokenFiles, .named("NAME=PATH"),
            "Of each backend the file with its token (JWT), of mode 0600; read at each use.",
            example: "main=/etc/slurm-grid-agent/cockpit.token"),
        ConfigurationKey(
            "clustercockpit.token-credentials", \.clusterCockpit.tokenCredentials, .named("NAME=CREDENTIAL"),
            "In place of that: the name of a file in `/etc/slurm-grid-agent/credentials`, or of a systemd credential.",
            example: "main=cockpit-token"),
        ConfigurationKey(
            "clustercockpit.nats", \.clusterCockpit.nats, .named("NAME=URL"),
            "The NATS server by which a backend with `api-subjects` (release 1.5) hears of jobs; all else goes by HTTP.",
            example: "main=tls://nats.example.org:4222"),
        ConfigurationKey(
            "clustercockpit.nats-subjects", \.clusterCockpit.natsSubjects, .named("NAME=SUBJECT"),
            "The backend's `subject-job-event`, where it is not `jobs`.", example: "main=cc.jobs"),
        ConfigurationKey(
            "clustercockpit.nats-users", \.clusterCockpit.natsUsers, .named("NAME=USER"),
            "As whom the agent logs in at the NATS server.", example: "main=agent"),
        ConfigurationKey(
            "clustercockpit.nats-secret-files", \.clusterCockpit.natsSecretFiles, .named("NAME=PATH"),
            "The file with that user's password, of mode 0600, or without a user with a token; its first line, read at each login.",
            example: "main=/etc/slurm-grid-agent/nats.secret"),
        ConfigurationKey(
            "clustercockpit.nats-secret-credentials", \.clusterCockpit.natsSecretCredentials,
            .named("NAME=CREDENTIAL"),
            "In place of that: the name of a file in `/etc/slurm-grid-agent/credentials`, or of a systemd credential.",
            example: "main=nats-secret"),
        ConfigurationKey(
            "clustercockpit.nats-confirm-after", \.clusterCockpit.natsConfirmAfter,
            .duration(.seconds(2), .seconds(86_400)),
            "How long after a start was published it is looked up whether the backend has it: longer than its `cron.commit-job-worker`."
        ),
        ConfigurationKey(
            "clustercockpit.cluster", \.clusterCockpit.cluster, .optional(.word("NAME"), else: "Slurm's name of it"),
            "As the backends name this cluster.", example: "cluster1"),
        ConfigurationKey(
            "clustercockpit.certificate-authority", \.clusterCockpit.certificateAuthority,
            .optional(.path, else: "the system's"), "A PEM file that is trusted for the backends instead.",
            example: "/etc/ssl/certs/site-ca.pem"),
        ConfigurationKey(
            "clustercockpit.requeue", \.clusterCockpit.requeue, .choice,
            "How later runs of a requeued job are stored, which no release takes within a day: `replace` deletes the row of the former run, `first` keeps it and stores no other, `last-end` makes one row from the first start to the last end."
        ),
        ConfigurationKey(
            "clustercockpit.opt-out", \.clusterCockpit.optOut, .word("WORD"),
            "A job with this word in its admin comment is not told."),
        ConfigurationKey(
            "clustercockpit.ignore-hosts", \.clusterCockpit.ignoreHosts, .optional(.word("REGEX")),
            "A job all of whose hosts match this regular expression is not told.", example: "login[0-9]+"),
        ConfigurationKey(
            "clustercockpit.job-script", \.clusterCockpit.withScript, .boolean, "Tells the batch script too."),
        ConfigurationKey(
            "clustercockpit.secret-patterns", \.clusterCockpit.secretPatterns, .list(.pattern),
            "What these regular expressions find in the job's name, its script and what `scontrol` shows is removed, also over several lines. One that can find the empty string is refused.",
            example: "(?i)(password|token)\\s*=\\s*\\S+"),
        ConfigurationKey(
            "clustercockpit.metadata-limit", \.clusterCockpit.metaDataLimit, .number(1024...1_000_000, "bytes"),
            "The most of each value of the metaData; what is longer is cut."),
        ConfigurationKey(
            "clustercockpit.tags", \.clusterCockpit.tags, .named("TYPE=NAME"),
            "Tags that each job gets. With one, a start is in the lists of release 1.5 at once.",
            example: "site=lab"),
        ConfigurationKey(
            "clustercockpit.hardware-file", \.clusterCockpit.hardwareFile, .hardwareFile,
            "A YAML file with the mappings `accelerators` and `cores`, for nodes whose topology a backend does not have.",
            example: "/etc/slurm-grid-agent/hardware.yaml"),
        ConfigurationKey(
            "clustercockpit.stop-unknown", \.clusterCockpit.stopsUnknown, .boolean,
            "Stops rows of jobs that Slurm does not know; otherwise they are told in the log."),
        ConfigurationKey(
            "clustercockpit.unknown-after", \.clusterCockpit.unknownAfter,
            .duration(.seconds(60), .seconds(365 * 86_400)),
            "How old such a row has to be."),
        ConfigurationKey(
            "clustercockpit.node-states", \.clusterCockpit.tellsNodeStates, .boolean,
            "Tells the states of all nodes each minute (release 1.5)."),
        ConfigurationKey(
            "clustercockpit.parallel", \.clusterCockpit.parallel, .number(1...16, "requests"),
            "Requests at once, to each backend."),
        ConfigurationKey(
            "clustercockpit.compare-interval", \.clusterCockpit.compareInterval,
            .duration(.seconds(60), .seconds(7 * 86_400)),
            "How often a backend's running rows are compared with the ledger; also done at the start and after errors."),
        ConfigurationKey(
            "clustercockpit.timeout", \.clusterCockpit.timeout, .duration(.seconds(1), .seconds(600)),
            "For one answer: a stop may wait for the backend's archiver."),
    ]
}

extension ValueKind where Value == [Pair] {
    /// Values that may be shown.
    static func named(_ form: String) -> Self {
        Self(
            form: .pairs, "\(form),…", allowed: "pairs \(form)", show: { shown($0.map { "\($0.name)=\($0.value)" }) }
        ) { values throws(Problem) in try Pair.read(values, form) }
    }
}

extension ValueKind where Value == String {
    /// A regular expression may have spaces.
    static var pattern: Self {
        Self("REGEX", allowed: "regular expression") { text throws(Problem) in
            guard !text.isEmpty, text.utf8.count <= 1024 else {
                throw Problem(description: "a regular expression has 1 to 1024 bytes")
            }
            return text
        }
    }
}
