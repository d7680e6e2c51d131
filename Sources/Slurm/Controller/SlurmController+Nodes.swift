// SPDX-License-Identifier: GPL-3.0-or-later

internal import CSlurm

extension SlurmController {
    /// All partitions of this cluster, hidden ones too.
    public func partitions() async throws(SlurmError) -> [Partition] {
        try await call("slurm_load_partitions") { () throws(SlurmError) in
            var answer: UnsafeMutablePointer<partition_info_msg_t>?
            try SlurmCall.check("slurm_load_partitions") {
                slurm_load_partitions(0, &answer, cs_SHOW_ALL | cs_SHOW_LOCAL)
            }
            guard let answer else { throw SlurmError(.unexpected, "empty answer", call: "slurm_load_partitions") }
            defer { slurm_free_partition_info_msg(answer) }
            return (0..<Int(answer.pointee.record_count)).map {
                Partition(UnsafePointer(answer.pointee.partition_array + $0))
            }
        }
    }

    /// All nodes of this cluster that slurmctld shows, with those of State=FUTURE; not the cloud's while they are powered down.
    public func nodes() async throws(SlurmError) -> [Node] {
        try await call("slurm_load_node") { () throws(SlurmError) in
            var answer: UnsafeMutablePointer<node_info_msg_t>?
            try SlurmCall.check("slurm_load_node") {
                slurm_load_node(
                    0, &answer, cs_SHOW_ALL | cs_SHOW_DETAIL | cs_SHOW_LOCAL | cs_SHOW_MIXED | cs_SHOW_FUTURE)
            }
            guard let answer else { throw SlurmError(.unexpected, "empty answer", call: "slurm_load_node") }
            defer { slurm_free_node_info_msg(answer) }
            return (0..<Int(answer.pointee.record_count)).compactMap { index in
                let record = answer.pointee.node_array[index]
                // Slots of dynamic nodes that do not exist have no name.
                return record.name == nil ? nil : Node(record)
            }
        }
    }

    /// What a partition offers; the cluster's default partition when none is named.
    /// - Throws: `partition` for a name that does not exist, with those that do.
    public func inventory(partition name: String? = nil) async throws(SlurmError) -> ClusterInventory {
        let all = try await partitions()
        guard let partition = all.first(where: { name == nil ? $0.isDefault : $0.name == name }) else {
            let names = all.map(\.name).joined(separator: ", ")
            throw SlurmError(
                .partition,
                name.map { "there is no partition \"\($0)\"; there are: \(names)" }
                    ?? "this cluster has no default partition; name one of: \(names)")
        }
        return try ClusterInventory(partition: partition, nodes: try await nodes())
    }
}
