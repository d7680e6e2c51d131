// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import BigInt
internal import DeepSquare
internal import Ethereum
internal import FoundationEssentials
internal import TLSClient

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
    func check() throws(AgentConfiguration.Conflict) {
        guard case .verified(let path?) = security else { return }
        do throws(TLSClientError) {
            _ = try CertificateBundle(path: path)
        } catch {
            throw .init(
                keys: ["sbatch.tls.ca"], text: error.description + ServiceUnit.advice(missing: path))
        }
    }

    var notices: [String] {
        switch security {
        case .verified(let path): TLSClient.notice(authority: path).map { ["sbatch.tls.ca: \($0)"] } ?? []
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
    static let services: [ConfigurationKey] = [
        ConfigurationKey(
            "sbatch.endpoint", \.grid.sbatch, .endpoint, "Gives a job's script.", supervisor: "SBATCH_ENDPOINT"),
        ConfigurationKey(
            "sbatch.tls", \.sbatchTLS.isOn, .boolean, "TLS on the way there.", supervisor: "SBATCH_TLS_ENABLE"),
        ConfigurationKey(
            "sbatch.tls.ca", \.sbatchTLS.certificateAuthority, .optional(.path, else: "the system's"),
            "A PEM file: what its certificate is verified against. One that cannot be read is an error.",
            supervisor: "SBATCH_CA", example: "/etc/ssl/certs/ca-certificates.crt"),
        ConfigurationKey(
            "sbatch.tls.insecure", \.sbatchTLS.isInsecure, .boolean,
            "Takes every certificate (`sbatch.tls.ca` then means nothing). Whoever sits in between can make this cluster run "
                + "any script: for tests, with a warning at each start.", supervisor: "SBATCH_TLS_INSECURE"),
        ConfigurationKey(
            "grid-logger.endpoint", \.grid.gridLogger, .optional(.endpoint),
            "Gets the output of jobs, besides what lies under the domain of `sbatch.endpoint`.",
            example: "logger.example.org:443"),
        ConfigurationKey(
            "claim-interval", \.grid.claimInterval, .duration(.milliseconds(100), .seconds(3600)),
            "The longest time between two looks at the queues; 30 s or more while there is no job."),
        ConfigurationKey(
            "retry-limit", \.grid.retryLimit, .duration(.seconds(1), .days(7)),
            "How long a job waits for a service or for Slurm before it goes back to the pool."),
        ConfigurationKey(
            "start-window", \.grid.startWindow, .duration(.zero, .days(3650)),
            "How far back the first start looks for jobs of this provider."),
        ConfigurationKey(
            "script-limit", \.grid.scriptLimit, .number(1024...(64 << 20), "bytes"), "The longest script."),
    ]

    static let offer: [ConfigurationKey] = [
        ConfigurationKey(
            "slurm.partition", \.grid.partition, .partition, "Where jobs go, and what is registered.",
            supervisor: "SLURM_PARTITION"),
        ConfigurationKey(
            "metascheduler.label", \.grid.labels, .labels,
            "What customers look for, such as os, arch, gpu, cpu, name, zone, region. Also `label` and `l`.",
            supervisor: "METASCHEDULER_LABELS", aliases: ["label", "l"], example: "os=linux,arch=amd64,zone=west"),
        ConfigurationKey(
            "metascheduler.cpu-price-per-min", \.grid.prices.cpuPerMinute, .wei, "Credits for a CPU and minute.",
            supervisor: "METASCHEDULER_CPU_PRICE_PER_MIN"),
        ConfigurationKey(
            "metascheduler.gpu-price-per-min", \.grid.prices.gpuPerMinute, .wei, "Credits for a GPU and minute.",
            supervisor: "METASCHEDULER_GPU_PRICE_PER_MIN"),
        ConfigurationKey(
            "metascheduler.mem-price-per-min", \.grid.prices.memoryPerMinute, .wei, "Credits for a MB and minute.",
            supervisor: "METASCHEDULER_MEM_PRICE_PER_MIN"),
        ConfigurationKey(
            "auto-register", \.grid.registersAutomatically, .boolean,
            "Registers again when the offer differs from the chain's; otherwise only when the chain knows none."),
    ]

    static let policy: [ConfigurationKey] = [
        ConfigurationKey(
            "policy.allow", \.grid.allowedCustomers, .accounts, "Customers; none: everybody who is not denied.",
            example: "0x52908400098527886E0F7030069857D2E4169EE7", isReloadable: true),
        ConfigurationKey(
            "policy.deny", \.grid.deniedCustomers, .accounts, "Customers whose jobs are refused.",
            example: "0x8617E340B3D01FA5F11F306F4090FD50E238070D", isReloadable: true),
        ConfigurationKey(
            "policy.max-jobs", \.grid.maximumJobs, .optional(.number(0...1_000_000), else: "no limit"),
            "Jobs of the grid at once. Nothing is claimed beyond it; 0 claims nothing.", example: "100",
            isReloadable: true),
        ConfigurationKey(
            "policy.max-jobs-per-customer", \.grid.maximumJobsPerCustomer,
            .optional(.number(1...1_000_000), else: "no limit"),
            "Jobs of one customer at once. What is claimed beyond it goes back; see deepsquare.md, *Between customers*.",
            example: "20", isReloadable: true),
        ConfigurationKey(
            "policy.max-minutes", \.grid.maximumMinutes,
            .optional(.number(1...10_000_000, "minutes"), else: "no limit"), "The longest job.", example: "1440",
            isReloadable: true),
        ConfigurationKey(
            "policy.max-cpus", \.grid.maximumCPUs, .optional(.number(1...100_000_000), else: "no limit"),
            "CPUs of one job.", example: "256", isReloadable: true),
        ConfigurationKey(
            "policy.max-gpus", \.grid.maximumGPUs, .optional(.number(0...100_000_000), else: "no limit"),
            "GPUs of one job.", example: "8", isReloadable: true),
        ConfigurationKey(
            "policy.max-memory", \.grid.maximumMemory,
            .optional(.number(1...1_000_000_000_000, "MB"), else: "no limit"), "Memory of one job.", example: "512000",
            isReloadable: true),
        ConfigurationKey(
            "policy.minimum-uid", \.grid.minimumUserID, .number(1...4_000_000_000),
            "Jobs run as no user with a lower uid.", isReloadable: true),
        ConfigurationKey(
            "users.map", \.grid.users, .users,
            "Customers' login names. A customer who is in neither map is the user whose login name is the address in lower case.",
            example: "0x52908400098527886E0F7030069857D2E4169EE7=alice", isReloadable: true),
        ConfigurationKey(
            "users.map-file", \.usersFile, .userMapFile,
            "A YAML file of customers, read again on reload: `ADDRESS: USER`, or `ADDRESS: {user: …, partition: …, account: …, "
                + "qos: …}` with any of these. It goes before the other keys. Only root and SlurmUser may be able to write it.",
            example: "/etc/slurm-grid-agent/users.yaml", isReloadable: true),
        ConfigurationKey(
            "slurm.account", \.grid.account, .optional(.slurmAccount, else: "the user's default"),
            "Who is charged for jobs of the grid: an account in which each of their users has an association.",
            example: "grid", isReloadable: true),
        ConfigurationKey(
            "slurm.qos", \.grid.qos, .optional(.slurmQOS, else: "the user's default"),
            "The QOS of jobs of the grid, which their users' associations allow.", example: "low", isReloadable: true),
    ]

    static let billing: [ConfigurationKey] = [
        ConfigurationKey(
            "billing.rounding", \.grid.rounding, .choice,
            "How used seconds become minutes: `down` (begun ones do not count, as the supervisor has it) or `up`."),
        ConfigurationKey(
            "billing.max-hold", \.grid.longestHold, .duration(.zero, .days(7)),
            "How long an end waits for the chain's clock when it would be paid less otherwise."),
        ConfigurationKey(
            "billing.exit-code", \.grid.exitCode, .choice,
            "`wait-status` (256 × code + signal, as the supervisor has it) or `code` (128 + signal for a job that a signal "
                + "ended)."),
    ]
}
