// SPDX-License-Identifier: GPL-3.0-or-later

internal import DeepSquare

/// Where the supervisor took the results of its benchmarks: taken and checked, and not used, for this agent opens no port for them.
struct SupervisorEndpoint: Equatable, Sendable {
    /// `grpc.listen-address`, [HOST]:PORT: where results arrive. Default :3000.
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
        guard !usesTLS || missing.isEmpty else {
            throw .init(
                keys: ["tls"], text: "needs a certificate and its key: set \(missing.joined(separator: " and "))")
        }
    }
}

extension ConfigurationKey {
    static let supervisorEndpoint: [ConfigurationKey] = [
        ConfigurationKey(
            "grpc.listen-address", \.supervisorEndpoint.listenAddress, .listenEndpoint,
            "Where the supervisor took results. Not used: they come through `benchmark.result-folder`.",
            supervisor: "LISTEN_ADDRESS"),
        ConfigurationKey(
            "public-address", \.supervisorEndpoint.publicAddress, .optional(.endpoint),
            "How compute nodes reached that. Not used.",
            supervisor: "PUBLIC_ADDRESS", example: "head.example.org:3000"),
        ConfigurationKey(
            "tls", \.supervisorEndpoint.usesTLS, .boolean, "TLS there. Not used; needs the next two.",
            supervisor: "TLS_ENABLE"),
        ConfigurationKey(
            "tls.cert-file", \.supervisorEndpoint.certificateFile, .optional(.path), "Its certificate, PEM.",
            supervisor: "TLS_CERT", example: "/etc/slurm-grid-agent/tls.pem"),
        ConfigurationKey(
            "tls.key-file", \.supervisorEndpoint.keyFile, .optional(.path), "Its key, PEM.", supervisor: "TLS_KEY",
            example: "/etc/slurm-grid-agent/tls.key"),
    ]
}
