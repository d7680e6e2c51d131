// SPDX-License-Identifier: GPL-3.0-or-later

internal import BigInt
internal import DeepSquare
internal import Ethereum
internal import FoundationEssentials

/// `sbatch.tls…`: what the site says about TLS with the grid's services.
struct SbatchTLS: Equatable, Sendable {
    /// `sbatch.tls`. Default true.
    var isOn = true
    /// `sbatch.tls.ca`, path of a PEM file. Default: the system's roots.
    var certificateAuthority: String?
    /// `sbatch.tls.insecure`: takes every certificate. Default false.
    var isInsecure = false

    var security: GridSettings.Security {
        guard isOn else { return .plaintext }
        return isInsecure ? .unverified : .verified(certificateAuthority: certificateAuthority)
    }

    /// A file that is needed must be there: without it every server would be refused, later and with worse words.
    func check() throws(AgentConfiguration.Problem) {
        guard case .verified(let path?) = security else { return }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw .init(description: "sbatch.tls.ca: \(path) cannot be read")
        }
        guard String(decoding: data, as: UTF8.self).contains("-----BEGIN CERTIFICATE-----") else {
            throw .init(description: "sbatch.tls.ca: \(path) has no certificate in PEM form")
        }
    }

    var notices: [String] {
        switch security {
        case .verified: []
        case .plaintext:
            certificateAuthority == nil && !isInsecure
                ? [] : ["sbatch.tls is false: sbatch.tls.ca and sbatch.tls.insecure mean nothing then"]
        case .unverified:
            [
                "INSECURE: sbatch.tls.insecure is true: whoever sits between here and sbatch.endpoint can make this cluster run "
                    + "any script; for tests only"
            ] + (certificateAuthority == nil ? [] : ["sbatch.tls.insecure is true: sbatch.tls.ca means nothing then"])
        }
    }
}

extension ConfigurationKey {
    static let grid: [ConfigurationKey] = services + offer + policy + billing

    private static let services: [ConfigurationKey] = [
        ConfigurationKey("sbatch.endpoint", \.grid.sbatch, .endpoint, supervisor: "SBATCH_ENDPOINT"),
        ConfigurationKey("sbatch.tls", \.sbatchTLS.isOn, .boolean, supervisor: "SBATCH_TLS_ENABLE"),
        ConfigurationKey(
            "sbatch.tls.ca", \.sbatchTLS.certificateAuthority, .optional(.path, else: "the system's"),
            supervisor: "SBATCH_CA"),
        ConfigurationKey(
            "sbatch.tls.insecure", \.sbatchTLS.isInsecure, .boolean, supervisor: "SBATCH_TLS_INSECURE"),
        ConfigurationKey("grid-logger.endpoint", \.grid.gridLogger, .optional(.endpoint)),
        ConfigurationKey("claim-interval", \.grid.claimInterval, .duration(.milliseconds(100), .seconds(3600))),
        ConfigurationKey("retry-limit", \.grid.retryLimit, .duration(.seconds(1), .days(7))),
        ConfigurationKey("start-window", \.grid.startWindow, .duration(.zero, .days(3650))),
        ConfigurationKey("script-limit", \.grid.scriptLimit, .number(1024...(64 << 20))),
    ]

    private static let offer: [ConfigurationKey] = [
        ConfigurationKey("slurm.partition", \.grid.partition, .partition, supervisor: "SLURM_PARTITION"),
        ConfigurationKey(
            "metascheduler.label", \.grid.labels, .labels, supervisor: "METASCHEDULER_LABELS", aliases: ["label", "l"]),
        ConfigurationKey(
            "metascheduler.cpu-price-per-min", \.grid.prices.cpuPerMinute, .wei,
            supervisor: "METASCHEDULER_CPU_PRICE_PER_MIN"),
        ConfigurationKey(
            "metascheduler.gpu-price-per-min", \.grid.prices.gpuPerMinute, .wei,
            supervisor: "METASCHEDULER_GPU_PRICE_PER_MIN"),
        ConfigurationKey(
            "metascheduler.mem-price-per-min", \.grid.prices.memoryPerMinute, .wei,
            supervisor: "METASCHEDULER_MEM_PRICE_PER_MIN"),
        ConfigurationKey("auto-register", \.grid.registersAutomatically, .boolean),
    ]

    private static let policy: [ConfigurationKey] = [
        ConfigurationKey("policy.allow", \.grid.allowedCustomers, .accounts),
        ConfigurationKey("policy.deny", \.grid.deniedCustomers, .accounts),
        ConfigurationKey("policy.max-jobs", \.grid.maximumJobs, .optional(.number(0...1_000_000), else: "no limit")),
        ConfigurationKey(
            "policy.max-minutes", \.grid.maximumMinutes, .optional(.number(1...10_000_000), else: "no limit")),
        ConfigurationKey("policy.max-cpus", \.grid.maximumCPUs, .optional(.number(1...100_000_000), else: "no limit")),
        ConfigurationKey("policy.max-gpus", \.grid.maximumGPUs, .optional(.number(0...100_000_000), else: "no limit")),
        ConfigurationKey(
            "policy.max-memory", \.grid.maximumMemory, .optional(.number(1...1_000_000_000_000), else: "no limit")),
        ConfigurationKey("policy.minimum-uid", \.grid.minimumUserID, .number(1...4_000_000_000)),
        ConfigurationKey("users.map", \.grid.users, .users),
    ]

    private static let billing: [ConfigurationKey] = [
        ConfigurationKey("billing.rounding", \.grid.rounding, .choice),
        ConfigurationKey("billing.max-hold", \.grid.longestHold, .duration(.zero, .days(7))),
        ConfigurationKey("billing.exit-code", \.grid.exitCode, .choice),
    ]
}
