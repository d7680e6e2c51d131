// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import DeepSquare

/// Where jobs post the results of benchmarks, as with the supervisor. Used where `benchmark.result-folder` is not set and
/// `public-address` is (`BenchmarkSettings`).
struct SupervisorEndpoint: Equatable, Sendable {
    /// `grpc.listen-address`, [HOST]:PORT: where results arrive; the host is numeric. Default :3000.
    var listenAddress = ServiceEndpoint(host: "::", port: 3000)
    /// `public-address`, HOST:PORT: how compute nodes reach it. Default: none.
    var publicAddress: ServiceEndpoint?
    /// `tls`. Default false.
    var usesTLS = false
    /// `tls.cert-file`, path of a PEM file.
    var certificateFile: String?
    /// `tls.key-file`, path of a PEM file.
    var keyFile: String?

    /// What must fit together.
    func check() throws(AgentConfiguration.Conflict) {
        let missing = [("tls.cert-file", certificateFile), ("tls.key-file", keyFile)].filter { $0.1 == nil }.map(\.0)
        // Without both the agent makes one.
        guard !usesTLS || missing.count != 1 else {
            throw .init(keys: ["tls"], text: "a certificate and its key belong together: set \(missing[0]) too")
        }
    }
}

extension ConfigurationKey {
    static let supervisorEndpoint: [ConfigurationKey] = [
        ConfigurationKey(
            "grpc.listen-address", \.supervisorEndpoint.listenAddress, .listenEndpoint,
            "Where jobs of benchmarks post their results, as with the supervisor. Used where `public-address` is set, "
                + "`benchmark.result-folder` is not, and `benchmark.results` is `auto`; see benchmarks.md.",
            supervisor: "LISTEN_ADDRESS"),
        ConfigurationKey(
            "public-address", \.supervisorEndpoint.publicAddress, .optional(.endpoint),
            "How compute nodes reach that, always by HTTPS: the agent itself with `tls`, else a proxy that speaks it.",
            supervisor: "PUBLIC_ADDRESS", example: "head.example.org:3000"),
        ConfigurationKey(
            "tls", \.supervisorEndpoint.usesTLS, .boolean,
            "TLS there. Without the next two the agent makes a certificate, and jobs take no other.",
            supervisor: "TLS_ENABLE"),
        ConfigurationKey(
            "tls.cert-file", \.supervisorEndpoint.certificateFile, .optional(.path), "Its certificate, PEM.",
            supervisor: "TLS_CERT", example: "/etc/slurm-grid-agent/tls.pem"),
        ConfigurationKey(
            "tls.key-file", \.supervisorEndpoint.keyFile, .optional(.path), "Its key, PEM.", supervisor: "TLS_KEY",
            example: "/etc/slurm-grid-agent/tls.key"),
    ]
}
