// SPDX-License-Identifier: GPL-3.0-or-later

internal import ArgumentParser
internal import CommandOutput
internal import Slurm

struct ClusterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cluster",
        abstract: "Show what the cluster's partitions offer.",
        discussion: """
            Counts are what jobs can get: without CPUs and memory that slurm.conf keeps for the system. "Responding" \
            counts only nodes that are up and answer slurmctld.
            """)

    @OptionGroup var slurm: SlurmOptions

    @Option(
        name: [.customShort("p", allowingJoined: true), .long],
        help: ArgumentHelp("Only these partitions, node by node; with commas.", valueName: "names")
    )
    var partition: String?

    func run() async throws {
        try await reporting(json: slurm.json) {
            let controller = try await slurm.connect()
            let cluster = try await controller.cluster()
            let inventories: [ClusterInventory]
            if let partition {
                var found: [ClusterInventory] = []
                for name in listed(partition) { found.append(try await controller.inventory(partition: name)) }
                inventories = found
            } else {
                let (partitions, nodes) = (try await controller.partitions(), try await controller.nodes())
                inventories = try partitions.map { try ClusterInventory(partition: $0, nodes: nodes) }
            }
            if slurm.json {
                try printJSON(ClusterDocument(cluster, inventories))
            } else {
                printText(cluster, inventories)
            }
        }
    }

    private func printText(_ cluster: Cluster, _ inventories: [ClusterInventory]) {
        var facts = ["cluster \(cluster.name)", "Slurm \(cluster.controllerVersion)", cluster.authenticationType]
        facts.append(cluster.hasAccounting ? "accounting (enforced: \(cluster.accounting))" : "no accounting")
        if let federation = cluster.federation { facts.append("member of federation \(federation)") }
        print(facts.joined(separator: ", "))
        var table = Table(
            ["PARTITION", "STATE", "", "NODES", "CPUS", "MEMORY_MB", "GPUS", "GPU_TYPES"], rightAligned: [3, 4, 5, 6])
        for inventory in inventories {
            for (what, amounts) in [("all", inventory.total), ("responding", inventory.responding)] {
                table.add([
                    inventory.partition, inventory.state.description, what, "\(amounts.nodes)", "\(amounts.cpus)",
                    "\(amounts.memory)", "\(amounts.gpus)", Self.types(amounts.gpusByType),
                ])
            }
        }
        print(table.render())
        for inventory in inventories {
            if let note = inventory.hidden?.note { print("\(inventory.partition): \(note)") }
        }
        guard partition != nil else { return }
        for inventory in inventories {
            var nodes = Table(["NODE", "STATE", "CPUS", "MEMORY_MB", "GPUS", "GPU_TYPES"], rightAligned: [2, 3, 4])
            for node in inventory.nodes {
                nodes.add([
                    node.name, node.isHidden ? "(hidden)" : node.state.description, "\(node.cpus)", "\(node.memory)",
                    "\(node.gpus)", Self.types(node.gpusByType),
                ])
            }
            print("\n" + nodes.render())
        }
    }

    private static func types(_ byType: [String: UInt64]) -> String {
        byType.filter { $0.value > 0 }.map { "\($0.key.isEmpty ? "(untyped)" : $0.key):\($0.value)" }.sorted()
            .joined(separator: ",")
    }
}

private struct ClusterDocument: Encodable {
    struct Amounts: Encodable {
        var nodes: UInt64
        var cpus: UInt64
        var memory: UInt64
        var gpus: UInt64
        /// An array, since a GPU type is no key of ours.
        var gpusByType: [GPUCount]

        init(_ amounts: ClusterInventory.Amounts) {
            (nodes, cpus, memory, gpus) = (amounts.nodes, amounts.cpus, amounts.memory, amounts.gpus)
            gpusByType = GPUCount.list(amounts.gpusByType)
        }
    }

    struct GPUCount: Encodable {
        var type: String?
        var count: UInt64

        static func list(_ byType: [String: UInt64]) -> [GPUCount] {
            byType.sorted { $0.key < $1.key }.map { GPUCount(type: $0.key.isEmpty ? nil : $0.key, count: $0.value) }
        }
    }

    struct NodeEntry: Encodable {
        var name: String
        var state: String
        var responding: Bool
        /// slurmctld does not show it: its share of the partition's record.
        var hidden: Bool
        var cpus: UInt32
        var memory: UInt64
        var gpus: UInt64
        var gpusByType: [GPUCount]
    }

    struct PartitionEntry: Encodable {
        var name: String
        var state: String
        var heterogeneous: Bool
        var total: Amounts
        var responding: Amounts
        var nodes: [NodeEntry]

        init(_ inventory: ClusterInventory) {
            name = inventory.partition
            state = inventory.state.description
            heterogeneous = inventory.isHeterogeneous
            total = Amounts(inventory.total)
            responding = Amounts(inventory.responding)
            nodes = inventory.nodes.map {
                NodeEntry(
                    name: $0.name, state: $0.state.description, responding: $0.state.isResponding,
                    hidden: $0.isHidden, cpus: $0.cpus, memory: $0.memory, gpus: $0.gpus,
                    gpusByType: GPUCount.list($0.gpusByType))
            }
        }
    }

    var cluster: String
    var slurmVersion: String
    var libraryVersion: String
    var authentication: String
    var accounting: Bool
    var accountingEnforced: String
    var minimumJobAge: UInt32
    var slurmUser: String
    var federation: String?
    var partitions: [PartitionEntry]

    init(_ cluster: Cluster, _ inventories: [ClusterInventory]) {
        self.cluster = cluster.name
        slurmVersion = cluster.controllerVersion
        libraryVersion = cluster.libraryVersion
        authentication = cluster.authenticationType
        accounting = cluster.hasAccounting
        accountingEnforced = cluster.accounting.description
        minimumJobAge = cluster.minimumJobAge
        slurmUser = cluster.slurmUserName
        federation = cluster.federation
        partitions = inventories.map(PartitionEntry.init)
    }
}
