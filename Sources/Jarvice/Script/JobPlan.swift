// SPDX-License-Identifier: GPL-3.0-or-later

/// A Unix user of this cluster.
public struct JarviceUser: Sendable, Hashable {
    public var login: String
    public var userID: UInt32
    public var home: String

    public init(login: String, userID: UInt32, home: String) {
        self.login = login
        self.userID = userID
        self.home = home
    }
}

/// A job as it is asked of Slurm. What Slurm's own parsers read (sizes, times, lists) is text still.
public struct JobPlan: Sendable {
    /// Before the names of jobs, in Slurm.
    public static let prefix = "jarvice_"

    public var user: JarviceUser
    public var name: String
    public var script: String
    public var nodes: UInt32
    public var tasks: UInt32
    /// GiB a node.
    public var memory: UInt32?
    public var gpusPerNode: UInt32?
    public var isExclusive: Bool
    public var isHeld: Bool
    public var timeLimit: String?
    public var licenses: String?
    public var partition: String?
    /// Without those that the fields above win over.
    public var options: [SbatchOption: String]

    /// - Parameter partition: where jobs go that name none; nil: Slurm's default.
    public init(
        _ arguments: SubmitArguments, _ application: ApplicationScript, user: JarviceUser, executor: ExecutorSettings,
        partition: String?
    ) throws(JarviceError) {
        self.user = user
        name = Self.prefix + arguments.name
        nodes = UInt32(arguments.nodes)
        tasks = try Self.count("cores × nodes", application.cores.multipliedReportingOverflow(by: arguments.nodes))
        memory = try application.memory.map { value throws(JarviceError) in
            try Self.count("JOBOBJ_RAM", (value, false))
        }
        gpusPerNode = try application.gpus.map { value throws(JarviceError) in
            try Self.count("JOBOBJ_GPUS", (value, false))
        }
        // The application's port is the node's.
        isExclusive = !application.devices.sharesNodes || application.gpus != nil || application.isInteractive
        isHeld = arguments.isHeld
        timeLimit = application.timeLimit
        licenses = application.licenses
        self.partition = application.devices.partition ?? partition
        options = application.devices.options.filter { !$0.key.isOverridden }
        if licenses != nil { options[.licenses] = nil }
        script =
            BatchScript(
                application: application.text, nodes: arguments.nodes,
                output: Self.output(of: arguments.name, executor: executor, user: user),
                secret: application.isInteractive ? JobSecret() : nil
            ).text
    }

    /// Where a job writes.
    static func output(of name: String, executor: ExecutorSettings, user: JarviceUser) -> String {
        executor.scratch(home: user.home, user: user.login) + ".jarvice/\(name).out"
    }

    /// What a job's application may leave there.
    static func folder(of jobID: UInt32, executor: ExecutorSettings, user: JarviceUser) -> String {
        executor.scratch(home: user.home, user: user.login) + ".jarvice/jobs/\(jobID)"
    }

    private static func count(
        _ what: String, _ product: (partialValue: Int, overflow: Bool)
    ) throws(JarviceError) -> UInt32 {
        // More than any cluster has, and far from Slurm's in-band values.
        guard !product.overflow, (1...100_000_000).contains(product.partialValue) else {
            throw JarviceError(.refused, "\(what) is more than 100,000,000")
        }
        return UInt32(product.partialValue)
    }
}
