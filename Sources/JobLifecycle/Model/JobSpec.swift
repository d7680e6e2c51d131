// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials

/// A batch job that a gateway asks for, as the ledger stores it until it is submitted. What is nil is left to Slurm's defaults.
///
/// Each form that a release has written is read for ever: there is a fixture of each in the tests. A field that is missing has
/// its default, and one that is not known, as a later release wrote it, is passed over.
public struct JobSpec: Sendable, Hashable {
    public enum Memory: Sendable, Hashable {
        /// MiB.
        case perCPU(UInt64)
        case perNode(UInt64)
    }

    /// The Unix user the job runs as.
    public var userID: UInt32
    /// Begins with `#!`.
    public var script: String
    public var name: String
    /// What every user sees of it.
    public var comment: String?
    public var partition: String?
    /// Of accounting; nil: the user's default.
    public var account: String?
    public var qos: String?
    public var tasks: UInt32?
    public var cpusPerTask: UInt32?
    public var memory: Memory?
    /// Of the whole job.
    public var gpus: UInt32?
    /// Minutes.
    public var timeLimit: UInt32?
    /// Where its output goes, as sbatch's `--output`.
    public var output: String?
    public var umask: UInt16 = 0o022
    public var options = Options()

    public init(userID: UInt32, script: String, name: String) {
        self.userID = userID
        self.script = script
        self.name = name
    }

    /// Neither a job nor a form that is known. The order stays: a later release may read it.
    public struct Unreadable: Error, Sendable, CustomStringConvertible {
        public var description: String
    }

    /// Of the form that this release writes. The first form had none.
    static let format = 2

    // MARK: stored

    public init(stored bytes: [UInt8]) throws(Unreadable) {
        do {
            let decoder = JSONDecoder()
            let format = try decoder.decode(Format.self, from: Data(bytes)).format ?? 1
            self =
                format == 1
                ? try decoder.decode(FirstForm.self, from: Data(bytes)).spec
                : try decoder.decode(SecondForm.self, from: Data(bytes)).spec
        } catch {
            throw Unreadable(
                description: "a stored request cannot be read; if a later release wrote it, install that again: "
                    + "\(error)")
        }
    }

    public var stored: [UInt8] {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return Array(try encoder.encode(SecondForm(self)))
        }
    }

    private struct Format: Decodable {
        var format: Int?
    }
}

// MARK: forms

/// What is written now. A later release adds fields; whoever takes one away, or gives one another meaning, begins a third form.
private struct SecondForm: Codable {
    var format: Int?
    var userID: UInt32
    var script: String
    var name: String
    var comment: String?
    var partition: String?
    var account: String?
    var qos: String?
    var tasks: UInt32?
    var cpusPerTask: UInt32?
    /// MiB.
    var memoryPerCPU: UInt64?
    var memoryPerNode: UInt64?
    var gpus: UInt32?
    /// Minutes.
    var timeLimit: UInt32?
    var output: String?
    var umask: UInt16?
    var options: JobSpec.Options?

    enum CodingKeys: String, CodingKey {
        case format
        case userID = "user_id"
        case script, name, comment, partition, account, qos, tasks
        case cpusPerTask = "cpus_per_task"
        case memoryPerCPU = "memory_per_cpu_mib"
        case memoryPerNode = "memory_per_node_mib"
        case gpus
        case timeLimit = "time_limit_minutes"
        case output, umask, options
    }

    init(_ spec: JobSpec) {
        format = JobSpec.format
        userID = spec.userID
        script = spec.script
        name = spec.name
        comment = spec.comment
        partition = spec.partition
        account = spec.account
        qos = spec.qos
        tasks = spec.tasks
        cpusPerTask = spec.cpusPerTask
        switch spec.memory {
        case .perCPU(let memory): memoryPerCPU = memory
        case .perNode(let memory): memoryPerNode = memory
        case nil: break
        }
        gpus = spec.gpus
        timeLimit = spec.timeLimit
        output = spec.output
        umask = spec.umask
        options = spec.options == JobSpec.Options() ? nil : spec.options
    }

    var spec: JobSpec {
        var spec = JobSpec(userID: userID, script: script, name: name)
        spec.comment = comment
        spec.partition = partition
        spec.account = account
        spec.qos = qos
        spec.tasks = tasks
        spec.cpusPerTask = cpusPerTask
        spec.memory = memoryPerCPU.map { .perCPU($0) } ?? memoryPerNode.map { .perNode($0) }
        spec.gpus = gpus
        spec.timeLimit = timeLimit
        spec.output = output
        spec.umask = umask ?? spec.umask
        spec.options = options ?? spec.options
        return spec
    }
}

/// The encoding of the Slurm module's own type, as the releases before wrote it; of its fields those that they ever set.
private struct FirstForm: Decodable {
    struct Amount: Decodable {
        var value: UInt64

        enum CodingKeys: String, CodingKey {
            case value = "_0"
        }
    }
    struct Memory: Decodable {
        var perCPU: Amount?
        var perNode: Amount?
    }
    struct TimeLimit: Decodable {
        var minutes: Amount?
    }
    struct GPUs: Decodable {
        var count: UInt32
    }

    var userID: UInt32
    var script: String
    var name: String
    var comment: String?
    var partition: String?
    var tasks: UInt32?
    var cpusPerTask: UInt32?
    var memory: Memory?
    var gpusPerJob: GPUs?
    var timeLimit: TimeLimit?
    var standardOutput: String?
    var umask: UInt16?

    var spec: JobSpec {
        var spec = JobSpec(userID: userID, script: script, name: name)
        spec.comment = comment
        spec.partition = partition
        spec.tasks = tasks
        spec.cpusPerTask = cpusPerTask
        spec.memory = memory?.perCPU.map { .perCPU($0.value) } ?? memory?.perNode.map { .perNode($0.value) }
        spec.gpus = gpusPerJob?.count
        spec.timeLimit = timeLimit?.minutes.map { UInt32(clamping: $0.value) }
        spec.output = standardOutput
        spec.umask = umask ?? spec.umask
        return spec
    }
}
