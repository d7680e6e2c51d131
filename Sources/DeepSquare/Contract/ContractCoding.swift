// SPDX-License-Identifier: GPL-3.0-or-later

internal import BigInt
internal import Ethereum

/// The contract's tuples as values of ours, and back. The ABI decoder has checked their shape; these check the content.
struct ContractAnswer: Error, Hashable, CustomStringConvertible {
    var description: String
}

extension JobDefinition {
    init(_ value: ABIValue) throws(ContractAnswer) {
        guard let fields = value.members, fields.count == 8, let gpus = fields[0].uint64,
            let memory = fields[1].uint64, let cpus = fields[2].uint64, let tasks = fields[3].uint64,
            let location = fields[4].string
        else { throw ContractAnswer(description: "no job definition") }
        self.init(
            gpus: gpus, memoryPerCPU: memory, cpusPerTask: cpus, tasks: tasks, batchLocationHash: location)
    }
}

extension ChainJob {
    init(_ value: ABIValue) throws(ContractAnswer) {
        guard let fields = value.members, fields.count == 11, let id = fields[0].hash,
            let status = fields[1].uint64.flatMap({ UInt8(exactly: $0) }).flatMap(ChainJobStatus.init),
            let customer = fields[2].address, let provider = fields[3].address, let cost = fields[5].members,
            let maximum = cost[0].uint, let final = cost[1].uint, let times = fields[6].members,
            let start = times[1].uint64, let end = times[2].uint64, let hasCancelRequest = fields[8].bool,
            let lastError = fields[9].string, let exitCode = fields[10].int.flatMap({ Int64(exactly: $0) })
        else { throw ContractAnswer(description: "no job such as JobRepository keeps") }
        self.init(
            id: id, status: status, customer: customer, provider: provider,
            definition: try JobDefinition(fields[4]), maximumCost: maximum, finalCost: final,
            submitted: times[0].uint64 ?? 0, start: start, end: end, cancelRequested: times[3].uint64 ?? 0,
            hasCancelRequest: hasCancelRequest, lastError: lastError, exitCode: exitCode)
    }
}

extension Hardware {
    init(_ value: ABIValue) throws(ContractAnswer) {
        func numbers(_ value: ABIValue) -> [UInt64]? {
            guard let members = value.members else { return nil }
            let numbers = members.compactMap(\.uint64)
            return numbers.count == members.count ? numbers : nil
        }
        guard let fields = value.members, fields.count == 4, let gpus = numbers(fields[1]),
            let cpus = numbers(fields[2]), let memory = numbers(fields[3])
        else { throw ContractAnswer(description: "no hardware") }
        self.init(gpusPerNode: gpus, cpusPerNode: cpus, memoryPerNode: memory)
    }

    var abi: ABIValue {
        func array(_ numbers: [UInt64]) -> ABIValue { .array(numbers.map(ABIValue.uint64)) }
        return .tuple([.uint64(nodes), array(gpusPerNode), array(cpusPerNode), array(memoryPerNode)])
    }
}

extension Prices {
    init(_ value: ABIValue) throws(ContractAnswer) {
        guard let fields = value.members, fields.count == 3, let gpu = fields[0].uint, let cpu = fields[1].uint,
            let memory = fields[2].uint
        else { throw ContractAnswer(description: "no prices") }
        self.init(gpuPerMinute: gpu, cpuPerMinute: cpu, memoryPerMinute: memory)
    }

    var abi: ABIValue { .tuple([.uint(gpuPerMinute), .uint(cpuPerMinute), .uint(memoryPerMinute)]) }
}

extension Label {
    static func list(_ value: ABIValue) throws(ContractAnswer) -> [Label] {
        var labels: [Label] = []
        for member in value.members ?? [] {
            guard let pair = member.members, pair.count == 2, let key = pair[0].string, let text = pair[1].string else {
                throw ContractAnswer(description: "no labels")
            }
            labels.append(Label(key: key, value: text))
        }
        return labels
    }

    static func abi(_ labels: [Label]) -> ABIValue {
        .array(labels.map { .tuple([.string($0.key), .string($0.value)]) })
    }
}

extension ProviderRecord {
    /// nil: an empty record, which is how some contracts say that there is none.
    static func read(_ value: ABIValue) throws(ContractAnswer) -> ProviderRecord? {
        guard let fields = value.members, fields.count == 5, let address = fields[0].address,
            let isBanned = fields[4].bool
        else { throw ContractAnswer(description: "no provider") }
        if address == .zero { return nil }
        return ProviderRecord(
            address: address, hardware: try Hardware(fields[1]), prices: try Prices(fields[2]),
            labels: try Label.list(fields[3]), isBanned: isBanned)
    }
}
