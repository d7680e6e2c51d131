// SPDX-License-Identifier: GPL-3.0-or-later

import CSlurm
import Glibc

@testable import Slurm

/// C texts that live as long as this does.
final class Texts {
    private var texts: [UnsafeMutablePointer<CChar>] = []

    deinit {
        texts.forEach { free($0) }
    }

    func callAsFunction(_ text: String?) -> UnsafeMutablePointer<CChar>? {
        guard let text, let copy = strdup(text) else { return nil }
        texts.append(copy)
        return copy
    }
}

extension Node {
    /// A node as libslurm's record tells it.
    static func made(
        _ name: String, state: UInt32 = 2, cpus: UInt16 = 4, effective: UInt16? = nil, memory: UInt64 = 4000,
        systemMemory: UInt64 = 0, gres: String? = nil
    ) -> Node {
        let text = Texts()
        defer { withExtendedLifetime(text) {} }
        var record = node_info_t()
        record.name = text(name)
        record.node_state = state
        record.cpus = cpus
        record.cpus_efctv = effective ?? cpus
        record.real_memory = memory
        record.mem_spec_limit = systemMemory
        record.free_mem = cs_NO_VAL64
        record.cpu_load = cs_NO_VAL
        record.gres = text(gres)
        return Node(record)
    }
}

extension Partition {
    static func made(
        _ name: String, nodes: String?, up: Int32 = partitionUp, flags: UInt32 = 0, totalNodes: UInt32 = 0,
        totalCPUs: UInt32 = 0, tres: String? = nil
    ) -> Partition {
        let text = Texts()
        defer { withExtendedLifetime(text) {} }
        var record = partition_info_t()
        record.name = text(name)
        record.nodes = text(nodes)
        record.state_up = UInt16(up)
        record.flags = numericCast(flags)
        record.total_nodes = totalNodes
        record.total_cpus = totalCPUs
        record.tres_fmt_str = text(tres)
        record.max_time = 10_080
        record.default_time = cs_NO_VAL
        record.max_nodes = cs_INFINITE
        return Partition(&record)
    }
}

/// PARTITION_UP: jobs are taken and started.
let partitionUp: Int32 = PARTITION_SUBMIT | PARTITION_SCHED
