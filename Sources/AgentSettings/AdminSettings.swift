// SPDX-License-Identifier: GPL-3.0-or-later

/// Where health, metrics and the status page are served.
package struct AdminSettings: Equatable, Sendable {
    /// `admin.socket`, path. Default `/run/slurm-grid-agent/admin.sock`.
    package var socket = "/run/slurm-grid-agent/admin.sock"
    /// `admin.mode`, octal: the socket's permissions. Default 0660.
    package var mode: UInt32 = 0o660
    /// `admin.listen`, numeric ADDRESS:PORT: TCP too. Default: off.
    package var listen: ListenAddress?
    /// `admin.token-file`, path: what a request by TCP must bring. Needed with `admin.listen`.
    package var tokenFile: String?
    /// `admin.hosts`: host names, in lower case, that a request's Host header may have by TCP, besides the address of
    /// `admin.listen` and localhost. Default: none.
    package var hosts: [String] = []

    /// What must fit together.
    package func check() throws(AgentConfiguration.Conflict) {
        guard listen == nil || tokenFile != nil else {
            throw .init(
                keys: ["admin.listen"],
                text:
                    "every user of this host can reach a TCP port: set admin.token-file too, or leave admin.listen out")
        }
    }

    package var notices: [String] {
        listen == nil && (tokenFile != nil || !hosts.isEmpty)
            ? ["admin.listen is off: admin.token-file and admin.hosts mean nothing then"] : []
    }
}

extension ConfigurationKey {
    static let admin: [ConfigurationKey] = [
        ConfigurationKey(
            "admin.socket", \.admin.socket, .socket,
            "Where health, metrics and the status page are served: a Unix socket."),
        ConfigurationKey("admin.mode", \.admin.mode, .mode, "Its permissions."),
        ConfigurationKey(
            "admin.listen", \.admin.listen, .optional(.listenAddress),
            "Serves the same by TCP. Needs `admin.token-file`: a head node has users.", example: "127.0.0.1:6822"),
        ConfigurationKey(
            "admin.token-file", \.admin.tokenFile, .optional(.path),
            "Holds the token that a request by TCP must bring; nobody but the agent's user may read it.",
            example: "/etc/slurm-grid-agent/admin.token"),
        ConfigurationKey(
            "admin.hosts", \.admin.hosts, .list(.hostName),
            "Names that a request's Host header may have, besides localhost and the address of `admin.listen`.",
            example: "head.example.org"),
    ]
}
