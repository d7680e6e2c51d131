// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import ArgumentParser
internal import CommandOutput
internal import FoundationEssentials
internal import Support

/// Today's feeders' configurations (cc-slurm-sync's `config.json`, cc-slurm-adapter's) in our words. No I/O.
struct CockpitImport: Equatable {
    /// Lines for `config.yaml`.
    var lines: [String] = []
    /// Lines for `clustercockpit.hardware-file`; empty: none is needed.
    var hardware: [String] = []
    /// What has no use any more, and what is left to do.
    var notes: [String] = []

    static let hardwareFile = "/etc/slurm-grid-agent/hardware.yaml"
    static let tokenFile = "/etc/slurm-grid-agent/cockpit.token"
    static let natsSecretFile = "/etc/slurm-grid-agent/nats.secret"

    struct Unreadable: Error, CustomStringConvertible {
        var description: String
    }

    /// The fields of both.
    private struct Known: Decodable {
        struct Backend: Decodable {
            var host: String?
            var apikey: String?
        }

        var clustername: String?
        var backend: Backend?
        var accelerators: [String: [String: String]]?
        var nodePattern: String?
        var ccRestUrl: String?
        var ccRestJwt: String?
        var ignoreHosts: String?
        var gpuPciAddrs: [String: [String]]?
        var natsServer: String?
        var natsPort: Int?
        var natsSubject: String?
        var natsUser: String?
        var natsPassword: String?
        var ccRestSubmitJobs: Bool?

        enum CodingKeys: String, CodingKey {
            case clustername
            case backend = "cc-backend"
            case nodePattern = "node_regex"
            case accelerators, ccRestUrl, ccRestJwt, ignoreHosts, gpuPciAddrs, natsServer, natsPort, natsSubject,
                natsUser, natsPassword, ccRestSubmitJobs
        }
    }

    init(_ bytes: [UInt8]) throws(Unreadable) {
        let known: Known
        let names: [String]
        do {
            known = try JSONDecoder().decode(Known.self, from: Data(bytes))
            names = try JSONDecoder().decode([String: Anything].self, from: Data(bytes)).keys.sorted()
        } catch {
            throw Unreadable(description: "is not the JSON of cc-slurm-sync or cc-slurm-adapter")
        }
        guard let url = known.backend?.host ?? known.ccRestUrl, !url.isEmpty else {
            throw Unreadable(description: "names no backend: neither cc-backend.host nor ccRestUrl is in it")
        }
        var address = url
        while address.hasSuffix("/") { address.removeLast() }
        if address.hasSuffix("/api") { address.removeLast(4) }
        lines = [
            "clustercockpit:", "  backends: {main: \(Self.quoted(address))}",
            "  token-files: {main: \(Self.quoted(Self.tokenFile))}",
        ]
        if let cluster = known.clustername { lines.append("  cluster: \(Self.quoted(cluster))") }
        if let hosts = known.ignoreHosts, !hosts.isEmpty { lines.append("  ignore-hosts: \(Self.quoted(hosts))") }
        // Both told the script.
        lines.append("  job-script: true")
        takeNATS(known)
        takeAccelerators(known)
        if known.backend?.apikey?.isEmpty == false || known.ccRestJwt?.isEmpty == false {
            notes.append(
                "put the token into \(Self.tokenFile), of mode 0600 and the agent's user: it is not printed here")
        }
        if known.nodePattern != nil {
            notes.append("node_regex has no use: Slurm's lists of nodes are read as Slurm does")
        }
        let used: Set<String> = [
            "clustername", "cc-backend", "accelerators", "node_regex", "ccRestUrl", "ccRestJwt", "ignoreHosts",
            "gpuPciAddrs", "natsServer", "natsPort", "natsSubject", "natsUser", "natsPassword", "ccRestSubmitJobs",
        ]
        for name in names where !used.contains(name) {
            notes.append("\(PrintableText.of(name)) has no use: the agent follows jobs by its plugins and libslurm")
        }
    }

    private struct Anything: Decodable {
        init(from decoder: any Decoder) throws {}
    }

    /// By NATS alone where the adapter told the backend so; else its messages were copies of what went by HTTP.
    private mutating func takeNATS(_ known: Known) {
        guard let server = known.natsServer, !server.isEmpty else { return }
        guard known.ccRestSubmitJobs == false else {
            notes.append("natsServer has no use: jobs go to the backend by HTTP, and no copies to others")
            return
        }
        lines.append("  nats: {main: \(Self.quoted("nats://\(server):\(known.natsPort ?? 4222)"))}")
        if let subject = known.natsSubject { lines.append("  nats-subjects: {main: \(Self.quoted(subject))}") }
        if let user = known.natsUser, !user.isEmpty { lines.append("  nats-users: {main: \(Self.quoted(user))}") }
        guard known.natsPassword?.isEmpty == false else { return }
        lines.append("  nats-secret-files: {main: \(Self.quoted(Self.natsSecretFile))}")
        notes.append(
            "put natsPassword into \(Self.natsSecretFile), of mode 0600 and the agent's user: it is not printed here")
    }

    private mutating func takeAccelerators(_ known: Known) {
        var groups = known.accelerators ?? [:]
        for (pattern, addresses) in known.gpuPciAddrs ?? [:] {
            let entries = addresses.enumerated().map { ("\($0.offset)", $0.element) }
            groups[pattern] = Dictionary(entries) { first, _ in first }
            notes.append(
                "\(PrintableText.of(pattern)) was a regular expression: write the beginning of the hosts' names")
        }
        guard !groups.isEmpty else { return }
        lines.append("  hardware-file: \(Self.quoted(Self.hardwareFile))")
        hardware = ["accelerators:"]
        for (prefix, table) in groups.sorted(by: { $0.key < $1.key }) {
            let entries = table.sorted { (Int($0.key) ?? 0, $0.key) < (Int($1.key) ?? 0, $1.key) }
            hardware.append(
                "  \(Self.quoted(prefix)): {"
                    + entries.map { "\(Self.quoted($0.key)): \(Self.quoted($0.value))" }.joined(separator: ", ") + "}")
        }
    }

    /// YAML's single quotes have no escapes but the doubled quote.
    private static func quoted(_ text: String) -> String {
        "'" + PrintableText.of(text).replacing("'", with: "''") + "'"
    }

    var text: String {
        var out = lines
        if !hardware.isEmpty { out += ["", "# \(Self.hardwareFile):"] + hardware.map { "# " + $0 } }
        if !notes.isEmpty { out += [""] + notes.map { "# note: \($0)" } }
        return out.joined(separator: "\n")
    }
}

extension ConfigCommand {
    struct Import: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "import",
            abstract: "Print the configuration of cc-slurm-sync or cc-slurm-adapter in this agent's keys.",
            discussion: "Reads their JSON file, changes nothing, and prints no token.")

        @Argument(help: "Their configuration.", completion: .file()) var file: String

        func run() async throws {
            do {
                let text = try ConfigurationFile.read(file)
                print(try CockpitImport(Array(text.utf8)).text)
            } catch let error as AgentConfiguration.Problem {
                error.complain()
                throw ExitCode(78)
            } catch let error as CockpitImport.Unreadable {
                CommandOutput.complain("slurm-grid-agent: \(file): \(error)")
                throw ExitCode(78)
            }
        }
    }
}
