// SPDX-License-Identifier: GPL-3.0-or-later

internal import CSlurm
public import FoundationEssentials

/// A compute node as slurmctld knows it.
public struct Node: Sendable, Hashable {
    public var name: String
    public var hostName: String?
    public var address: String?
    public var state: NodeState
    /// Why an administrator or Slurm took it out of service.
    public var reason: String?
    public var cpus: UInt32
    /// CPUs less those kept for the system.
    public var usableCPUs: UInt32
    public var sockets: UInt32
    public var coresPerSocket: UInt32
    public var threadsPerCore: UInt32
    /// In MB.
    public var memory: UInt64
    /// In MB, kept for the system; nil when none is.
    public var systemMemory: UInt64?
    /// In MB, as the node last reported; nil when it has not.
    public var freeMemory: UInt64?
    /// Times 100; nil when the node has not reported.
    public var load: UInt32?
    public var gres: String?
    public var gresUsed: String?
    public var features: String?
    public var tres: TRES?
    public var version: String?
    public var bootTime: Date?
    public var slurmdStartTime: Date?
    public var lastBusyTime: Date?

    /// GPUs by type, "" for those without one, from the node's GRES; nil when Slurm's text cannot be read.
    public var gpus: [String: UInt64]? {
        guard let list = GRES.list(gres ?? "") else { return nil }
        var byType: [String: UInt64] = [:]
        for entry in list where entry.name == "gpu" {
            // No node has more; keeps the sums over all nodes within 64 bits.
            guard entry.count <= UInt64(UInt32.max) else { return nil }
            byType[entry.type ?? "", default: 0] &+= entry.count
        }
        return byType
    }

    init(_ record: node_info_t) {
        name = optionalText(record.name) ?? ""
        hostName = optionalText(record.node_hostname)
        address = optionalText(record.node_addr)
        state = NodeState(rawValue: record.node_state)
        reason = optionalText(record.reason)
        cpus = UInt32(record.cpus)
        usableCPUs = record.cpus_efctv == 0 ? UInt32(record.cpus) : UInt32(record.cpus_efctv)
        sockets = UInt32(record.sockets)
        coresPerSocket = UInt32(record.cores)
        threadsPerCore = UInt32(record.threads)
        memory = record.real_memory
        systemMemory = some(record.mem_spec_limit)
        freeMemory = some(record.free_mem)
        load = some(record.cpu_load)
        gres = optionalText(record.gres)
        gresUsed = optionalText(record.gres_used)
        features = optionalText(record.features)
        tres = optionalText(record.tres_fmt_str).map(TRES.init)
        version = optionalText(record.version)
        bootTime = date(record.boot_time)
        slurmdStartTime = date(record.slurmd_start_time)
        lastBusyTime = date(record.last_busy)
    }
}

/// The state of a node: a base state and flags (`enum node_states` of slurm.h).
public struct NodeState: Sendable, Hashable, CustomStringConvertible {
    /// The raw values are Slurm's.
    public enum Base: UInt32, Sendable, Hashable, CaseIterable {
        case unknown = 0
        case down = 1
        case idle = 2
        case allocated = 3
        case error = 4
        case mixed = 5
        case future = 6
    }

    public struct Flags: OptionSet, Sendable, Hashable {
        public let rawValue: UInt32

        public init(rawValue: UInt32) {
            self.rawValue = rawValue
        }

        public static let reserved = Flags(rawValue: cs_NODE_STATE_RES)
        public static let drain = Flags(rawValue: cs_NODE_STATE_DRAIN)
        public static let completing = Flags(rawValue: cs_NODE_STATE_COMPLETING)
        public static let notResponding = Flags(rawValue: cs_NODE_STATE_NO_RESPOND)
        public static let poweredDown = Flags(rawValue: cs_NODE_STATE_POWERED_DOWN)
        public static let fail = Flags(rawValue: cs_NODE_STATE_FAIL)
        public static let poweringUp = Flags(rawValue: cs_NODE_STATE_POWERING_UP)
        public static let maintenance = Flags(rawValue: cs_NODE_STATE_MAINT)
        public static let rebootRequested = Flags(rawValue: cs_NODE_STATE_REBOOT_REQUESTED)
        public static let poweringDown = Flags(rawValue: cs_NODE_STATE_POWERING_DOWN)
        public static let planned = Flags(rawValue: cs_NODE_STATE_PLANNED)
        public static let invalidRegistration = Flags(rawValue: cs_NODE_STATE_INVALID_REG)

        static let names: [(Flags, String)] = [
            (.reserved, "RESERVED"), (.drain, "DRAIN"), (.completing, "COMPLETING"),
            (.notResponding, "NOT_RESPONDING"), (.poweredDown, "POWERED_DOWN"), (.fail, "FAIL"),
            (.poweringUp, "POWERING_UP"), (.maintenance, "MAINTENANCE"), (.rebootRequested, "REBOOT_REQUESTED"),
            (.poweringDown, "POWERING_DOWN"), (.planned, "PLANNED"), (.invalidRegistration, "INVALID_REG"),
        ]
    }

    public var rawValue: UInt32

    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    public var base: Base? { Base(rawValue: rawValue & cs_NODE_STATE_BASE) }

    public var flags: Flags { Flags(rawValue: rawValue & ~cs_NODE_STATE_BASE) }

    /// The node is up and answers: jobs on it run, or could.
    public var isResponding: Bool {
        guard let base, base == .idle || base == .allocated || base == .mixed else { return false }
        return flags.isDisjoint(with: [
            .notResponding, .poweredDown, .poweringDown, .poweringUp, .fail, .invalidRegistration,
        ])
    }

    /// The base state, then each flag after a `+`: "IDLE+DRAIN".
    public var description: String {
        var text: String
        switch base {
        case .unknown: text = "UNKNOWN"
        case .down: text = "DOWN"
        case .idle: text = "IDLE"
        case .allocated: text = "ALLOCATED"
        case .error: text = "ERROR"
        case .mixed: text = "MIXED"
        case .future: text = "FUTURE"
        case nil: text = "STATE_\(rawValue & cs_NODE_STATE_BASE)"
        }
        for (flag, name) in Flags.names where flags.contains(flag) { text += "+" + name }
        return text
    }
}

func optionalText(_ bytes: UnsafePointer<CChar>?) -> String? {
    guard let bytes, bytes.pointee != 0 else { return nil }
    return String(cString: bytes)
}
