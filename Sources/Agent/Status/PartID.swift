// SPDX-License-Identifier: GPL-3.0-or-later

/// The names of parts in metrics: they stay what they are when the words on the screen change.
enum PartID {
    /// By the words on the screen.
    static let all = [
        "account": "account", "admin.listen": "admin_listen", "admin.socket": "admin_socket",
        "associations": "associations", "balance": "balance", "benchmark.run-as": "benchmark_user",
        "bridge.listen": "bridge_listen", "bridge.socket": "bridge_socket", "chain": "chain", "clock": "clock",
        "configuration": "configuration",
        "contract": "contract", "control.socket": "control_socket", "credentials": "credentials",
        "customers": "customers", "grid jobs": "grid_jobs", "grid's file": "grid_file",
        "jarvice": "jarvice", "jarvice.listen": "jarvice_listen", "jarvice.listen-socket": "jarvice_listen_socket",
        "jarvice key file": "jarvice_key_file", "jarvice resources": "jarvice_resources",
        "jarvice TLS key": "jarvice_tls_key", "jarvice tokens": "jarvice_tokens", "jarvice users": "jarvice_users",
        "jobcomp plugin": "jobcomp_plugin", "key": "key", "key file": "key_file", "key's use": "key_use",
        "ledger": "ledger", "partition": "partition", "password file": "password_file", "port": "port",
        "provider": "provider", "qos": "qos", "sbatch service": "sbatch_service", "slurm.conf": "slurm_conf",
        "slurmctld": "slurmctld", "slurmdbd": "slurmdbd", "SlurmUser": "slurm_user", "socket": "socket",
        "SPANK plugin": "spank_plugin", "spool": "spool", "state folder": "state_folder", "supervisor": "supervisor",
        "token file": "token_file", "transactions": "transactions", "user": "user", "users.map": "users_map",
    ]

    /// What is not among them is written in the same letters.
    static func of(_ name: String) -> String {
        if let known = all[name] { return known }
        let letters = name.lowercased().unicodeScalars.map { scalar in
            scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil)
                ? Character(scalar) : "_"
        }
        return String(letters)
    }
}
