// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import Jarvice

extension ConfigurationKey {
    static let jarvice = jarviceCalls + jarviceUsers + jarviceJobs + jarvicePages + jarviceImages

    private static let jarviceCalls: [ConfigurationKey] = [
        ConfigurationKey(
            "jarvice.listen", \.jarvice.listen, .optional(.listenAddress),
            "Takes calls of a JARVICE upstream by HTTP. Beyond this host it needs `jarvice.server-key-file` or "
                + "`jarvice.tls.client-ca`.", example: "127.0.0.1:8080"),
        ConfigurationKey(
            "jarvice.listen-socket", \.jarvice.socket, .optional(.socket), "The same on a Unix socket.",
            example: "/run/slurm-grid-agent/jarvice.sock"),
        ConfigurationKey("jarvice.socket-mode", \.jarvice.socketMode, .mode, "Its permissions."),
        ConfigurationKey(
            "jarvice.server-key-file", \.jarvice.serverKeyFile, .optional(.path),
            "Holds `user:password`, one line: the HTTP basic credentials that each call must bring.",
            example: "/etc/slurm-grid-agent/jarvice.key"),
        ConfigurationKey(
            "jarvice.server-key", \.jarvice.serverKey, .optional(.hidden),
            "The same, for an environment file that moves over. Prefer the file.", example: "user:password"),
        ConfigurationKey(
            "jarvice.tls.certificate", \.jarvice.certificate, .optional(.path),
            "A PEM file: the certificate, with its chain, for TLS on `jarvice.listen`.",
            example: "/etc/slurm-grid-agent/jarvice.crt"),
        ConfigurationKey(
            "jarvice.tls.key", \.jarvice.certificateKey, .optional(.path), "Its private key, a PEM file.",
            example: "/etc/slurm-grid-agent/jarvice.pem"),
        ConfigurationKey(
            "jarvice.tls.client-ca", \.jarvice.clientAuthority, .optional(.path),
            "A PEM file: callers must have a certificate that leads to it.",
            example: "/etc/slurm-grid-agent/jarvice-clients.crt"),
        ConfigurationKey(
            "jarvice.connector", \.jarvice.connector, .choice,
            "`dummy` answers by the clock and submits no job, to demonstrate or try an upstream."),
        ConfigurationKey(
            "jarvice.dummy.queued-time", \.jarvice.dummy.queued, .number(0...86_400, "seconds"),
            "How long its jobs wait."),
        ConfigurationKey(
            "jarvice.dummy.running-time", \.jarvice.dummy.running, .number(0...86_400, "seconds"),
            "How long they run then."),
        ConfigurationKey(
            "jarvice.dummy.failing-percent", \.jarvice.dummy.failingPercent, .number(0...100, "percent"),
            "How many of them fail."),
        ConfigurationKey(
            "jarvice.dummy.interactive", \.jarvice.dummy.isInteractive, .boolean,
            "They have a page, `http://localhost:8080`."),
        ConfigurationKey(
            "jarvice.rate-limit", \.jarvice.rateLimit, .number(1...1_000_000, "calls a second"),
            "What one address may call; more is answered with 429."),
        ConfigurationKey(
            "jarvice.dialogue-file", \.jarvice.dialogueFile, .optional(.path),
            "Calls and their answers are recorded there for support, without tokens, scripts, outputs and secrets; see jarvice.md, "
                + "*Support*.", example: "/var/lib/slurm-grid-agent/jarvice-dialogue.jsonl"),
    ]

    private static let jarviceUsers: [ConfigurationKey] = [
        ConfigurationKey(
            "jarvice.token.keys", \.jarvice.keys, .optional(.keySet, else: "off"),
            "The token issuer's JSON Web Key Set: a path, or an https URL, which is read again every 10 minutes.",
            example: "https://login.example.org/realms/jarvice/protocol/openid-connect/certs"),
        ConfigurationKey(
            "jarvice.token.ca", \.jarvice.settings.tokens.authority, .optional(.path, else: "the system's"),
            "A PEM file: what the certificate of that URL is verified against.",
            example: "/etc/ssl/certs/ca-certificates.crt"),
        ConfigurationKey(
            "jarvice.token.issuer", \.jarvice.settings.tokens.issuer, .optional(.word("TEXT")),
            "What a token's claim `iss` must be.", example: "https://login.example.org/realms/jarvice"),
        ConfigurationKey(
            "jarvice.token.audience", \.jarvice.settings.tokens.audience, .optional(.word("TEXT")),
            "What a token's claim `aud` must be, or hold.", example: "jarvice"),
        ConfigurationKey(
            "jarvice.token.algorithms", \.jarvice.algorithms, .list(.choice),
            "Signatures that are believed; never `none`, and none by a shared secret."),
        ConfigurationKey(
            "jarvice.token.leeway", \.jarvice.settings.tokens.leeway, .duration(.zero, .seconds(600)),
            "How far the issuer's clock may be off."),
        ConfigurationKey(
            "jarvice.insecure-tokens", \.jarvice.settings.tokens.isInsecure, .boolean,
            "Believes every token, unverified. Whoever may call can run jobs as any user: for a site that cannot verify yet, "
                + "with a warning at each start."),
        ConfigurationKey(
            "jarvice.users.map-file", \.jarvice.mapFile, .optional(.path),
            "Whose e-mail address is which user: the reference downstream's `users_id_mapping_configuration.yaml`, as it is. "
                + "Read again when it changes. Only root and SlurmUser may be able to write it.",
            example: "/etc/slurm-grid-agent/users_id_mapping_configuration.yaml"),
        ConfigurationKey(
            "jarvice.users.claim", \.jarvice.claim, .word("CLAIM"),
            "Without a map: the token's claim that is the login name, such as `preferred_username` or `sun`."),
        ConfigurationKey(
            "jarvice.minimum-uid", \.jarvice.settings.minimumUserID, .number(1...4_000_000_000),
            "Jobs run as no user with a lower uid."),
        ConfigurationKey(
            "jarvice.groups", \.jarvice.settings.groups, .list(.word("GROUP")),
            "Users must be members of one of these; none: of any.", example: "jarvice"),
    ]

    private static let jarviceJobs: [ConfigurationKey] = [
        ConfigurationKey(
            "jarvice.default-partition", \.jarvice.settings.partition, .optional(.partition, else: "Slurm's default"),
            "Where jobs go that name no partition.", example: "batch"),
        ConfigurationKey(
            "jarvice.executor", \.jarvice.settings.executor.executor, .choice, "What runs applications on the nodes."),
        ConfigurationKey(
            "jarvice.scratch", \.jarvice.settings.executor.scratch, .directoryText,
            "Where jobs write, below it `.jarvice`; `$HOME` and `$USER` are the job's user's. Empty: the home directory.",
            example: "/scratch/$USER"),
        ConfigurationKey(
            "jarvice.files-socket", \.jarvice.filesSocket, .optional(.socket),
            "Where slurm-grid-agent-files.socket listens, whose helper reads the output of jobs as their users; see jarvice.md, "
                + "*Output*. Off: upstream gets none.", example: "/run/slurm-grid-agent-files.sock"),
        ConfigurationKey(
            "jarvice.keep-output", \.jarvice.settings.keepOutput, .duration(.seconds(3600), .seconds(3650 * 86_400)),
            "How long after its end a job's output, and its directory below `.jarvice/jobs`, stay; then that helper removes "
                + "them. What nobody has asked for is kept for upstream first."),
        ConfigurationKey(
            "jarvice.listing-user", \.jarvice.settings.listingUser, .optional(.word("USER"), else: "off"),
            "As whom directories are listed (`pvcls`) for a call without a token: below that user's home and the helper's "
                + "`--root` directories.", example: "jarvice"),
        ConfigurationKey(
            "jarvice.global-scratch", \.jarvice.settings.executor.globalScratch, .directoryText,
            "A scratch directory that all share.", example: "/scratch/shared"),
        ConfigurationKey(
            "jarvice.singularity.tmpdir", \.jarvice.settings.executor.temporaryDirectory, .directoryText,
            "Singularity's temporary directory on the nodes."),
        ConfigurationKey(
            "jarvice.singularity.overlay-size", \.jarvice.settings.executor.overlay, .number(0...10_000_000, "MB"),
            "Of containers; 0: a writable tmpfs, which needs Singularity 3.11.3."),
        ConfigurationKey(
            "jarvice.singularity.verbose", \.jarvice.settings.executor.isVerbose, .boolean, "Singularity tells more."),
        ConfigurationKey(
            "jarvice.proxy.http", \.jarvice.settings.executor.httpProxy, .freeWord("URL"),
            "`http_proxy` of nodes that pull images.", example: "http://proxy.example.org:3128"),
        ConfigurationKey(
            "jarvice.proxy.https", \.jarvice.settings.executor.httpsProxy, .freeWord("URL"), "`https_proxy` of them.",
            example: "http://proxy.example.org:3128"),
        ConfigurationKey(
            "jarvice.proxy.no", \.jarvice.settings.executor.noProxy, .freeWord("TEXT"), "`no_proxy` of them.",
            example: "localhost,.example.org"),
    ]

    private static let jarvicePages: [ConfigurationKey] = [
        ConfigurationKey(
            "jarvice.jobs.domain", \.jarvice.jobsDomain, .optional(.jobsDomain),
            "The public names of interactive jobs, `$` for the job's number: `job$.jobs.example.org` (or that without `job$.`), "
                + "or `jobs.example.org/job$`. Off: such jobs are refused.",
            example: "jobs.example.org"),
        ConfigurationKey(
            "jarvice.jobs.listen", \.jarvice.jobsListen, .optional(.listenAddress),
            "Where their pages are: a proxy to the first node of each.", example: "0.0.0.0:8443"),
        ConfigurationKey(
            "jarvice.jobs.tls.certificate", \.jarvice.jobsChain, .optional(.path),
            "A PEM file: the certificate of these names, with its chain. Read again when it changes.",
            example: "/etc/slurm-grid-agent/jarvice-jobs.crt"),
        ConfigurationKey(
            "jarvice.jobs.tls.key", \.jarvice.jobsKey, .optional(.path), "Its private key, a PEM file.",
            example: "/etc/slurm-grid-agent/jarvice-jobs.pem"),
        ConfigurationKey(
            "jarvice.jobs.service-port", \.jarvice.settings.servicePort, .number(1...65_535),
            "Where interactive applications listen on their node."),
    ]

    private static let jarviceImages: [ConfigurationKey] = [
        ConfigurationKey(
            "jarvice.registry.system", \.jarvice.settings.executor.registries.systemRegistry, .freeWord("HOST"),
            "The registry of JARVICE's own images. Required.", example: "us-docker.pkg.dev"),
        ConfigurationKey(
            "jarvice.registry.system-base", \.jarvice.settings.executor.registries.systemBase, .freeWord("PATH"),
            "Where they are in it. Required.", example: "jarvice-system/images"),
        ConfigurationKey(
            "jarvice.registry.images-tag", \.jarvice.settings.executor.registries.imagesTag, .word("TAG"),
            "Of the init image; the machine's architecture at its end becomes the job's."),
        ConfigurationKey(
            "jarvice.registry.username", \.jarvice.settings.executor.registries.initUser, .hiddenText,
            "Of the system registry: base64.", example: "X2pzb25fa2V5"),
        ConfigurationKey(
            "jarvice.registry.password", \.jarvice.settings.executor.registries.initPassword, .hiddenText,
            "Its password: base64.", example: "c2VjcmV0"),
        ConfigurationKey(
            "jarvice.registry.local", \.jarvice.settings.executor.registries.localRegistry, .freeWord("HOST"),
            "A registry with copies of all applications.", example: "registry.example.org:5000"),
        ConfigurationKey(
            "jarvice.registry.local-base", \.jarvice.settings.executor.registries.localBase, .freeWord("PATH"),
            "Where they are in it.", example: "jarvice"),
        ConfigurationKey(
            "jarvice.registry.proxy-port", \.jarvice.settings.executor.registries.proxyPort,
            .optional(.number(1...65_535)), "The port of a registry proxy on each node.", example: "32000"),
        ConfigurationKey(
            "jarvice.registry.proxy-repositories", \.jarvice.settings.executor.registries.proxyRepositories,
            .freeWord("TEXT"), "What goes through it: prefixes, with commas.",
            example: "us-docker.pkg.dev/jarvice"),
        ConfigurationKey(
            "jarvice.registry.global", \.jarvice.settings.executor.registries.globalRegistries, .freeWord("TEXT"),
            "Registries whose images every node has, with commas; empty: all.", example: "us-docker.pkg.dev"),
    ]
}

extension ValueKind where Value == JobsDomain {
    static var jobsDomain: Self {
        Self("NAME", allowed: "host, `$` in it or behind it for the job's number") { text throws(Problem) in
            do throws(JobsDomain.Malformed) {
                return try JobsDomain(text)
            } catch {
                throw Problem(description: "\(quoted(text)) \(error)")
            }
        }
    }
}

extension ValueKind where Value == String {
    /// Text that is shown as no more than that it is there.
    static var hidden: Self {
        Self("SECRET", allowed: "text", show: { _ in "set" }) { text throws(Problem) in
            guard text.contains(":"), text.utf8.count <= 1024 else {
                throw Problem(description: "is not USER:PASSWORD")
            }
            return text
        }
    }

    static var hiddenText: Self {
        Self("BASE64", allowed: "base64", show: { $0.isEmpty ? "none" : "set" }) { text throws(Problem) in
            guard text.utf8.count <= 65_536, text.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) else {
                throw Problem(description: "is not base64")
            }
            return text
        }
    }

    /// Text without white space; it may be empty.
    static func freeWord(_ placeholder: String) -> Self {
        Self(placeholder, allowed: "text without spaces", show: { $0.isEmpty ? "none" : $0 }) { text throws(Problem) in
            text.isEmpty ? text : try ValueKind<String>.word(placeholder).read([text])
        }
    }

    /// A directory on the nodes, which may begin with `$HOME` or hold `$USER`.
    static var directoryText: Self {
        Self("DIRECTORY", allowed: "path, $HOME and $USER in it", show: { $0.isEmpty ? "none" : $0 }) {
            text throws(Problem) in
            let plain = text.unicodeScalars.allSatisfy { $0.value > 32 && $0 != "\u{7f}" }
            guard plain, text.utf8.count <= 1024 else {
                throw Problem(description: "\(quoted(text)) has spaces, or is too long")
            }
            return text
        }
    }

    static var keySet: Self {
        Self("PATH|URL", allowed: "absolute path or https:// address") { text throws(Problem) in
            if text.hasPrefix("/") { return try ValueKind<String>.path.read([text]) }
            let local = ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"]
            guard text.hasPrefix("https://") || local.contains(where: text.hasPrefix), text.utf8.count <= 2048,
                text.utf8.allSatisfy({ $0 > 32 && $0 < 127 })
            else {
                throw Problem(
                    description:
                        "\(quoted(text)) is neither an absolute path nor an https:// address (http:// on this host)")
            }
            return text
        }
    }
}
