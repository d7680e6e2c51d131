// SPDX-License-Identifier: GPL-3.0-or-later

/// How the parts are run. The comments name the keys.
public struct BenchmarkOptions: Sendable, Hashable {
    /// `benchmark.executor`: where the programs come from.
    public enum Executor: String, Sendable, Hashable, CaseIterable {
        /// What the first node of the job has: programs, else apptainer or singularity, else pyxis.
        case auto
        /// Programs on the nodes.
        case native
        case apptainer
        case pyxis
    }

    public struct Images: Sendable, Hashable {
        /// As pyxis has them: REGISTRY#IMAGE:TAG.
        public var hpl = ""
        public var osu = ""
        public var ior = ""
        public var speedtest = ""

        public init() {}
    }

    public var executor = Executor.auto
    /// `benchmark.hpl.image`, `benchmark.osu.image`, …
    public var images = Images()
    /// `benchmark.hpl.single-node`, `benchmark.ior.single-node`
    public var hplOnSingleNode = false
    public var storageOnSingleNode = false
    /// `benchmark.hpl.block-size`, `benchmark.hpl.memory-percent`
    public var blockSize = 512
    public var memoryFraction = 0.5
    /// `benchmark.exclusive`: whole nodes for Linpack and the network.
    public var isExclusive = false
    /// Minutes: `benchmark.time-limit`
    public var timeLimit: UInt32 = 1440
    /// `benchmark.trace`
    public var isTraced = false
    /// `benchmark.env`
    public var environment: [(name: String, value: String)] {
        get { zip(environmentNames, environmentValues).map { ($0, $1) } }
        set { (environmentNames, environmentValues) = (newValue.map(\.name), newValue.map(\.value)) }
    }
    private var environmentNames: [String] = []
    private var environmentValues: [String] = []
    /// `benchmark.ucx…`; affinity: devices of the first node, `|`, those of the second one.
    public var usesUCX = false
    public var ucxAffinity: String?
    public var ucxTransport: String?
    /// By label (`BenchmarkLabels.storages`) the folder: `benchmark.storage`
    public var storages: [String: String] = [
        "scratch": "/opt/cache/shared", "shared-tmp": "/opt/cache/persistent",
        "shared-world-tmp": "/opt/cache/world-tmp", "disk-tmp": "/opt/cache/disk/tmp",
        "disk-world-tmp": "/opt/cache/disk/world-tmp",
    ]
    /// MiB that are written on each node: `benchmark.storage-size`
    public var storageSize = 10_240
    /// Where jobs write their output and work; nodes and agent see it: `benchmark.result-folder`
    public var folder = ""
    /// Where jobs post their results, in place of that folder.
    public struct Posting: Sendable, Hashable {
        /// HOST:PORT: `public-address`
        public var address: String
        /// PEM: of the server, or of its authority. nil: those that the nodes trust.
        public var certificates: String?
        /// Beside these.
        public var trustsNodes: Bool

        public init(address: String, certificates: String?, trustsNodes: Bool) {
            self.address = address
            self.certificates = certificates
            self.trustsNodes = trustsNodes
        }
    }
    public var posting: Posting?
    /// Jobs leave their results in their comments, in place of both.
    public var usesComments = false
    var sharesFolder: Bool { posting == nil && !usesComments }
    /// How much lower the priority of a benchmark is than that of the grid's jobs: `benchmark.nice`
    public var nice: UInt32 = 1_000_000
    /// `benchmark.reservation`
    public var reservation: String?

    public init() {}

    /// Letters, digits and `_`, not a digit first: what a shell takes for the name of a variable.
    public static func isVariable(_ name: String) -> Bool {
        guard let first = name.utf8.first, !(0x30...0x39).contains(first) else { return false }
        return name.utf8.allSatisfy {
            (0x30...0x39).contains($0) || (0x41...0x5a).contains($0) || (0x61...0x7a).contains($0)
                || $0 == UInt8(ascii: "_")
        }
    }
}

/// A word of a shell's command line, whatever is in it.
enum Shell {
    static func quoted(_ text: String) -> String {
        "'" + text.replacing("'", with: "'\\''") + "'"
    }
}
