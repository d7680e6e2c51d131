// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import Jarvice

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
            ("output of jobs", filesSocket.map { "read through \($0)" } ?? "not read"),
            (
                "interactive jobs",
                takesInteractive
                    ? "\(jobsDomain?.description ?? "") at \(jobsListen?.description ?? "")" : "refused"
            ),
        ]
    }
}
