// SPDX-License-Identifier: GPL-3.0-or-later

internal import BigInt
public import Ethereum

/// What a provider configures of the grid. `docs/configuration.md` has the keys.
public struct GridSettings: Sendable, Equatable {
    /// `sbatch.tls…`: how the grid's gRPC services are reached.
    public enum Security: Sendable, Equatable {
        /// TLS, the server verified against these roots: a PEM file, or nil for the system's.
        case verified(certificateAuthority: String?)
        /// TLS with any server: for tests.
        case unverified
        case plaintext
    }

    /// `billing.rounding`: how seconds used become the minutes that are reported.
    public enum Rounding: String, Sendable, Equatable, CaseIterable {
        /// Begun minutes do not count, as today.
        case down
        case up
    }

    /// `billing.exit-code`: what the chain is told of a job's exit.
    public enum ExitCodeForm: String, Sendable, Equatable, CaseIterable {
        /// 256 × code + signal, as today.
        case waitStatus = "wait-status"
        /// The code; 128 + signal for a job that a signal ended.
        case code
    }

    /// `slurm.partition`: where jobs go, and what is registered. Default main.
    public var partition = "main"
    /// `slurm.account`: who is charged. Default: the user's own default account.
    public var account: String?
    /// `slurm.qos`. Default: that of the user's association.
    public var qos: String?
    /// `sbatch.endpoint`, host:port. Default 127.0.0.1:443.
    public var sbatch = ServiceEndpoint(host: "127.0.0.1", port: 443)
    /// `sbatch.tls`, `sbatch.tls.ca`, `sbatch.tls.insecure`. Default: verified, the system's roots.
    public var security = Security.verified(certificateAuthority: nil)
    /// `grid-logger.endpoint`, host:port: besides what lies under the sbatch endpoint's domain. Default: none.
    public var gridLogger: ServiceEndpoint?
    /// `metascheduler.label`, key=value.
    public var labels: [Label] = []
    /// `metascheduler.{cpu,gpu,mem}-price-per-min`, wei of credits.
    public var prices = Prices(
        gpuPerMinute: 8_500_000_000_000_000_000, cpuPerMinute: 950_000_000_000_000_000,
        memoryPerMinute: 80_000_000_000_000)
    /// `auto-register`: send a registration when it differs from the chain's. Default false: only when the chain knows none.
    public var registersAutomatically = false

    /// `policy.allow`: customers; empty: everybody who is not denied.
    public var allowedCustomers: Set<Address> = []
    /// `policy.deny`.
    public var deniedCustomers: Set<Address> = []
    /// `policy.max-jobs`: jobs of the grid at once; nothing is claimed beyond it.
    public var maximumJobs: Int?
    /// `policy.max-jobs-per-customer`: jobs of one customer at once; what is claimed beyond it goes back.
    public var maximumJobsPerCustomer: Int?
    /// `policy.max-minutes`, of a job.
    public var maximumMinutes: UInt64?
    /// `policy.max-cpus`, of a job.
    public var maximumCPUs: UInt64?
    /// `policy.max-gpus`, of a job.
    public var maximumGPUs: UInt64?
    /// `policy.max-memory`, MB of a job.
    public var maximumMemory: UInt64?
    /// `policy.minimum-uid`: jobs run as no user below. Default 1000.
    public var minimumUserID: UInt32 = 1000
    /// `users.map`, 0xADDRESS=login. Default: the login name is the customer's address in lower case.
    public var users: [Address: String] = [:]
    /// What `users.map-file` says; goes before `users` and before what holds for everybody.
    public var customers: [Address: GridCustomer] = [:]

    /// `billing.rounding`. Default down.
    public var rounding = Rounding.down
    /// `billing.max-hold`: how long an end waits for the chain's clock when it would be paid less otherwise. Default 1 h.
    public var longestHold: Duration = .seconds(3600)
    /// `billing.exit-code`. Default wait-status.
    public var exitCode = ExitCodeForm.waitStatus

    /// `claim-interval`: the longest time between two looks at the queues. Default 5 s.
    public var claimInterval: Duration = .seconds(5)
    /// `retry-limit`: how long a job waits for a service or for Slurm before it goes back to the pool. Default 30 min.
    public var retryLimit: Duration = .seconds(1800)
    /// `start-window`: how far back the first start looks for jobs of ours. Default 30 d.
    public var startWindow: Duration = .seconds(30 * 86_400)
    /// `script-limit`: bytes of a script. Default 1 MiB.
    public var scriptLimit = 1 << 20

    public init() {}
}

/// A gRPC service's host and port.
public struct ServiceEndpoint: Sendable, Hashable, CustomStringConvertible {
    public var host: String
    public var port: Int

    public init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// Reads `host:port` or `[v6]:port`; nil when it is none.
    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let digits = text[text.index(after: colon)...]
        guard digits.allSatisfy({ $0.isASCII && $0.isNumber }), let port = Int(digits), (1...65_535).contains(port)
        else {
            return nil
        }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        let letters = host.utf8.allSatisfy { byte in
            (byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z"))
                || (byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")) || ".-:_%".utf8.contains(byte)
        }
        guard !host.isEmpty, host.utf8.count <= 253, letters else { return nil }
        self.init(host: host.lowercased(), port: port)
    }

    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
