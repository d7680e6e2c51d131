// SPDX-License-Identifier: GPL-3.0-or-later

/// The names of parts in metrics: they stay what they are when the words on the screen change.
struct PartID: Sendable {
    /// By the words on the screen.
    let all: [String: String]

    init(_ gateways: [any ShownGateway]) {
        all = Self.own.merging(
            gateways.flatMap { $0.parts.map { ($0.key, $0.value.metricName) } }, uniquingKeysWith: { own, _ in own })
    }

    private static let own = [
        "admin.listen": "admin_listen", "admin.socket": "admin_socket", "bridge.listen": "bridge_listen",
        "bridge.socket": "bridge_socket", "clock": "clock", "configuration": "configuration",
        "control.socket": "control_socket", "credentials": "credentials", "jobcomp plugin": "jobcomp_plugin",
        "ledger": "ledger", "port": "port", "slurm.conf": "slurm_conf",
        "slurmctld": "slurmctld", "slurmdbd": "slurmdbd", "SlurmUser": "slurm_user",
        "socket": "socket", "SPANK plugin": "spank_plugin", "spool": "spool",
        "state folder": "state_folder", "token file": "token_file", "user": "user",
    ]

    /// What is not among them is written in the same letters.
    func of(_ name: String) -> String {
        if let known = all[name] { return known }
        let letters = name.lowercased().unicodeScalars.map { scalar in
            scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil)
                ? Character(scalar) : "_"
        }
        return String(letters)
    }
}
