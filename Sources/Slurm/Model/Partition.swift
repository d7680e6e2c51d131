// SPDX-License-Identifier: GPL-3.0-or-later

internal import CSlurm

/// A partition as slurmctld knows it.
public struct Partition: Sendable, Hashable {
    /// Whether jobs may be submitted to it and started in it.
    public enum State: Sendable, Hashable, CustomStringConvertible {
        case up
        case down
        case drain
        case inactive
        case unknown(UInt16)

        public var description: String {
            switch self {
            case .up: "UP"
            case .down: "DOWN"
            case .drain: "DRAIN"
            case .inactive: "INACTIVE"
            case .unknown(let value): "STATE_\(value)"
            }
        }
    }

    public var name: String
    public var state: State
    public var isDefault: Bool
    public var isHidden: Bool
    /// In bracket notation.
    public var nodes: String?
    public var totalNodes: UInt32
    public var totalCPUs: UInt32
    public var tres: TRES?
    public var maximumTime: TimeLimit?
    /// nil: the maximum applies.
    public var defaultTime: TimeLimit?
    /// nil: no limit.
    public var maximumNodesPerJob: UInt32?
    public var minimumNodesPerJob: UInt32
    public var allowGroups: String?
    public var allowAccounts: String?
    public var denyAccounts: String?
    public var allowQOS: String?
    public var denyQOS: String?
    /// Hosts that may submit (AllocNodes); nil: all.
    public var allowedSubmitHosts: String?
    public var qos: String?
    public var priorityTier: UInt32

    init(_ partition: UnsafePointer<partition_info_t>) {
        let record = partition.pointee
        let flags = cs_partition_flags(partition)
        name = optionalText(record.name) ?? ""
        switch Int32(record.state_up) {
        case PARTITION_SUBMIT | PARTITION_SCHED: state = .up
        case PARTITION_SUBMIT: state = .down
        case PARTITION_SCHED: state = .drain
        case 0: state = .inactive
        default: state = .unknown(record.state_up)
        }
        isDefault = flags & cs_PART_FLAG_DEFAULT != 0
        isHidden = flags & cs_PART_FLAG_HIDDEN != 0
        nodes = optionalText(record.nodes)
        totalNodes = record.total_nodes
        totalCPUs = record.total_cpus
        tres = optionalText(record.tres_fmt_str).map(TRES.init)
        maximumTime = TimeLimit(slurm: record.max_time)
        defaultTime = TimeLimit(slurm: record.default_time)
        maximumNodesPerJob = some(record.max_nodes)
        minimumNodesPerJob = record.min_nodes
        allowGroups = optionalText(record.allow_groups)
        allowAccounts = optionalText(record.allow_accounts)
        denyAccounts = optionalText(record.deny_accounts)
        allowQOS = optionalText(record.allow_qos)
        denyQOS = optionalText(record.deny_qos)
        allowedSubmitHosts = optionalText(record.allow_alloc_nodes)
        qos = optionalText(record.qos_char)
        priorityTier = UInt32(record.priority_tier)
    }
}
