// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings

/// The agent's systemd unit, as far as it decides what the agent can see: its user, environment, credentials, and which folders
/// are its own. No I/O.
struct ServiceUnit: Equatable {
    static let name = "slurm-grid-agent.service"

    /// As systemctl(1) is asked for them.
    static let shown = [
        "LoadState", "User", "Group", "SupplementaryGroups", "Environment", "EnvironmentFiles", "ProtectHome",
        "PrivateTmp",
    ]

    private(set) var user: String
    /// As systemd-run(1) takes them.
    private(set) var properties: [String] = []

    /// - Parameters:
    ///   - text: what `systemctl show --property=…` prints.
    ///   - files: what `systemctl cat` prints: credentials are not shown in a form that can be used again.
    /// - Returns: nil when there is no such unit, or when it runs as root, which the agent does not.
    init?(_ text: String, files: String) {
        var user = ""
        for line in text.split(separator: "\n") {
            guard let equals = line.firstIndex(of: "=") else { continue }
            let (name, value) = (line[..<equals], String(line[line.index(after: equals)...]))
            guard !value.isEmpty else { continue }
            switch name {
            case "LoadState": guard value == "loaded" else { return nil }
            case "User":
                user = value
                properties.append(String(line))
            case "EnvironmentFiles":
                // `/etc/default/x (ignore_errors=yes)`
                let mark = " (ignore_errors="
                let parts = value.components(before: mark)
                properties.append("EnvironmentFile=\(parts.rest.hasPrefix("yes") ? "-" : "")\(parts.head)")
            case "ProtectHome", "PrivateTmp":
                if value != "no" { properties.append(String(line)) }
            default:
                properties.append(String(line))
            }
        }
        guard !user.isEmpty, user != "root", user != "0" else { return nil }
        self.user = user
        properties += Self.credentials(files)
    }

    /// An empty value takes back those before.
    private static func credentials(_ files: String) -> [String] {
        var found: [(key: Substring, value: Substring)] = []
        for line in files.split(separator: "\n") {
            let keys = ["LoadCredential=", "LoadCredentialEncrypted=", "SetCredential=", "SetCredentialEncrypted="]
            guard let key = keys.first(where: { line.hasPrefix($0) })?.dropLast() else { continue }
            let value = line.dropFirst(key.count + 1)
            if value.isEmpty { found.removeAll { $0.key == key } } else { found.append((key, value)) }
        }
        return found.map { "\($0.key)=\($0.value)" }
    }

    /// What systemd-run(1) is given to try this configuration as the service.
    ///
    /// Of /tmp it sees what the service sees, and the configuration: that may be tried from there first.
    ///
    /// - Parameter words: the command line of `check`; a file in it by its whole path.
    func arguments(program: String, words: [String]) -> [String] {
        // systemd expands variables: DAEMON_OPTS is split into words, what was typed stays as it is.
        let escaped = words.map { $0.split(separator: "$", omittingEmptySubsequences: false).joined(separator: "$$") }
        let shown = Self.configuration(words).filter { path in Self.shared.contains { path.hasPrefix($0) } }
            .map { "BindReadOnlyPaths=-\($0)" }
        return ["--quiet", "--pipe", "--wait", "--collect"] + (properties + shown).map { "--property=\($0)" }
            + ["--", program, "check", "--here", "--json", "$DAEMON_OPTS"] + escaped
    }

    /// Folders that everybody shares, of which a service with PrivateTmp= has its own.
    static let shared = ["/tmp/", "/var/tmp/"]

    /// What a file that is missing may suffer from; empty: its folder is the same for the service.
    static func advice(missing path: String) -> String {
        shared.contains { path.hasPrefix($0) }
            ? "; the service has a /tmp of its own: put the file elsewhere, such as /etc/slurm-grid-agent" : ""
    }

    private static func configuration(_ words: [String]) -> [String] {
        let next = zip(words, words.dropFirst()).filter { ["-config", "--config"].contains($0.0) }.map(\.1)
        let joined = ["-config=", "--config="].flatMap { name in
            words.filter { $0.hasPrefix(name) }.map { String($0.dropFirst(name.count)) }
        }
        return next + joined
    }
}

extension String {
    fileprivate func components(before mark: String) -> (head: String, rest: String) {
        var index = startIndex
        while index < endIndex {
            if self[index...].hasPrefix(mark) {
                return (String(self[..<index]), String(self[self.index(index, offsetBy: mark.count)...]))
            }
            index = self.index(after: index)
        }
        return (self, "")
    }
}
