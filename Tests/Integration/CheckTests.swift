// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Slurm
import Testing

/// Cloud nodes that are powered down, which slurmctld does not show.
@Suite("Cloud", .serialized, .enabled(if: Lab.runs("Site")))
struct CloudTests {
    private static let lines = """
        SuspendProgram=/bin/true
        ResumeProgram=/bin/true
        SuspendTime=3600
        NodeName=cloud[1-4] CPUs=4 RealMemory=1000 State=CLOUD
        NodeName=cold1 CPUs=8 RealMemory=3000 State=FUTURE
        PartitionName=burst Nodes=cloud[1-4] MaxTime=UNLIMITED
        PartitionName=mixed Nodes=n1,cloud[1-2],cold1
        """

    @Test("count by the partition's record, nodes of the future do not, and the commands say so")
    func hidden() async throws {
        try await Lab.reconfigure(Self.lines)
        let controller = try await Lab.connect()
        let burst = try await controller.inventory(partition: "burst")
        #expect(burst.total.nodes == 4 && burst.total.cpus == 16 && burst.total.memory == 4000)
        #expect(burst.hidden?.nodes == 4 && burst.responding.nodes == 0)
        let mixed = try await controller.inventory(partition: "mixed")
        #expect(mixed.nodes.map(\.name).sorted() == ["cloud1", "cloud2", "n1"])
        #expect(mixed.total.cpus == 12)
        let shown = try await Lab.run(as: "root", "\(Lab.binary) cluster -p burst,mixed").output
        #expect(shown.contains("burst: 4 cloud nodes are powered down"))
        let found = try await Check.findings(partition: "burst")
        let texts = found.filter { $0.subject == "partition" }
        #expect(texts.first?.text.hasPrefix("burst: 4 nodes, 16 CPUs") == true && texts.last?.level == "warning")
        // Shown, they are nodes like others.
        try await Lab.reconfigure("PrivateData=jobs,cloud")
        let visible = try await controller.inventory(partition: "burst")
        #expect(visible.hidden == nil && visible.total == burst.total)
    }
}

/// AccountingStorageEnforce=associations.
@Suite("Associations", .serialized, .enabled(if: Lab.runs("Accounting")))
struct AssociationTests {
    @Test("`check` names the mapped users whom slurmctld would refuse")
    func mappedUsers() async throws {
        let controller = try await Lab.connect()
        #expect(
            try await controller.usersWithAssociation(among: ["labu1", "labu2", "daemon", "nosuch"]) == [
                "labu1", "labu2",
            ])
        let none = try await Check.findings(users: ["labu1", "daemon", "nosuch"])
        let associations = try #require(none.first { $0.subject == "associations" })
        #expect(associations.level == "failure" && associations.text.contains("takes no jobs of daemon ("))
        #expect(none.first { $0.subject == "users.map" }?.text.contains("no Unix user of this host: nosuch;") == true)
        let all = try await Check.findings(users: ["labu1", "labu2"])
        #expect(all.first { $0.subject == "associations" }?.level == "ok")
        #expect(!all.contains { $0.subject == "users.map" })
    }
}

private enum Check {
    struct Finding: Decodable {
        var level: String
        var subject: String
        var text: String
    }

    /// What `check` finds for a grid's configuration; nobody answers at its node.
    static func findings(partition: String = "main", users: [String] = []) async throws -> [Finding] {
        let map = users.enumerated().map { index, user in
            "  \"0x\(String(repeating: "0", count: 38))\(String(index + 16, radix: 16))\": \(user)\n"
        }
        let yaml = """
            metascheduler: {endpoint.rpc: "http://127.0.0.1:1", smart-contract: "0x\(String(repeating: "0", count: 38))01"}
            chain.key-file: /nonexistent
            slurm.partition: \(partition)
            state-folder: /nonexistent
            users.map:\(users.isEmpty ? " \"\"" : "\n" + map.joined())
            """
        let script = """
            cat >/tmp/check.$$ <<'END'
            \(yaml)
            END
            \(Lab.binary) check --json --config /tmp/check.$$
            rm /tmp/check.$$
            """
        let reply = try await Lab.run(as: "root", script, expecting: nil)
        return try JSONDecoder().decode([Finding].self, from: Data(reply.output.utf8))
    }
}
