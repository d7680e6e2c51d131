// SPDX-License-Identifier: GPL-3.0-or-later

public import BigInt
public import Ethereum

/// A key and a value by which jobs and providers find each other.
public struct Label: Sendable, Hashable, Codable {
    public var key: String
    public var value: String

    public init(key: String, value: String) {
        self.key = key
        self.value = value
    }
}

/// Wei of credits a minute.
public struct Prices: Sendable, Hashable {
    /// For each GPU.
    public var gpuPerMinute: BigUInt
    /// For each CPU.
    public var cpuPerMinute: BigUInt
    /// For each MB.
    public var memoryPerMinute: BigUInt

    public init(gpuPerMinute: BigUInt, cpuPerMinute: BigUInt, memoryPerMinute: BigUInt) {
        self.gpuPerMinute = gpuPerMinute
        self.cpuPerMinute = cpuPerMinute
        self.memoryPerMinute = memoryPerMinute
    }
}

/// One element a node.
public struct Hardware: Sendable, Hashable {
    public var gpusPerNode: [UInt64]
    public var cpusPerNode: [UInt64]
    /// MB.
    public var memoryPerNode: [UInt64]

    public init(gpusPerNode: [UInt64], cpusPerNode: [UInt64], memoryPerNode: [UInt64]) {
        self.gpusPerNode = gpusPerNode
        self.cpusPerNode = cpusPerNode
        self.memoryPerNode = memoryPerNode
    }

    public var nodes: UInt64 { UInt64(cpusPerNode.count) }
}

/// A provider as the chain has it.
public struct ProviderRecord: Sendable, Hashable {
    public var address: Address
    public var hardware: Hardware
    public var prices: Prices
    public var labels: [Label]
    public var isBanned: Bool

    public init(address: Address, hardware: Hardware, prices: Prices, labels: [Label], isBanned: Bool) {
        self.address = address
        self.hardware = hardware
        self.prices = prices
        self.labels = labels
        self.isBanned = isBanned
    }
}

/// What a customer asks for.
public struct JobDefinition: Sendable, Hashable, Codable {
    /// Of the whole job.
    public var gpus: UInt64
    /// MB.
    public var memoryPerCPU: UInt64
    public var cpusPerTask: UInt64
    public var tasks: UInt64
    /// Names the script in the sbatch service.
    public var batchLocationHash: String

    public init(gpus: UInt64, memoryPerCPU: UInt64, cpusPerTask: UInt64, tasks: UInt64, batchLocationHash: String) {
        self.gpus = gpus
        self.memoryPerCPU = memoryPerCPU
        self.cpusPerTask = cpusPerTask
        self.tasks = tasks
        self.batchLocationHash = batchLocationHash
    }

    /// nil: more than can be counted.
    public var cpus: UInt64? {
        let (cpus, overflow) = tasks.multipliedReportingOverflow(by: cpusPerTask)
        return overflow ? nil : cpus
    }

    /// MB of the whole job; nil: more than can be counted.
    public var memory: UInt64? {
        guard let cpus else { return nil }
        let (memory, overflow) = cpus.multipliedReportingOverflow(by: memoryPerCPU)
        return overflow ? nil : memory
    }
}

/// A job as the chain has it: what a provider needs of it.
public struct ChainJob: Sendable, Hashable {
    public var id: Hash32
    public var status: ChainJobStatus
    public var customer: Address
    /// Zero while nobody has it.
    public var provider: Address
    public var definition: JobDefinition
    /// Wei of credits.
    public var maximumCost: BigUInt
    public var finalCost: BigUInt
    /// Block time of the request, Unix seconds.
    public var submitted: UInt64
    /// Block time of Running and of the end, Unix seconds; 0: not yet.
    public var start: UInt64
    public var end: UInt64
    /// Block time of the customer's cancel; means nothing without `hasCancelRequest` (contract facts, section 2).
    public var cancelRequested: UInt64
    public var hasCancelRequest: Bool
    public var lastError: String
    public var exitCode: Int64

    public init(
        id: Hash32, status: ChainJobStatus, customer: Address, provider: Address, definition: JobDefinition,
        maximumCost: BigUInt = 0, finalCost: BigUInt = 0, submitted: UInt64 = 0, start: UInt64 = 0, end: UInt64 = 0,
        cancelRequested: UInt64 = 0, hasCancelRequest: Bool = false, lastError: String = "", exitCode: Int64 = 0
    ) {
        self.id = id
        self.status = status
        self.customer = customer
        self.provider = provider
        self.definition = definition
        self.maximumCost = maximumCost
        self.finalCost = finalCost
        self.submitted = submitted
        self.start = start
        self.end = end
        self.cancelRequested = cancelRequested
        self.hasCancelRequest = hasCancelRequest
        self.lastError = lastError
        self.exitCode = exitCode
    }
}
